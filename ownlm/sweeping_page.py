"""The page of `ownlm vocab sweep`, and its figures as JSON."""

from __future__ import annotations

from pathlib import Path

from ownlm.sweeping import COLUMNS, SHOWN_LANGUAGES, SPLITS, Comparison, cells
from ownlm.web.figures import write_with_figures
from ownlm.web.page import Page


def write(compared: Comparison, folder: Path) -> Path:
    """Write sweep.json and the page into a folder; returns the page.

    Raises:
        StorageError: the folder cannot be written.
    """
    return write_with_figures(_page(compared), compared.to_json(), folder, "sweep.json")


def _page(compared: Comparison) -> Page:
    found, languages = compared.found, list(compared.found.bytes)[:SHOWN_LANGUAGES]
    page = Page(
        "Vocabulary sizes", f"{compared.recipe.name}: what each would cost a {compared.recipe.model.size} model"
    )
    page.paragraph(compared.sentence)
    page.facts(
        {
            "Least compute": compared.cheapest.size,
            "Measured on": SPLITS[found.split],
            "MB measured": round(sum(found.bytes.values()) / 1e6, 2),
            "MB learned from": round(found.sample.bytes / 1e6, 2),
        }
    )
    headings = [*COLUMNS[:2], *languages, *COLUMNS[2:]]
    rows = [cells(choice, languages) for choice in compared.choices]
    page.table(headings, rows, "Bytes a token, and what they cost")
    points = compared.curve or compared.choices
    lines = {"all": [(float(one.size), one.bytes_per_token) for one in points]}
    lines |= {name: [(float(one.size), one.by_language[name]) for one in points] for name in languages}
    page.lines("Bytes a token: more is shorter texts", lines, "tokens in the vocabulary", "bytes a token")
    cost = [(float(one.size), one.flops_per_byte / 1e6) for one in points]
    page.lines("Compute: less is cheaper training", {"all": cost}, "tokens in the vocabulary", "MFLOPs a byte of code")
    page.paragraph(
        "Never used are learned tokens found neither in the measured documents nor in the sample: mostly steps to a "
        "longer one. Of the model: the embedding and the head. FLOPs a byte: forward and backward, the head "
        "included. All sizes are learned from the same sample."
    )
    return page
