"""The page of `ownlm ablate`, and its figures as JSON."""

from __future__ import annotations

from pathlib import Path

from ownlm.ablating import COLUMNS, FIGURES, Ablation, cells, documents_sentence
from ownlm.web.figures import write_with_figures
from ownlm.web.page import Page


def write(ablation: Ablation, folder: Path) -> Path:
    """Write ablation.json and the page into a folder; returns the page.

    Raises:
        StorageError: the folder cannot be written.
    """
    return write_with_figures(_page(ablation), ablation.to_json(), folder, "ablation.json")


def _page(ablation: Ablation) -> Page:
    a, b = ablation.names
    page = Page("Two versions of the data", f"A: {a}; B: {b}")
    page.paragraph(ablation.sentence)
    page.facts({"Seeds of each": ablation.seeds, "Steps": ablation.steps, "Documents": ablation.counts["documents"]})
    page.table(list(COLUMNS), [cells(ablation, name) for name in ablation.figures], "Figures")
    for name, one in ablation.figures.items():
        bars = {f"A, {number + 1}": value for number, value in enumerate(one.a)}
        page.bars(f"Every seed: {FIGURES[name]}", bars | {f"B, {number + 1}": v for number, v in enumerate(one.b)})
    page.paragraph(documents_sentence(ablation.counts) + ". Each model reads them with its own vocabulary.")
    rows = [
        [name, left, right, "no" if name in ablation.besides else "yes"] for name, left, right in ablation.differences
    ]
    page.table(["setting", "A", "B", "data"], rows, "Settings that differ")
    page.paragraph(
        "The interval and p count both sorts of noise: other seeds would give other models, and other held-out "
        "documents other differences. Bits per byte decides; the other figures are there to see whether they agree."
    )
    return page
