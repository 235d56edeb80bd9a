"""`ownlm shards who`: which documents a training step read, and which stretch of each.

The run's saved recipe says how it counts (batches, seed, context, objectives), its shards hold the rest: the
batches are made again, not logged; only which data a step read is in the log of the trained run, because a rewind may
have left data out. Needs no torch. Revisions are looked up in the corpus the shards were packed from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.text import Text

from ownlm.errors import InputError
from ownlm.looking import visible
from ownlm.pipeline.artifact import Artifact
from ownlm.pipeline.store import Store
from ownlm.recipe.schema import Recipe
from ownlm.runs import RunRecord, artifact_of, read_saved_recipe
from ownlm.tokens.corpus import CorpusTable
from ownlm.tokens.shards.batches import Batches
from ownlm.tokens.shards.provenance import Place, Range, StepOrigins, Stretch, revisions
from ownlm.tokens.shards.reader import ShardReader
from ownlm.tokens.vocabulary.load import Vocabulary
from ownlm.train.spikes.records import STEPS, StepRecords

SPLIT = "train"
_INDENT = " " * 5


@dataclass(frozen=True)
class Origins:
    """What a step was made of, with what is needed to tell it.

    Attributes:
        run: the run's name.
        shards: the shards artifact's id.
        step: the step, from 1.
        data_step: which step's data it read, from 0: `step` - 1 unless data were left out before it.
        recipe: the run's recipe.
        stretches: what its rows, or the one asked for, hold.
        place: the one token that was asked for.
        text: what that token stands for; a special token's own name.
        revisions: (id, repo, path) -> revision, where there is one.
    """

    run: str
    shards: str
    step: int
    data_step: int
    recipe: Recipe
    stretches: Sequence[Stretch]
    place: Place | None
    text: str
    revisions: Mapping[tuple[str, str, str], str]

    def to_json(self) -> dict[str, Any]:
        """Plain values: what `--json` prints."""
        train = self.recipe.train
        values: dict[str, Any] = {
            "run": self.run,
            "shards": self.shards,
            "step": self.step,
            "data_step": self.data_step,
            "batch": train.batch,
            "accumulate": train.accumulate,
            "seed": train.seed,
            "context": self.recipe.shards.context,
            "stretches": [self._stretch(stretch) for stretch in self.stretches],
        }
        if self.place is not None:
            values["token"] = {
                "column": self.place.column,
                "id": self.place.token,
                "text": self.text,
                "offset": self.place.offset,
                "bytes": self.place.bytes,
            }
        return values

    def revision(self, stretch: Stretch) -> str | None:
        """The revision the stretch's document was read at; None where it is not known."""
        document = stretch.document
        return self.revisions.get((document.id, document.repo, document.path))

    def _stretch(self, stretch: Stretch) -> dict[str, Any]:
        span = stretch.document
        return {
            "row": stretch.row,
            "columns": stretch.columns,
            "objective": stretch.objective,
            "dropped": stretch.dropped,
            "document": span.id,
            "source": span.source,
            "repo": span.repo,
            "path": span.path,
            "revision": self.revision(stretch),
            "language": span.language,
            "tokens": stretch.tokens,
            "bytes": stretch.bytes,
        }


def trace(store: Store, record: RunRecord, step: int, *, row: int | None = None, column: int | None = None) -> Origins:
    """Find out what a run's training step was made of.

    Args:
        store: the artifacts.
        record: the run.
        step: from 1, as in the training log.
        row: only this row of the step, from 0.
        column: also the one token the row reads there; needs a row.

    Raises:
        InputError: the run has no such step, row or column, or has not packed its shards yet.
        ArtifactError: the shards or the vocabulary are gone or damaged.
    """
    if column is not None and row is None:
        raise InputError("A position is a place in a row.", advice="Name the row too, e.g. --row 0 --position 17.")
    shards = artifact_of(store, record, "shards", hashes=False)
    vocabulary = Vocabulary.load(artifact_of(store, record, "vocabulary").path)
    recipe = read_saved_recipe(record)
    reader, train = ShardReader(shards.file(SPLIT), cache=store.cache), recipe.train
    batches = Batches(reader, recipe.objectives, vocabulary, recipe.shards.context, train.batch_sizes(), train.seed)
    read = _data_steps(store, record)
    origins = StepOrigins(
        reader, batches, vocabulary, recipe.objectives, train.steps, lambda number: read.get(number, number - 1)
    )
    if column is None or row is None:
        place, stretches = None, origins.stretches(step, row)
    else:
        place = origins.place(step, row, column)
        stretches = [place.stretch]
    text = vocabulary.decode([place.token]) if place else ""
    known = _revisions(store, shards, stretches)
    return Origins(record.name, shards.id, step, read.get(step, step - 1), recipe, stretches, place, text, known)


