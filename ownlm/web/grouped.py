"""Horizontal bars side by side: for each group one bar of each series, in the series' colour, with its value.

The order of bars in a group is that of the legend, so that they can be told apart without colour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ownlm.web.charts import COLOURS, LABEL_LENGTH, WIDTH, figure, nothing, svg
from ownlm.web.html import Html, text
from ownlm.web.numbers import show
from ownlm.web.scale import Scale, drawable

MOST_GROUPS = 30
_BAR, _GAP = 15, 12


def grouped_bar_chart(title: str, groups: Mapping[str, Mapping[str, float]], unit: str = "") -> Html:
    """Bars by group and series; see the module.

    Args:
        title: what is shown.
        groups: group -> series -> value, none negative. A series that a group lacks, or whose value is not finite,
            has an empty place there.
        unit: of the values; stands once, with the title.
    """
    series = list(dict.fromkeys(name for values in groups.values() for name in values))
    shown = list(groups.items())[:MOST_GROUPS]
    largest = max((value for _, values in shown for value in values.values() if drawable(value)), default=0.0)
    if not series or not shown:
        return figure(title, "", nothing(), "")
    label_width = 14 + 7.2 * min(max(len(name) for name, _ in shown), LABEL_LENGTH)
    scale = Scale(0.0, largest if largest > 0 else 1.0, label_width, WIDTH - 70, ())
    height = len(series) * _BAR + _GAP
    drawn = [_group(number * height, name, values, series, scale) for number, (name, values) in enumerate(shown)]
    left_out = len(groups) - len(shown)
    note = f"{left_out:,} more are not drawn." if left_out else ""
    caption = f"{title}, {unit}" if unit else title
    drawing = svg(caption, height * len(shown), "".join(drawn))
    return figure(caption, _legend(series) if len(series) > 1 else "", drawing, note)


def _group(top: int, name: str, values: Mapping[str, float], series: Sequence[str], scale: Scale) -> str:
    label = name if len(name) <= LABEL_LENGTH else name[: LABEL_LENGTH - 1] + "…"
    middle = top + (len(series) * _BAR) / 2 + 4
    parts = [f'<text class="name end" x="{scale.start - 10:.2f}" y="{middle:.2f}">{text(label)}</text>']
    for number, one in enumerate(series):
        value = values.get(one)
        if value is None or not drawable(value):
            continue
        y, width = top + number * _BAR, max(scale(value) - scale.start, 1)
        parts.append(
            f"<g><title>{text(f'{name}, {one}: {show(value)}')}</title>"
            f'<rect class="bar c{number % COLOURS}" x="{scale.start:.2f}" y="{y}" width="{width:.2f}" '
            f'height="{_BAR - 2}" rx="1.5"/>'
            f'<text class="value" x="{scale.start + width + 6:.2f}" y="{y + 10.5}">{text(show(value))}</text></g>'
        )
    return "".join(parts)


def _legend(names: Sequence[str]) -> str:
    items = "".join(
        f'<li><svg class="swatch" viewBox="0 0 22 8"><rect class="bar c{number % COLOURS}" x="3" width="16" '
        f'height="8"/></svg>{text(name)}</li>'
        for number, name in enumerate(names)
    )
    return f'<ul class="legend">{items}</ul>'
