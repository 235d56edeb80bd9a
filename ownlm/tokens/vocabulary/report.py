"""The vocabulary's report page, drawn from the figures (`figures.py`) and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from ownlm.tokens.vocabulary.visible import visible
from ownlm.web.page import Page

_SPLITS = {
    "heldout_files": "held-out files",
    "heldout_repos": "held-out repositories",
    "sample": "the sample it was trained on",
    "train": "training documents",
}
_KINDS = {
    "own": "this one",
    "own, another size": "same sample",
    "huggingface": "Hugging Face",
    "tiktoken": "tiktoken",
}
_EDGES = (*range(1, 17), 20, 24, 32, 48, 64, 128, 256)
_LONGEST = 30
_LISTED = 40
_LONG_RUN = 8
_LINE = 96
_NARROW, _TAIL = 40, 30


def write_report(figures: Mapping[str, Any], path: Path) -> None:
    """Draw the page from the content of report/figures.json."""
    page = Page("Vocabulary", f"{figures['size']:,} tokens, byte-level BPE")
    _facts(page, figures)
    _side_by_side(page, figures)
    _identifiers(page, figures)
    _indentation(page, figures)
    _tokens(page, figures)
    _one_repository(page, figures["repositories"])
    _unused(page, figures["unused"])
    page.write(path)


def _facts(page: Page, figures: Mapping[str, Any]) -> None:
    page.facts(
        {
            "Tokens": figures["size"],
            "of them special": figures["special"],
            "Bytes per token": figures["bytes_per_token"],
            "Sample, documents": figures["sample_documents"],
            "Sample, MB": round(figures["sample_bytes"] / 1e6, 2),
            "Digits": figures["digits"],
        }
    )
    densities = figures["bytes_per_token_by_split"]
    page.bars(
        "Bytes per token (more is shorter sequences)",
        {label: densities[split] for split, label in _SPLITS.items() if densities.get(split) is not None},
    )
    page.heading("How a line is cut")
    page.code("tokens", _wrapped(figures["example_tokens"], " | "))


def _side_by_side(page: Page, figures: Mapping[str, Any]) -> None:
    tokenizers, own = figures["tokenizers"], figures["tokenizers"][0]
    page.heading("Beside other tokenizers")
    page.grouped_bars("Bytes per token by language", _by_language(tokenizers, "bytes_per_token"))
    page.paragraph(
        f"Measured on {_SPLITS[figures['measured_on']]}, the same documents for all, without special tokens. A larger "
        "vocabulary has fewer tokens for the same text, and costs a larger head: compare sizes too. One that does not "
        "give a text back has lost some of it, often white space: do not compare its figures."
    )
    page.table(
        [
            "tokenizer",
            "kind",
            "tokens",
            "bytes per token",
            "length of a text",
            "gives it back",
            "unknown",
        ],
        [
            [
                one["name"],
                _KINDS[one["kind"]],
                one["size"],
                one["bytes_per_token"],
                _ratio(own["bytes_per_token"], one["bytes_per_token"]),
                one["keeps_text"],
                one["unknown_tokens"],
            ]
            for one in tokenizers
        ],
    )
    sizes = [(name, language["bytes"]) for name, language in own["languages"].items()]
    page.table(["language", "bytes measured"], [[name, size] for name, size in _largest(sizes)])


def _identifiers(page: Page, figures: Mapping[str, Any]) -> None:
    tokenizers = figures["tokenizers"]
    page.heading("Identifiers")
    page.paragraph(
        "Names in code, as the grammar of each language finds them, each counted as often as it occurs. The part of "
        "`.append` that is the name is one token where `.append` is."
    )
    page.grouped_bars("Identifiers that are one token", _by_language(tokenizers, "one_token"), "share")
    page.grouped_bars("Tokens of an identifier", _by_language(tokenizers, "mean_tokens"), "mean")
    costly = figures["costly_identifiers"]
    rows = [
        [visible(one["identifier"].encode(), _NARROW), language, one["times"], round(one["tokens"] / one["times"], 2)]
        for language in costly
        for one in costly[language]
    ]
    rows.sort(key=lambda row: (-row[2] * (row[3] - 1), row[0]))
    page.table(["identifier", "language", "times", "tokens each"], rows[:_LISTED], "Identifiers that cost most")


def _indentation(page: Page, figures: Mapping[str, Any]) -> None:
    page.heading("Indentation")
    own = figures["tokenizers"][0]["indentation"]
    page.lines(
        "Tokens an indentation costs",
        {unit: list(enumerate(tokens, 1)) for unit, tokens in own.items()},
        "levels",
        "tokens more than one space",
    )
    page.table(
        ["tokenizer", *own],
        [[one["name"], *map(_mean, one["indentation"].values())] for one in figures["tokenizers"]],
        "The same, mean of 1 to 16 levels",
    )


def _tokens(page: Page, figures: Mapping[str, Any]) -> None:
    page.heading("What it learned")
    lengths = {int(length): count for length, count in figures["token_bytes"].items()}
    longest = max(lengths, default=1)
    edges = [*(edge for edge in _EDGES if edge <= longest), max(longest + 1, 2)]
    counts = [sum(lengths.get(length, 0) for length in range(low, high)) for low, high in pairwise(edges)]
    page.histogram("Tokens by length", edges, counts, "bytes")
    page.code("What it learned first", _wrapped([one["text"] for one in figures["first"]], "  "))
    page.table(
        ["token", "bytes", "id"],
        [[one["text"], one["bytes"], one["id"]] for one in figures["longest"][:_LONGEST]],
        "Its longest tokens, runs of one character apart",
    )
    page.table(
        ["character", "tokens", "longest, characters"],
        [[one["text"], one["tokens"], one["longest"]] for one in figures["runs"] if one["longest"] >= _LONG_RUN],
        "Tokens that are one character again and again",
    )


def _one_repository(page: Page, found: Mapping[str, Any]) -> None:
    page.heading("Tokens of a single repository")
    if found["count"] < 2:
        page.paragraph("The sample has one repository: whether a token is known elsewhere cannot be told.")
        return
    page.paragraph(
        f"The sample has {found['count']:,} repositories. A token that one of them uses over and over, and no other, "
        "was learned from its repetitions: data, generated files, copies. Look at the example; filter it, or give its "
        "source less weight. First come those that are least likely by chance, given how much of the sample the "
        "repository is."
    )
    page.bars("Learned tokens by the number of repositories they occur in", _by_count(found["learned_tokens"]))
    page.table(
        ["token", "times", "documents", "repository", "its share of the sample", "for example"],
        [
            [
                one["text"],
                one["times"],
                one["documents"],
                one["repository"],
                one["repository_share"],
                _tail(one["path"]),
            ]
            for one in found["tokens"][:_LISTED]
        ],
        f"{found['often_in_one']:,} tokens occur ten times or more, in one repository only",
    )


def _unused(page: Page, unused: Mapping[str, Any]) -> None:
    page.heading("Tokens never used")
    page.paragraph(
        f"{unused['learned']:,} learned tokens and {unused['bytes']:,} of the 256 bytes occur neither in "
        f"{unused['sample_bytes'] / 1e6:,.1f} MB of the sample nor in what is measured above. Most are steps on the "
        "way to longer tokens, which took their place."
    )
    if unused["tokens"]:
        page.code("never used", _wrapped([one["text"] for one in unused["tokens"]], "  "))


def _by_language(tokenizers: list[Mapping[str, Any]], figure: str) -> dict[str, dict[str, float]]:
    """Language -> tokenizer -> figure, the languages of which most was measured first; none without a value."""
    measured = tokenizers[0]["languages"]
    order = [name for name, _ in _largest([(name, one["bytes"]) for name, one in measured.items()])]
    found: dict[str, dict[str, float]] = {}
    for language in order:
        for one in tokenizers:
            of_language = one["languages"][language]
            values = of_language if figure in of_language else of_language["identifiers"] or {}
            if values.get(figure) is not None:
                found.setdefault(language, {})[one["name"]] = values[figure]
    return found


def _wrapped(tokens: list[str], between: str) -> str:
    """Tokens in lines of about `_LINE` characters."""
    lines = [""]
    for token in tokens:
        if len(lines[-1]) + len(token) > _LINE:
            lines.append("")
        lines[-1] += between * bool(lines[-1]) + token
    return "\n".join(lines)


def _tail(path: str) -> str:
    """The end of a path, where its name is."""
    return path if len(path) <= _TAIL else "…" + path[1 - _TAIL :]


def _largest(sizes: list[tuple[str, int]]) -> list[tuple[str, int]]:
    return sorted(sizes, key=lambda pair: (-pair[1], pair[0]))


def _by_count(learned: Mapping[str, int]) -> dict[str, float]:
    names = {"0": "none of those counted", "1": "1 repository"}
    return {names.get(number, f"{number} repositories"): count for number, count in learned.items()}


def _ratio(own: float | None, other: float | None) -> str:
    return f"{own / other:.0%}" if own and other else "–"


def _mean(tokens: list[int]) -> float:
    return round(sum(tokens) / len(tokens), 2)
