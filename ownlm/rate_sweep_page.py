"""The page of `ownlm train sweep`, and its figures as JSON."""

from __future__ import annotations

import math
from pathlib import Path

from ownlm.rate_sweep import COLUMNS, RateSweep, cells
from ownlm.web.figures import write_with_figures
from ownlm.web.page import Page


def write(swept: RateSweep, folder: Path) -> Path:
    """Write sweep.json and the page into a folder; returns the page.

    Raises:
        StorageError: the folder cannot be written.
    """
    return write_with_figures(_page(swept), swept.to_json(), folder, "sweep.json")


def _page(swept: RateSweep) -> Page:
    recipe, choice = swept.recipe, swept.choice
    page = Page("Learning rates", f"{recipe.name}: found on a narrow proxy, carried over by muP")
    page.paragraph(swept.sentence)
    wide, narrow = (one.model.architecture(one.vocabulary.size, one.shards.context) for one in (recipe, swept.proxy))
    page.facts(
        {
            "Peak learning rate": f"{choice.lr:g}",
            "Proxy": f"{narrow.d_model} wide, {narrow.parameters:,} parameters",
            "Model": f"{wide.d_model} wide, {wide.parameters:,} parameters",
            "Compared": swept.measured,
        }
    )
    page.paragraph("Settings: " + " ".join(swept.settings))
    page.table(list(COLUMNS), [cells(choice, rate) for rate in choice.rates], "Every rate")
    means = [(math.log2(rate.lr), rate.mean) for rate in choice.rates if rate.mean is not None]
    page.lines("The lower the better", {"mean": means}, "log2 of the peak learning rate", "bits per byte")
    page.paragraph(
        "The proxy has the model's depth, vocabulary, context and batch. A rate holds for about this number of steps: "
        "longer runs want a somewhat lower one."
    )
    return page
