"""The page a person reads: the model beside its rivals, and what they really wrote."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ownlm.evaluate.company.report import add_regions
from ownlm.evaluate.report_suites import add_suites, suite_facts
from ownlm.web.page import Page

NAMES = {
    "model": "model",
    "model_left_to_right": "model, text before only",
    "untrained": "untrained model",
    "ngram": "{order}-gram",
}
SPLITS = {"heldout_repos": "held-out repositories", "heldout_files": "held-out files"}


def write_report(results: Mapping[str, Any], path: Path) -> None:
    """Write the page of one results.json.

    Raises:
        StorageError: the page cannot be written.
    """
    names = {rival: name.format(order=results["ngram"]["order"]) for rival, name in NAMES.items()}
    page = Page("Evaluation", "The trained model on code it has never seen, beside its rivals on the same tokens")
    page.facts(_facts(results))
    if "bits_per_byte" in results:
        _bits(page, results, names)
    if "hidden_lines" in results:
        _lines(page, results, names)
        _examples(page, results, names)
    add_regions(page, results, names)
    if "suites" in results:
        add_suites(page, results)
    page.write(path)


def _facts(results: Mapping[str, Any]) -> dict[str, object]:
    facts: dict[str, object] = {"Parameters": results["model"]["parameters"], "Context": results["model"]["context"]}
    for split, values in results.get("bits_per_byte", {}).items():
        facts[f"Bits per byte, {SPLITS[split]}"] = values["model"]
    if "hidden_lines" in results:
        facts["Hidden lines exact"] = _percent(results["hidden_lines"]["model"]["exact_match"])
    if "suites" in results:
        facts |= suite_facts(results)
    facts["n-grams counted"] = results["ngram"]["ngrams"]
    return facts


def _bits(page: Page, results: Mapping[str, Any], names: Mapping[str, str]) -> None:
    page.heading("Bits per byte")
    page.paragraph(
        "How many bits the rival needs to write down one byte of held-out code; lower is better. "
        "In brackets the 95 % interval, drawing whole documents again."
    )
    for split, values in results["bits_per_byte"].items():
        size = results["bits_per_byte_on"][split]
        title = (
            f"{SPLITS[split]}: {size['tokens']:,} tokens, {size['bytes']:,} bytes, "
            f"{size['documents']} documents of {size['repos']} repositories"
        )
        page.bars(f"Bits per byte on {SPLITS[split]}", {names[rival]: value for rival, value in values.items()})
        intervals = results["bits_per_byte_95"][split]
        rows = [[names[rival], value, _interval(intervals[rival], "{:.3f}")] for rival, value in values.items()]
        page.table(["rival", "bits per byte", "95 % interval"], rows, title=title)
        by_language = sorted(results["bits_per_byte_by_language"][split].items(), key=lambda item: -item[1])
        page.table(["language", "bits per byte, model"], by_language, title="By language")
        by_repo = sorted(results["bits_per_byte_by_repo"][split].items(), key=lambda item: -item[1])
        page.table(["repository", "bits per byte, model"], by_repo[:20], title="Hardest repositories")


def _lines(page: Page, results: Mapping[str, Any], names: Mapping[str, str]) -> None:
    scores = results["hidden_lines"]
    page.heading("Hidden lines")
    page.paragraph(
        "A line of a held-out file is hidden from its indentation to its end; the rival writes it greedily. "
        "Exact: the very line its author wrote. Similarity: 1 less the edits needed, over the longer line's length. "
        "The n-gram and 'text before only' do not see what follows the line."
    )
    page.bars("Exact lines", {names[rival]: 100 * score["exact_match"] for rival, score in scores.items()}, unit="%")
    rows = [
        [
            names[rival],
            _percent(score["exact_match"]),
            _interval([100 * bound for bound in score["exact_match_95"]], "{:.1f}"),
            score["edit_similarity"],
            results["hidden_lines_order"][rival].replace("_", " "),
        ]
        for rival, score in scores.items()
    ]
    columns = ["rival", "exact", "95 % interval", "edit similarity", "asked"]
    page.table(columns, rows, title=f"{scores['model']['n']} lines")
    kinds = [
        [kind, score["n"], *(_percent(scores[rival]["by_kind"][kind]["exact_match"]) for rival in scores)]
        for kind, score in sorted(scores["model"]["by_kind"].items(), key=lambda item: -item[1]["n"])
    ]
    page.table(["kind of line", "lines", *(names[rival] for rival in scores)], kinds, title="Exact lines by kind")


def _examples(page: Page, results: Mapping[str, Any], names: Mapping[str, str]) -> None:
    page.heading("What they wrote")
    page.paragraph("Lines chosen by hash, not by success. ▶ marks the hidden line.")
    for example in results["examples"]:
        before, _, indentation = example["before"].rpartition("\n")
        page.code(
            f"{example['repo']} {example['path']}, line {example['line']} ({example['kind']})",
            f"{before}\n{indentation}▶ {example['expected']}\n{example['after']}",
        )
        rows = [
            [names[rival], answer["text"], "exact" if answer["exact"] else ""]
            for rival, answer in example["answers"].items()
        ]
        page.table(["rival", "wrote", ""], rows)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _interval(bounds: list[float], form: str) -> str:
    low, high = (form.format(bound) for bound in bounds)
    return f"{low} to {high}"
