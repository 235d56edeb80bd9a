"""The report as a page to look at, without a network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ownlm.live.feedback.report import Line, Report
from ownlm.live.feedback.schema import HORIZONS
from ownlm.web.bands import Interval, whisker_chart
from ownlm.web.numbers import Cell
from ownlm.web.page import Page

UNKNOWN = "(unknown)"
HORIZON_NAMES = {30: "30 s", 120: "2 min", 300: "5 min"}
TITLES = {
    "version": "model version",
    "suffix": "file type",
    "arm": "arm of an experiment",
    "experiment": "experiment",
}
_PEOPLE = ("completions", "shown", "accepted", "acceptance, %", "from, %", "to, %", "users")
_TEXT = ("accepted characters", "kept", *(f"left after {name}, %" for name in HORIZON_NAMES.values()))
_TIMES = ("first, p50, ms", "first, p95, ms", "whole, p50, ms", "whole, p95, ms")


def write(report: Report, path: Path, span: str) -> None:
    """Write the page.

    Args:
        report: what it shows.
        path: the file.
        span: which time it is about, e.g. "the last 30d".

    Raises:
        StorageError: it cannot be written.
    """
    page = Page("What people did with completions", f"Feedback of {span}")
    whole = report.whole
    page.facts(
        {
            "Completions": whole.sums.completions,
            "Shown": whole.sums.shown,
            "Accepted": whole.sums.accepted,
            "Acceptance": percent(whole.sums.acceptance),
            "95 % interval": interval_text(whole),
            "Accepted characters": whole.sums.accepted_characters,
            "Left after 5 min": percent(whole.sums.survival(300)),
            "Whole answer, p95": milliseconds(whole.sums.latency(0.95)),
        }
    )
    for name, lines in report.parts.items():
        title = f"By {TITLES.get(name, name)}"
        page.heading(title)
        bars: dict[str, Interval] = {
            line.name or UNKNOWN: (
                _percent(line.sums.acceptance),
                _percent(line.interval[0]),
                _percent(line.interval[1]),
            )
            for line in lines
            if line.sums.acceptance is not None and line.interval is not None
        }
        if bars:
            page.add(whisker_chart("Acceptance", bars, "% of what was shown"))
        page.table([name, *_PEOPLE], [_people(line) for line in lines])
        page.table([name, *_TEXT], [_text(line) for line in lines])
        page.table([name, *_TIMES], [_times(line) for line in lines])
    page.paragraph(
        "A choice was shown when a client told of any event of it; it counts at the time of its completion, and once. "
        "The interval draws whole users again where at least ten are known: completions of one user are alike. "
        "Kept characters are those that the last report of a choice found still there; what is left is a share of "
        "the accepted text of choices with such a report. First is the time to the first piece of text, whole that of "
        "the answer: times are those of answers that a client waited for, from "
        "the arrival of the request, right to 1 %. Weeks are those of UTC."
    )
    page.write(path)


def percent(share: float | None) -> str:
    """A share as people write it."""
    return "–" if share is None else f"{100 * share:.1f} %"


def milliseconds(seconds: float | None) -> str:
    """A latency as people write it."""
    return "–" if seconds is None else f"{1000 * seconds:,.0f} ms"


def interval_text(line: Line) -> str:
    """The interval of the acceptance."""
    return "–" if line.interval is None else f"{100 * line.interval[0]:.1f}–{100 * line.interval[1]:.1f} %"


def _percent(share: float) -> float:
    return round(100 * share, 1)


def _people(line: Line) -> Sequence[Cell]:
    figures = line.sums
    shares = [figures.acceptance, *(line.interval or (None, None))]
    return [
        line.name or UNKNOWN,
        *(figures.completions, figures.shown, figures.accepted),
        *(None if share is None else _percent(share) for share in shares),
        line.users,
    ]


def _text(line: Line) -> Sequence[Cell]:
    figures = line.sums
    left = (figures.survival(horizon) for horizon in HORIZONS)
    return [
        line.name or UNKNOWN,
        *(figures.accepted_characters, figures.kept_characters),
        *(None if share is None else _percent(share) for share in left),
    ]


def _times(line: Line) -> Sequence[Cell]:
    times = (line.sums.latency(share, first_token=first) for first in (True, False) for share in (0.5, 0.95))
    return [line.name or UNKNOWN, *(None if time is None else round(1000 * time) for time in times)]
