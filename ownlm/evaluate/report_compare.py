"""The page of two evaluations side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ownlm.evaluate.comparison import Comparison
from ownlm.evaluate.report_suites import percent
from ownlm.evaluate.scores.paired import Paired
from ownlm.web.page import Page

MOST_PROBLEMS = 500


def write_comparison(path: Path, a: str, b: str, comparisons: Sequence[Comparison]) -> None:
    """Write the page.

    Args:
        path: of the HTML file.
        a: what A is called.
        b: what B is called.
        comparisons: one a suite.

    Raises:
        StorageError: it cannot be written.
    """
    page = Page("Two models on the same problems", f"A: {a}. B: {b}")
    page.facts({f"{one.suite}, B - A": _points(one.all) for one in comparisons})
    for one in comparisons:
        page.heading(one.suite)
        page.paragraph(one.all.sentence(a, b))
        for warning in one.warnings:
            page.paragraph(f"Take care: {warning}")
        rows = {"all": one.all, **one.languages}
        page.table(
            ["", "problems", f"A: {a}", f"B: {b}", "B - A, points", "95 % interval", "A better", "B better", "p"],
            [[name, *_row(paired)] for name, paired in rows.items()],
        )
        if one.languages:
            bars = {name: {"A": _share(p.pass_a), "B": _share(p.pass_b)} for name, p in one.languages.items()}
            page.grouped_bars("pass@1 by language", bars, "%")
        for title, problems in ((f"Problems that only B ({b}) does better", one.only_b),
                                (f"Problems that only A ({a}) does better", one.only_a)):  # fmt: skip
            if problems:
                more = len(problems) - MOST_PROBLEMS
                listed = "\n".join(problems[:MOST_PROBLEMS]) + (f"\n{more} more" if more > 0 else "")
                page.code(f"{title}: {len(problems)}", listed)
    page.write(path)


def _row(paired: Paired) -> list[str | int | float]:
    return [
        paired.problems,
        percent(paired.pass_a),
        percent(paired.pass_b),
        round(100 * (paired.pass_b - paired.pass_a), 2),
        f"{100 * paired.low:.1f} to {100 * paired.high:.1f}",
        paired.only_a,
        paired.only_b,
        float(f"{paired.p:.3g}"),
    ]


def _points(paired: Paired) -> str:
    return f"{100 * (paired.pass_b - paired.pass_a):+.1f} points".replace("-", "−")


def _share(value: float) -> float:
    return round(100 * value, 2)
