"""The part of the evaluation page about suites whose answers were run: tables, pass@k curves, bars by language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ownlm.evaluate.report_answers import write_answers
from ownlm.evaluate.results import Sample
from ownlm.evaluate.suites.base import Problem
from ownlm.web.bands import Interval, band_chart, whisker_chart
from ownlm.web.page import Page

ANSWERS = "answers/index.html"
STATUSES = {
    "passed": "passed",
    "failed": "failed",
    "compile_error": "does not compile",
    "timed_out": "timed out",
    "out_of_memory": "out of memory",
    "too_much_output": "too much output",
    "no_end": "ended before the tests",
}


def write_suites_report(
    folder: Path, results: Mapping[str, Any], samples: Sequence[Sample], problems: Mapping[tuple[str, str], Problem]
) -> None:
    """Write the pages of an evaluation by suites alone: figures, and the browser of answers.

    Args:
        folder: index.html and answers/ go there.
        results: `measured`, `suites`, `environment`.
        samples: all of them.
        problems: by suite and id.

    Raises:
        StorageError: a page cannot be written.
    """
    name = results["measured"]["name"]
    page = Page(f"Evaluation of {name}", "Suites whose answers were run")
    page.facts(suite_facts(results))
    add_suites(page, results)
    page.write(folder / "index.html")
    write_answers(folder / ANSWERS, name, samples, problems)


def suite_facts(results: Mapping[str, Any]) -> dict[str, object]:
    """The headline figures, as tiles."""
    return {f"{name}, pass@1": percent(suite["pass_at_k"]["1"]["value"]) for name, suite in results["suites"].items()}


def add_suites(page: Page, results: Mapping[str, Any]) -> None:
    """Everything about the suites that were run."""
    suites = results["suites"]
    page.heading("Answers that were run")
    page.paragraph(
        "Each answer is put into its problem's test program and run in a sandbox. pass@k: the chance that one of k "
        "answers at least is right, without bias; in brackets the 95 % interval, drawing whole problems again. "
        "A time-out is not a pass, and stands apart from failures: it may say something of the machine."
    )
    page.link("All answers, with prompt, verdict and output", ANSWERS)
    _table(page, suites)
    curves = {name: _curve(suite["pass_at_k"]) for name, suite in suites.items() if len(suite["pass_at_k"]) > 1}
    if curves:
        page.add(band_chart("pass@k", curves, "k, answers one may give", "chance of a right one, %"))
    page.add(whisker_chart("pass@1 by suite", {name: _bar(suite) for name, suite in suites.items()}, "%"))
    for name, suite in suites.items():
        if len(suite["languages"]) > 1:
            bars = {language: _bar(found) for language, found in _best_first(suite["languages"]).items()}
            page.add(whisker_chart(f"{name}: pass@1 by language", bars, "%"))
    if results.get("likelihood"):
        _likelihood(page, results["likelihood"])
    page.heading("How it was measured")
    _ends(page, suites)
    _settings(page, suites)
    _environment(page, results)


def percent(share: float) -> str:
    """0.1234 -> "12.3 %"."""
    return f"{100 * share:.1f} %"


def figure_text(found: Mapping[str, Any]) -> str:
    """A figure with its interval: "12.3 % (8.0 to 16.9)"."""
    low, high = found["interval_95"]
    return f"{percent(found['value'])} ({100 * low:.1f} to {100 * high:.1f})"


def _table(page: Page, suites: Mapping[str, Any]) -> None:
    asked = sorted({k for suite in suites.values() for k in suite["settings"]["k"]} | {1})
    rows = [
        [
            name,
            suite["problems"],
            suite["samples"],
            *(figure_text(suite["pass_at_k"][str(k)]) if str(k) in suite["pass_at_k"] else "" for k in asked),
            suite["ends"].get("timed_out", 0),
            suite["unfinished"],
            suite["cut"],
        ]
        for name, suite in suites.items()
    ]
    columns = ["suite", "problems", "answers", *(f"pass@{k}" for k in asked), "timed out", "too long", "prompt cut"]
    page.table(columns, rows)


def _likelihood(page: Page, graded: Mapping[str, Any]) -> None:
    page.heading("The same problems, graded by likelihood")
    page.paragraph(
        "How sure the model is of the reference solution, where pass@1 is still 0. Bits per byte of references after "
        "their prompts: lower is better. Accuracy: how often a wrong answer takes more bits a byte than the "
        "reference; 50 % is chance. Others are references of other problems, mutations have one place changed."
    )
    rows = []
    for name, found in graded.items():
        low, high = found["bits_per_byte_95"]
        bits = f"{found['bits_per_byte']:.3f} ({low:.3f} to {high:.3f})"
        rows.append([name, found["problems"], bits, *(_accuracy(found.get(kind)) for kind in ("others", "mutations"))])
    columns = ["suite", "problems", "bits per byte of references", "against others", "against mutations"]
    page.table(columns, rows)


def _accuracy(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return ""
    low, high = found["accuracy_95"]
    return f"{percent(found['accuracy'])} ({100 * low:.1f} to {100 * high:.1f})"


def _ends(page: Page, suites: Mapping[str, Any]) -> None:
    seen = [status for status in STATUSES if any(status in suite["ends"] for suite in suites.values())]
    rows = [
        [name if len(suite["languages"]) == 1 else f"{name}, {language}", *(found["ends"].get(one, 0) for one in seen)]
        for name, suite in suites.items()
        for language, found in suite["languages"].items()
    ]
    page.table(["suite", *(STATUSES[one] for one in seen)], rows, title="How the answers ended")


def _settings(page: Page, suites: Mapping[str, Any]) -> None:
    names = ("samples", "temperature", "top_p", "max_tokens", "seed")
    rows = [
        [name, *(suite["settings"][one] for one in names), suite["facts"].get("sha256", "")[:12]]
        for name, suite in suites.items()
    ]
    columns = ["suite", "samples", "temperature", "top p", "tokens at most", "seed", "data (sha256)"]
    page.table(columns, rows, title="How it was asked")


def _environment(page: Page, results: Mapping[str, Any]) -> None:
    environment, model = results["environment"], results["measured"]
    rows = [["model", model["name"]]]
    rows += [[f"model, {name.replace('_', ' ')}", value] for name, value in model["identity"].items()]
    rows += [[f"sandbox, {name.replace('_', ' ')}", value] for name, value in environment["sandbox"].items()]
    rows += [[language, version] for language, version in environment["tools"].items()]
    rows += [["machine", environment["machine"]], ["ownlm", environment["ownlm"]]]
    page.table(["", ""], rows, title="Measured with")


def _curve(pass_at_k: Mapping[str, Any]) -> dict[float, Interval]:
    return {float(k): _interval(found) for k, found in pass_at_k.items()}


def _bar(suite: Mapping[str, Any]) -> Interval:
    return _interval(suite["pass_at_k"]["1"])


def _interval(found: Mapping[str, Any]) -> Interval:
    low, high = found["interval_95"]
    return round(100 * found["value"], 2), round(100 * low, 2), round(100 * high, 2)


def _best_first(languages: Mapping[str, Any]) -> dict[str, Any]:
    return dict(sorted(languages.items(), key=lambda item: -item[1]["pass_at_k"]["1"]["value"]))
