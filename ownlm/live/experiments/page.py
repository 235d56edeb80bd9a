"""The page of an experiment: one file, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ownlm.live.experiments.compare import NAMES, Compared
from ownlm.live.experiments.report import Report
from ownlm.live.experiments.verdict import amount, signed, size, span
from ownlm.web.figures import write_with_figures
from ownlm.web.page import Page

FILE = "experiment.json"
_TITLES = {"language": "By language", "client": "By client", "suffix": "By type of file"}
_MOST_WIDE = 6.0
"""Times as wide as the last day's: wider intervals, of the first days, would leave nothing to see of the others."""
COLUMNS = ("", "A", "B", "B against A", "interval", "users A", "users B", "better")


def write(report: Report, folder: Path) -> Path:
    """Write the page and its figures into a folder; returns the page.

    Raises:
        StorageError: the folder cannot be written.
    """
    return write_with_figures(page_of(report), report.plain(), folder, FILE)


def page_of(report: Report) -> Page:
    """The page, not yet written."""
    one, plan = report.experiment, report.experiment.plan
    state = "stopped" if one.stopped is not None else "running"
    page = Page(f"Experiment {report.name}", f"A: {one.a}; B: {one.b}; channel {one.channel}; {state}")
    page.paragraph(report.verdict.sentence)
    page.facts(
        {
            "Users of A": report.users[0],
            "Users of B": report.users[1],
            "Completions": sum(report.completions),
            "Errors of A": report.errors[0],
            "Errors of B": report.errors[1],
            "Users planned": plan.users,
        }
    )
    page.table(list(COLUMNS), [cells(NAMES[name], metric) for name, metric in report.metrics.items()], "All users")
    _draw_days(page, report)
    for by, groups in report.groups.items():
        _break_down(page, by, groups)
    page.heading("How to read this")
    for words in _explained(report):
        page.paragraph(words)
    return page


def cells(label: str, one: Compared) -> list[str]:
    """A row of a table."""
    if not np.isfinite(one.value):
        means = [amount(one.metric, value) for value in (one.a, one.b)]
        return [label, *means, "–", "–", *(f"{count:,}" for count in one.users), "too early"]
    known = np.isfinite(one.high)
    interval = span(one) if known else "–"
    better = one.better.upper() if one.better is not None else "alike" if one.alike else "too early"
    means = [amount(one.metric, value) for value in (one.a, one.b)]
    return [label, *means, signed(one.metric, one.value), interval, *(f"{count:,}" for count in one.users), better]


def _draw_days(page: Page, report: Report) -> None:
    last = list(report.days.values())[-1:]
    widest = min((_MOST_WIDE * (one.high - one.low) for one in last), default=0.0)
    known = {day: one for day, one in report.days.items() if one.high - one.low <= widest < np.inf}
    if len(known) < 2:
        return
    metric = next(iter(known.values())).metric
    first = next(iter(report.days))
    at = {day: int((np.datetime64(day) - np.datetime64(first)).astype(int)) for day in known}
    lines = {
        "upper end": [(at[day], 100 * one.high) for day, one in known.items()],
        "B against A": [(at[day], 100 * one.value) for day, one in known.items()],
        "lower end": [(at[day], 100 * one.low) for day, one in known.items()],
    }
    unit = "points" if metric == "acceptance" else "%"
    page.lines(f"Difference of {NAMES[metric]}, with its interval", lines, f"days since {first}", unit)
    shares = {day: one.users[1] / max(1, sum(one.users)) for day, one in known.items()}
    page.lines(
        "Users in B",
        {"are": [(at[day], 100 * share) for day, share in shares.items()]}
        | {"should be": [(at[day], 100 * report.shares[1]) for day in shares]},
        f"days since {first}",
        "% of users",
    )


def _break_down(page: Page, by: str, groups: Mapping[str, Mapping[str, Compared]]) -> None:
    if len(groups) < 2:
        return
    rows = [
        cells(f"{value}: {NAMES[name]}", metric)
        for value, metrics in groups.items()
        for name, metric in metrics.items()
    ]
    page.table(list(COLUMNS), rows, _TITLES[by])


def _explained(report: Report) -> list[str]:
    plan = report.experiment.plan
    lift = size("acceptance" if plan.metric == "acceptance" else "characters", plan.lift)
    return [
        f"Planned before it began: {plan.users:,} users to see a difference of {lift} in {NAMES[plan.metric]} with a "
        f"chance of 80 % ({plan.assumed}).",
        "The intervals hold at every time one looks (95 %): one may stop as soon as one of them leaves zero out. "
        "They count users, not views, for views of one person are alike. The metric planned decides; the others say "
        "whether they agree. Intervals of one table by language, client or type of file are wider, so that all of them "
        "hold together.",
        f"Sample ratio: p = {report.mismatch:.2g} that users fall into the arms as they should, however often one "
        "looked; below 0.01 the page says so and nothing else counts.",
        "Kept characters: of what was accepted, what is still there at the last report of the editor; where it sends "
        "none, all of it. Latency: from request to the last byte.",
    ]
