"""`ownlm vocab sweep`: what vocabularies of several sizes would cost the recipe's model, to choose one.

Learned from the corpus of an earlier run of the same recipe, as its vocabulary is. A larger vocabulary makes texts
shorter, and every token dearer: the head multiplies by all of it. Training operations a byte of code put both together.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from ownlm.errors import InputError, RecipeError
from ownlm.flow import stages_of
from ownlm.looking import visible
from ownlm.pipeline.progress import Progress, format_count
from ownlm.pipeline.store import Store
from ownlm.plan import made_before
from ownlm.recipe.schema import Recipe
from ownlm.tokens.vocabulary.config import VocabularyStage
from ownlm.tokens.vocabulary.special import SpecialTokens
from ownlm.tokens.vocabulary.sweep import SizeMeasured, Sweep, sweep
from ownlm.tokens.vocabulary.train import fewest

FLAT = 0.05
"""Where doubling the vocabulary makes texts less than this share shorter, the gain is called flat."""
SHOWN_LANGUAGES = 5
"""At most; in a terminal as many of them as fit beside each other."""
LARGEST = 1_048_576
_UNBOUNDED = 10_000
SPLITS = {"heldout_files": "held-out files", "heldout_repos": "held-out repositories", "train": "the training sample"}


@dataclass(frozen=True)
class Choice:
    """One size, with what it costs the recipe's model.

    Attributes:
        bytes_per_token: of all that was measured.
        by_language: the same of each language.
        never_used: learned tokens found neither in the held-out documents nor in the sample.
        parameters: of the model.
        share: of them in the embedding and the head.
        flops_per_byte: training operations (forward and backward) a byte of code, the head's included.
        window_bytes: bytes of code in a training window.
    """

    size: int
    bytes_per_token: float
    by_language: dict[str, float]
    never_used: int
    parameters: int
    share: float
    flops_per_byte: float
    window_bytes: float


@dataclass(frozen=True)
class Comparison:
    """All sizes asked for, and the curve they lie on."""

    recipe: Recipe
    found: Sweep
    choices: Sequence[Choice]
    curve: Sequence[Choice]

    @property
    def cheapest(self) -> Choice:
        """The size with the least compute a byte of code."""
        return min(self.choices, key=lambda choice: choice.flops_per_byte)

    @property
    def flat_from(self) -> int | None:
        """The first size from which on each step gains less than `FLAT` a doubling; None if no step does."""
        flat: int | None = None
        for smaller, larger in reversed(list(pairwise(self.choices))):
            doublings = math.log2(larger.size / smaller.size)
            shorter = 1 - (smaller.bytes_per_token / larger.bytes_per_token) ** (1 / doublings)
            if shorter >= FLAT:
                break
            flat = smaller.size
        return flat

    @property
    def sentence(self) -> str:
        """What the figures say, in words."""
        best, lowest = self.cheapest, min(self.curve, key=lambda one: one.flops_per_byte, default=None)
        words = f"Of these, {best.size:,} tokens cost the least compute to train on a byte of code"
        if lowest is not None and lowest.flops_per_byte < best.flops_per_byte:
            words += f" (of all sizes about {lowest.size:,})"
        flat = self.flat_from
        if flat is None:
            return (
                f"{words}; every doubling up to {self.choices[-1].size:,} still makes texts {FLAT:.0%} shorter or more."
            )
        return f"{words}; from {flat:,} on, doubling makes texts less than {FLAT:.0%} shorter."

    def to_json(self) -> dict[str, Any]:
        """Plain values: what `--json` prints."""
        return {
            "run": self.recipe.name,
            "measured_on": self.found.split,
            "measured_bytes": dict(self.found.bytes),
            "sample_documents": self.found.sample.documents,
            "sample_bytes": self.found.sample.bytes,
            "model": self.recipe.model.size,
            "context": self.recipe.shards.context,
            "sizes": [vars(choice) for choice in self.choices],
            "curve": [
                {key: vars(choice)[key] for key in ("size", "bytes_per_token", "flops_per_byte")}
                for choice in self.curve
            ],
            "cheapest": self.cheapest.size,
            "flat_from": self.flat_from,
            "conclusion": self.sentence,
        }


def sizes_of(text: str, reserved: int) -> list[int]:
    """The sizes of a list such as "8k,16k,32768", ascending; k is 1024.

    Raises:
        RecipeError: one is no size, or none that a vocabulary can have.
    """
    found, least = set(), fewest(SpecialTokens(reserved))
    for word in text.split(","):
        digits, factor = (word.strip()[:-1], 1024) if word.strip()[-1:] in ("k", "K") else (word.strip(), 1)
        size = int(digits) * factor if digits.isascii() and digits.isdecimal() and len(digits) < 9 else 0
        if not least <= size <= LARGEST:
            raise RecipeError(
                f"{word.strip()!r} is no size of a vocabulary here",
                where=text or None,
                advice=f"give sizes from {least} to {LARGEST} with commas between them, e.g. 8k,16k,32k (k is 1024)",
            )
        found.add(size)
    return sorted(found)


def compare(recipe: Recipe, store: Store, sizes: Sequence[int], progress: Progress, command: str) -> Comparison:
    """Learn vocabularies of these sizes from the recipe's corpus, and measure them.

    Args:
        recipe: what the corpus was made with.
        store: the artifacts.
        sizes: ascending.
        progress: where the work is shown.
        command: what makes the corpus, for the error.

    Raises:
        InputError: the corpus is not made yet.
        CorpusError: it has too few documents for the largest size.
    """
    made = {stage.name: artifact for stage, artifact in made_before(store, stages_of(recipe))}
    corpus = made["corpus"]
    if corpus is None:
        raise InputError(
            "The corpus of this recipe is not made yet.",
            where=store.home,
            advice=f"`{command}` makes it; stop that once it says that the corpus is made, if you want no more.",
        )
    corpus.verify(hashes=False)
    stage = VocabularyStage(vocabulary=recipe.vocabulary, weights=recipe.weights)
    found = sweep(corpus.path, stage, sizes, progress)
    choices, curve = ([_choice(recipe, found, one) for one in many] for many in (found.sizes, found.curve))
    return Comparison(recipe, found, choices, curve)


def _choice(recipe: Recipe, found: Sweep, measured: SizeMeasured) -> Choice:
    model = recipe.model.architecture(measured.size, recipe.shards.context)
    outside = model.vocab_size * model.d_model * (1 if model.tied else 2)
    bytes_per_token = found.bytes_per_token(measured)
    return Choice(
        size=measured.size,
        bytes_per_token=round(bytes_per_token, 4),
        by_language={language: round(found.bytes_per_token(measured, language), 4) for language in found.bytes},
        never_used=measured.never_used,
        parameters=model.parameters,
        share=round(outside / model.parameters, 4),
        flops_per_byte=round(model.training_flops_per_token / bytes_per_token, 1),
        window_bytes=round(model.context * bytes_per_token, 1),
    )


def print_comparison(out: Console, compared: Comparison) -> None:
    """A table, and what it says."""
    languages = list(compared.found.bytes)[:SHOWN_LANGUAGES]
    measured = sum(compared.found.bytes.values()) / 1e6
    place = f"bytes a token on {SPLITS[compared.found.split]} ({measured:.2f} MB)"
    out.print(Text(f"run {compared.recipe.name}, model {compared.recipe.model.size}: {place}"), soft_wrap=True)
    table = _table(compared, languages)
    while languages and Measurement.get(out, out.options.update(width=_UNBOUNDED), table).maximum > out.width:
        languages.pop()
        table = _table(compared, languages)
    out.print(table)
    out.print(Text(compared.sentence), soft_wrap=True)


def _table(compared: Comparison, languages: Sequence[str]) -> Table:
    """With a column for each of these languages, whose names stay in one piece; other headings take two lines."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    others = ("\n".join(name.rsplit(" ", 1)) for name in COLUMNS[2:])
    for name in (*COLUMNS[:2], *map(visible, languages), *others):
        table.add_column(Text(name), justify="right", no_wrap=True)
    for choice in compared.choices:
        table.add_row(*map(Text, cells(choice, languages)))
    return table


COLUMNS = ("size", "all", "never used", "of the model", "FLOPs a byte", "window, bytes")


def cells(choice: Choice, languages: Sequence[str]) -> list[str]:
    """A row of the table, with a column for each of `languages`."""
    figures = [f"{choice.bytes_per_token:.2f}", *(f"{choice.by_language[language]:.2f}" for language in languages)]
    row = [f"{choice.size:,}", *figures, f"{choice.never_used:,}", f"{choice.share:.0%}"]
    return [*row, format_count(choice.flops_per_byte), f"{choice.window_bytes:,.0f}"]


def print_json(out: Console, compared: Comparison) -> None:
    """One JSON object, to be read by programs."""
    out.print(Text(json.dumps(compared.to_json(), indent=1)), soft_wrap=True)
