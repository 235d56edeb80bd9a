"""What `ownlm eval` prints: figures, comparisons, both also as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ownlm.evaluate.comparison import Comparison
from ownlm.evaluate.report_suites import figure_text
from ownlm.evaluate.results import Results
from ownlm.looking import visible

PLACES = {"page": "report/index.html", "answers": "report/answers/index.html", "figures": "results.json"}


def print_results(out: Console, results: Results) -> None:
    """A row a suite, a row a language where there are several, then where to look."""
    suites = results.summary["suites"]
    asked = sorted({1, *(k for suite in suites.values() for k in suite["settings"]["k"])})
    table = Table(box=None, pad_edge=False, header_style="bold")
    # A narrow terminal cuts the headings of counts, never a name or a figure.
    table.add_column("suite", no_wrap=True, min_width=max(map(len, suites)))
    table.add_column("problems", justify="right", no_wrap=True, min_width=5)
    for k in asked:
        table.add_column(f"pass@{k} (95 %)", justify="right", no_wrap=True, min_width=21)
    for column in ("timed out", "too long", "prompt cut"):
        table.add_column(column, justify="right", overflow="fold")
    for name, suite in suites.items():
        shown = [figure_text(suite["pass_at_k"][str(k)]) if str(k) in suite["pass_at_k"] else "" for k in asked]
        cells = [*shown, *(f"{value:,}" for value in (suite["ends"].get("timed_out", 0), suite["unfinished"]))]
        table.add_row(Text(visible(name)), f"{suite['problems']:,}", *cells, f"{suite['cut']:,}")
        if len(suite["languages"]) > 1:
            for language, found in suite["languages"].items():
                shown = [figure_text(found["pass_at_k"][str(k)]) if str(k) in found["pass_at_k"] else "" for k in asked]
                late = f"{found['ends'].get('timed_out', 0):,}"
                table.add_row(Text(f"  {language}", style="dim"), f"{found['problems']:,}", *shown, late)
    out.print(Text(visible(str(results.summary["measured"]["name"])), style="bold"))
    out.print(table)
    for name, graded in results.summary.get("likelihood", {}).items():
        others = graded.get("others", {}).get("accuracy")
        against = "" if others is None else f", {others:.1%} of other problems' references less likely (chance: 50 %)"
        bits = f"{graded['bits_per_byte']:.3f} bits per byte of references"
        out.print(Text(f"{visible(name)}: {bits}{against}", style="dim"), soft_wrap=True)
    out.print()
    for name, place in PLACES.items():
        out.print(f"{name:<8} {results.folder / place}", markup=False, soft_wrap=True)


def print_results_json(out: Console, results: Results) -> None:
    """The summary without its lists of problems, and where the rest is."""
    summary = dict(results.summary)
    summary["suites"] = {
        name: {key: value for key, value in suite.items() if key != "by_problem"}
        for name, suite in summary["suites"].items()
    }
    _json(out, {"folder": str(results.folder)} | summary)


def print_comparison(out: Console, names: tuple[str, str], comparisons: Sequence[Comparison]) -> None:
    """A sentence a suite, and one a language where there are several."""
    for one in comparisons:
        out.print(Text(visible(one.suite), style="bold"))
        out.print(Text(visible(one.all.sentence(*names))), soft_wrap=True)
        for language, paired in one.languages.items():
            out.print(Text(f"  {language}: {visible(paired.sentence(*names))}", style="dim"), soft_wrap=True)
        for warning in one.warnings:
            out.print(Text(f"take care: {visible(warning)}", style="yellow"), soft_wrap=True)


def print_comparison_json(out: Console, names: tuple[str, str], comparisons: Sequence[Comparison]) -> None:
    """Everything, for programs."""
    suites = {
        one.suite: asdict(one) | {"sentence": one.all.sentence(*names), "better": one.all.better} for one in comparisons
    }
    _json(out, {"a": names[0], "b": names[1], "suites": suites})


def _json(out: Console, values: object) -> None:
    out.print(json.dumps(values, indent=1), markup=False, soft_wrap=True, highlight=False)
