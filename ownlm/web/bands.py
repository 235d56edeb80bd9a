"""Figures with their intervals: lines with a band around each, and bars with a whisker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ownlm.web.charts import BOTTOM, COLOURS, HEIGHT, LABEL_LENGTH, LEFT, RIGHT, TOP, WIDTH, axes, figure, nothing, svg
from ownlm.web.html import Html, text
from ownlm.web.numbers import show
from ownlm.web.scale import Scale, linear, logarithmic

Interval = tuple[float, float, float]
"""Value, low, high."""
MOST_WHISKERS = 60
_ROW = 26


def band_chart(title: str, series: Mapping[str, Mapping[float, Interval]], x_label: str, y_label: str) -> Html:
    """Lines over a logarithmic x axis, each with the band of its intervals.

    Args:
        title: what is shown.
        series: name -> x (positive) -> (value, low, high), all finite, x in order.
        x_label: of the x axis.
        y_label: of the y axis.
    """
    xs = [x for points in series.values() for x in points]
    if not xs:
        return figure(title, "", nothing(), "")
    x = logarithmic(xs, LEFT, WIDTH - RIGHT) if len(set(xs)) > 1 else linear(xs, LEFT, WIDTH - RIGHT)
    highs = [high for points in series.values() for _, _, high in points.values()]
    y = linear(highs, HEIGHT - BOTTOM, TOP, zero=True)
    drawn = [axes(x, y, x_label, y_label)]
    for number, (name, points) in enumerate(series.items()):
        drawn.append(_band(number % COLOURS, name, points, x, y))
    return figure(title, _legend(list(series)), svg(title, HEIGHT, "".join(drawn)), "")


def whisker_chart(title: str, values: Mapping[str, Interval], unit: str = "") -> Html:
    """Horizontal bars from zero, each with the whisker of its interval and its value.

    Args:
        title: what is shown.
        values: name -> (value, low, high), none negative.
        unit: of the values; stands once, with the title.
    """
    shown = list(values.items())[:MOST_WHISKERS]
    caption = f"{title}, {unit}" if unit else title
    if not shown:
        return figure(caption, "", nothing(), "")
    largest = max(high for _, (_, _, high) in shown) or 1.0
    start = 14 + 7.2 * min(max(len(name) for name, _ in shown), LABEL_LENGTH)
    scale = Scale(0.0, largest, start, WIDTH - 150, ())
    rows = [_whisker(number * _ROW, name, value, scale) for number, (name, value) in enumerate(shown)]
    left_out = len(values) - len(shown)
    note = f"{left_out:,} more are not drawn." if left_out else ""
    return figure(caption, "", svg(caption, _ROW * len(shown) + 4, "".join(rows)), note)


def _band(colour: int, name: str, points: Mapping[float, Interval], x: Scale, y: Scale) -> str:
    above = [f"{x(at)},{y(high)}" for at, (_, _, high) in points.items()]
    below = [f"{x(at)},{y(low)}" for at, (_, low, _) in reversed(list(points.items()))]
    line = " ".join(f"{x(at)},{y(value)}" for at, (value, _, _) in points.items())
    marks = "".join(
        f'<circle class="bar c{colour}" cx="{x(at)}" cy="{y(value)}" r="3">'
        f"<title>{text(f'{name}, {show(at)}: {show(value)} ({show(low)} to {show(high)})')}</title></circle>"
        for at, (value, low, high) in points.items()
    )
    dashed = " dashed" if colour % 2 else ""
    return (
        f'<polygon class="band c{colour}" points="{" ".join(above + below)}"/>'
        f'<polyline class="line c{colour}{dashed}" points="{line}"/>{marks}'
    )


def _whisker(top: int, name: str, value: Interval, scale: Scale) -> str:
    middle, low, high = value
    label = name if len(name) <= LABEL_LENGTH else name[: LABEL_LENGTH - 1] + "…"
    centre = top + _ROW / 2
    figures = f"{show(middle)} ({show(low)} to {show(high)})"
    return (
        f'<text class="name end" x="{scale.start - 10:.2f}" y="{centre + 4}">{text(label)}</text>'
        f"<g><title>{text(f'{name}: {figures}')}</title>"
        f'<rect class="bar c0" x="{scale.start:.2f}" y="{top + 5}" width="{max(scale(middle) - scale.start, 1):.2f}" '
        f'height="{_ROW - 10}" rx="1.5"/>'
        f'<path class="whisker" d="M{scale(low)} {centre}H{scale(high)}M{scale(low)} {centre - 5}v10'
        f'M{scale(high)} {centre - 5}v10"/>'
        f'<text class="value" x="{scale(high) + 8:.2f}" y="{centre + 4}">{text(figures)}</text></g>'
    )


def _legend(names: Sequence[str]) -> str:
    if len(names) < 2:
        return ""
    items = "".join(
        f'<li><svg class="swatch" viewBox="0 0 22 8"><line class="line c{number % COLOURS}'
        f'{" dashed" if number % 2 else ""}" x1="0" x2="22" y1="4" y2="4"/></svg>{text(name)}</li>'
        for number, name in enumerate(names)
    )
    return f'<ul class="legend">{items}</ul>'
