"""Hidden blocks and bodies, bits per byte by language, and repository tests on the page of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ownlm.web.page import Page

PARTS = {
    "hidden_blocks": (
        "Hidden blocks",
        "The inside of an if, a loop, a try of a held-out file is hidden; the rival writes it greedily. What counts "
        "ends before the first line that is indented less.",
    ),
    "hidden_bodies": (
        "Hidden function bodies",
        "All statements of a function are hidden; its head and, in Python, its documentation string are shown.",
    ),
}


def add_regions(page: Page, results: Mapping[str, Any], names: Mapping[str, str]) -> None:
    """A section for each of hidden blocks and hidden bodies that was measured."""
    for part, (title, words) in PARTS.items():
        if part in results:
            page.heading(title)
            page.paragraph(words)
            _scores(page, results[part], results[f"{part}_order"], names)
            _examples(page, results[f"{part}_examples"], names)
    if "repository_tests" in results:
        _repositories(page, results, names)


def _repositories(page: Page, results: Mapping[str, Any], names: Mapping[str, str]) -> None:
    page.heading("Repository tests")
    page.paragraph(
        "Function bodies the rival wrote, judged by the tests of the repository they are from. Counted are functions "
        "that no test passes without; a body passes if the same tests run and pass as with the author's."
    )
    rows: list[list[str | int]] = []
    for name, found in results["repository_tests"].items():
        if found["baseline"] != "passed":
            page.code(f"{name}: its tests do not pass as they are ({found['baseline']})", found["baseline_output"])
        for rival, score in found["rivals"].items():
            low, high = score["pass_rate_95"]
            statuses = ", ".join(f"{status} {count}" for status, count in score["statuses"].items())
            cells = [f"{100 * score['pass_rate']:.1f} %", f"{100 * low:.1f} to {100 * high:.1f}", statuses]
            rows.append([name, names[rival], score["n"], *cells, found["untested"], found["trained_on"]])
    columns = ["repository", "rival", "functions", "passed", "95 % interval", "verdicts"]
    page.table([*columns, "untested, not counted", "files trained on, left out"], rows)
    for sample in results["repository_tests_samples"]:
        page.code(
            f"{sample['repo']} {sample['path']}, from line {sample['line']}",
            f"{sample['before']}▶{sample['expected']}◀",
        )
        for rival, answer in sample["answers"].items():
            page.code(f"{names[rival]}: {answer['status']}", answer["text"])


def _scores(page: Page, scores: Mapping[str, Any], orders: Mapping[str, str], names: Mapping[str, str]) -> None:
    columns = ["rival", "exact", "95 % interval", "edit similarity", "95 % interval", "asked"]
    rows = [[names[rival], *_cells(score), orders[rival].replace("_", " ")] for rival, score in scores.items()]
    page.table(columns, rows, title=f"{scores['model']['n']} asked")
    for group, title in (("by_language", "The model, by language"), ("by_kind", "The model, by kind")):
        parts = sorted(scores["model"][group].items(), key=lambda item: (-item[1]["n"], item[0]))
        rows = [[name, score["n"], *_cells(score)] for name, score in parts]
        page.table([group.removeprefix("by_"), "asked", *columns[1:5]], rows, title=title)


def _cells(score: Mapping[str, Any]) -> list[str]:
    exact, alike = score["exact_match_95"], score["edit_similarity_95"]
    return [
        f"{100 * score['exact_match']:.1f} %",
        f"{100 * exact[0]:.1f} to {100 * exact[1]:.1f}",
        f"{score['edit_similarity']:.3f}",
        f"{alike[0]:.3f} to {alike[1]:.3f}",
    ]


def _examples(page: Page, examples: list[dict[str, Any]], names: Mapping[str, str]) -> None:
    for example in examples:
        title = f"{example['repo']} {example['path']}, from line {example['line']} ({example['kind']})"
        page.code(title, f"{example['before']}▶{example['expected']}◀\n{example['after']}")
        for rival, answer in example["answers"].items():
            page.code(f"{names[rival]}{', exact' if answer['exact'] else ''}", answer["text"])