def _data_steps(store: Store, record: RunRecord) -> Mapping[int, int]:
    """Step, from 1 -> the step, from 0, whose data it read; nothing of a run that is not trained, or not here."""
    if "train" not in record.stages:
        return {}
    found = StepRecords(store.artifacts / record.stages["train"] / STEPS).read()
    return {one.step: one.data_step for one in found}


def _revisions(store: Store, shards: Artifact, stretches: Sequence[Stretch]) -> Mapping[tuple[str, str, str], str]:
    """From the corpus, if it is still there."""
    entry = shards.manifest.inputs.get("corpus")
    if entry is None:
        return {}
    table = CorpusTable(store.artifacts / store.id_of(entry.stage, entry.key) / SPLIT)
    return revisions(table, [stretch.document for stretch in stretches])


def print_json(out: Console, found: Origins) -> None:
    """One JSON object, to be read by programs."""
    out.print(Text(json.dumps(found.to_json(), indent=1)), soft_wrap=True)


def print_origins(out: Console, found: Origins) -> None:
    """Three lines a stretch: where in the step it is, whose it is, the document's id; then the token asked for.

    Nothing is cut off or folded here: ids and paths can be copied, and searched for where this is piped.
    """
    rows, documents = {s.row for s in found.stretches}, {s.document.index for s in found.stretches}
    moved = "" if found.data_step == found.step - 1 else f", data of step {found.data_step + 1}"
    shape = f"rows {len(rows)}, context {found.recipe.shards.context}, documents {len(documents)}"
    lines = [f"run {found.run}, step {found.step}{moved}: {shape}, from {found.shards}"]
    table = [["row", "columns", "tokens", "bytes", "objective"], *map(_numbers, found.stretches)]
    widths = [max(3, *(len(cell) for cell in column)) for column in list(zip(*table, strict=True))[:-1]]
    heads = ["  ".join([*map(str.rjust, cells, widths), cells[-1]]) for cells in table]
    lines.append(heads[0])
    for head, stretch in zip(heads[1:], found.stretches, strict=True):
        span, revision = stretch.document, found.revision(stretch)
        where = f"{span.repo}: {span.path}" + (f" @ {revision}" if revision else "") + f", from {span.source}"
        lines += [head, _INDENT + visible(where), _INDENT + span.id]
    for line in lines:
        out.print(Text(line), soft_wrap=True)
    if found.place is not None:
        _print_place(out, found, found.place)


def _numbers(stretch: Stretch) -> list[str]:
    """Where a stretch is in its step and in its document, and what it is trained with."""
    objective = stretch.objective.replace("_", " ") + (f", {stretch.dropped} dropped" if stretch.dropped else "")
    return [str(stretch.row), *map(_range, (stretch.columns, stretch.tokens, stretch.bytes)), objective]


def _print_place(out: Console, found: Origins, place: Place) -> None:
    moved = "not told: this objective lays the text out in another order"
    facts = {
        "column": place.column,
        "token": f"{place.token} {visible(repr(found.text))}",
        "document": place.stretch.document.id,
        "token of it": moved if place.offset is None else place.offset,
        "bytes of it": _range(place.bytes) if place.bytes else "none: a marker, padding, or not to be told",
    }
    out.print()
    for name, value in facts.items():
        out.print(Text(f"{name:<12} {value}"), soft_wrap=True)


def _range(stretch: Range | None) -> str:
    return "?" if stretch is None else f"{stretch[0]}..{stretch[1]}"
