"""`ownlm ablate`: which of two versions of the data makes the better model, and whether noise could have done it.

    A.yaml ─► data ─► shards A ─┬─► train, seeds 0 2 4 ... ─► score ─┐
                                ├── documents held out by both       ├─► difference, noise, a sentence
    B.yaml ─► data ─► shards B ─┴─► train, seeds 1 3 5 ... ─► score ─┘

Everything is an artifact of the store: what is made is found again, so one that was stopped goes on, and one with more
seeds adds to it. Seeds are never shared, so that a recipe against itself is a fair test of the test.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ownlm.errors import RecipeError
from ownlm.evaluate.ablation.config import ScoreStage
from ownlm.evaluate.ablation.decide import Difference, decide
from ownlm.flow import stages_of
from ownlm.model.config import ModelConfig
from ownlm.model.sizes import SIZES
from ownlm.pipeline.progress import Progress
from ownlm.pipeline.run import Runner
from ownlm.pipeline.stage import Stage
from ownlm.pipeline.store import Store
from ownlm.rate_sweep import BEHIND
from ownlm.recipe.base import canonical_json
from ownlm.recipe.schema import Recipe
from ownlm.runs import recipe_text
from ownlm.train.planning.proxy import short_training

Side = Literal["a", "b"]
DATA = ("sources", "lake", "clean", "split", "vocabulary", "shards")
"""What may differ: the data, and how it is laid out."""
TRAINING = ("objectives", "model", "train")
"""What should not."""
FIGURES = {"bits_per_byte": "bits per byte", "exact_match": "hidden lines exact", "edit_similarity": "edit similarity"}


@dataclass(frozen=True)
class Ablation:
    """What was compared, and what came of it.

    Attributes:
        names: of A and B.
        differences: settings that are not alike: (dotted name, in A, in B).
        seeds: of each.
        steps: of each training of A.
        counts: documents: held out by each and by both, trained on, asked about.
        figures: by name; the first one decides.
    """

    names: tuple[str, str]
    differences: tuple[tuple[str, str, str], ...]
    seeds: int
    steps: int
    counts: Mapping[str, int]
    figures: Mapping[str, Difference]

    @property
    def besides(self) -> tuple[str, ...]:
        """Settings of training that differ, too: then it is not the data alone."""
        return tuple(name for name, _, _ in self.differences if name.split(".")[0] in TRAINING)

    @property
    def sentence(self) -> str:
        """What the figures say, in words."""
        bits = self.figures["bits_per_byte"]
        a, b = self.names
        gap = f"{b} needs {abs(bits.value):.4f} bits per byte {'less' if bits.value < 0 else 'more'} than {a}"
        if bits.error is None or bits.p is None or bits.visible is None:
            return f"{gap}, but one seed says nothing about noise: no difference can be claimed. Use --seeds 3."
        errors = (
            f"standard error {bits.error:.4f}: between seeds {bits.seed_error:.4f}, documents {bits.document_error:.4f}"
        )
        if bits.better is None:
            return (
                f"No difference can be seen with this many seeds ({self.seeds}): {gap} ({errors}; p = {bits.p:.2g}). "
                f"From about {bits.visible:.4f} on one would have been seen."
            )
        better = {"a": a, "b": b}[bits.better]
        words = f"{better} is better: {gap} ({errors}; p = {bits.p:.2g}, {self.seeds} seeds each)."
        if self.besides:
            words += f" But not only the data differs: {', '.join(self.besides)}."
        return words

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "a": self.names[0],
            "b": self.names[1],
            "settings_that_differ": [list(one) for one in self.differences],
            "seeds": self.seeds,
            "steps": self.steps,
            "documents": dict(self.counts),
            "figures": {
                name: {**vars(one), "difference": one.value, "error": one.error, "better": one.better}
                for name, one in self.figures.items()
            },
            "sentence": self.sentence,
        }


def prepared(recipe: Recipe, steps: int | None, size: str | None) -> Recipe:
    """A recipe with a smaller model and a shorter training.

    Raises:
        RecipeError: no size is called so.
    """
    changed: dict[str, Any] = {}
    if size is not None:
        if size not in SIZES:
            raise RecipeError(f"no size is called {size!r}", where="--size", advice=f"one of: {', '.join(SIZES)}")
        shape = {"size": size, "d_model": None, "layers": None, "heads": None, "kv_heads": None, "head_dim": None}
        plain = recipe.model.model_copy(update=shape | {"d_ff": None, "mup": None})
        changed["model"] = ModelConfig.model_validate(plain.model_dump())
    changed["train"] = short_training(recipe.train, steps or recipe.train.steps, 0)
    return recipe.model_copy(update=changed)


def differing(a: Recipe, b: Recipe) -> tuple[tuple[str, str, str], ...]:
    """Settings of data and training that are not alike, with their values."""
    left, right = ({name: _value(recipe, name) for name in (*DATA, *TRAINING)} for recipe in (a, b))
    flat = [_flat("", one) for one in (left, right)]
    names = sorted(flat[0].keys() | flat[1].keys())
    pairs = [(name, flat[0].get(name, "not set"), flat[1].get(name, "not set")) for name in names]
    return tuple(one for one in pairs if one[1] != one[2])


def ablate(
    a: Recipe,
    b: Recipe,
    store: Store,
    *,
    seeds: int,
    workers: int,
    progress: Progress,
    scored: int = 400_000,
    told: Callable[[str], None] = lambda line: None,
) -> Ablation:
    """Make what is not made yet, and compare.

    Args:
        a: a recipe.
        b: another one.
        store: where artifacts are.
        seeds: trainings of each.
        workers: processes a map may use.
        progress: where long work is shown.
        scored: UTF-8 bytes of held-out code asked about; A's recipe says which lines of it are hidden, and how.
        told: called with a line about each training.

    Raises:
        CorpusError: no document is held out by both.
        OwnlmError: what a stage ends with.
    """
    settings = ScoreStage(max_bytes=scored, hidden_lines=a.evaluate.hidden_lines, batch=a.evaluate.batch)
    sides: dict[Side, Recipe] = {"a": a, "b": b}
    data: dict[Side, list[Stage]] = {}
    for side, recipe in sides.items():
        stages = [stage for stage in stages_of(recipe) if stage.name not in BEHIND]
        _runner(recipe, store, workers, progress).run(stages)
        data[side] = [_marked(stage, side) for stage in stages]
    found: dict[Side, list[dict[str, Any]]] = {"a": [], "b": []}
    for number in range(seeds):
        for side, recipe in sides.items():
            seed = 2 * number + (side == "b")
            train, scoring = _training(recipe, side, seed), _scoring(settings, side, seed)
            made = _runner(recipe, store, workers, progress).run([*data["a"], *data["b"], train, scoring])
            artifact = made[scoring.name].artifact
            found[side].append(json.loads((artifact.path / "scores.json").read_text(encoding="utf-8")))
            bits = artifact.manifest.metrics["bits_per_byte"]
            told(f"{side.upper()} {recipe.name}, seed {recipe.train.seed + seed}: {bits:.4f} bits per byte")
    names = (a.name, b.name) if a.name != b.name else (f"A ({a.name})", f"B ({b.name})")
    counts = found["a"][0]["counts"]
    return Ablation(names, differing(a, b), seeds, a.train.steps, counts, figures_of(found["a"], found["b"]))


def figures_of(a: Sequence[Mapping[str, Any]], b: Sequence[Mapping[str, Any]]) -> dict[str, Difference]:
    """Differences of all figures, from scores.json of each seed of A and of B."""
    bits, sizes = ([[one[key] for one in run["documents"]] for run in (*a, *b)] for key in ("bits", "bytes"))
    figures = {"bits_per_byte": decide(bits[: len(a)], bits[len(a) :], sizes[0], lower_is_better=True)}
    if a[0]["lines"]:
        lines = [one["id"] for one in a[0]["lines"]]
        documents = sorted(set(lines))
        counts = [float(lines.count(one)) for one in documents]
        for name, key in (("exact_match", "exact"), ("edit_similarity", "similarity")):
            sums = [_by_document(run["lines"], key, documents) for run in (*a, *b)]
            figures[name] = decide(sums[: len(a)], sums[len(a) :], counts, lower_is_better=False)
    return figures


def _by_document(lines: Sequence[Mapping[str, Any]], key: str, documents: Sequence[str]) -> list[float]:
    sums = dict.fromkeys(documents, 0.0)
    for line in lines:
        sums[line["id"]] += line[key]
    return list(sums.values())


def _runner(recipe: Recipe, store: Store, workers: int, progress: Progress) -> Runner:
    return Runner(store, recipe_text(recipe), workers, progress, engine=recipe.lake.engine)


def _marked(stage: Stage, side: Side) -> Stage:
    """The same stage under a name that the other recipe's has not; names are no part of a key."""
    inputs = {name: f"{source}-{side}" for name, source in stage.inputs.items()}
    return replace(stage, name=f"{stage.name}-{side}", inputs=inputs)


def _training(recipe: Recipe, side: Side, seed: int) -> Stage:
    seeded = recipe.train.model_copy(update={"seed": recipe.train.seed + seed})
    stages = stages_of(recipe.model_copy(update={"train": seeded}))
    return replace(_marked(next(one for one in stages if one.name == "train"), side), name=f"train-{side}-{seed}")


def _scoring(settings: ScoreStage, side: Side, seed: int) -> Stage:
    other = "b" if side == "a" else "a"
    inputs = {"train": f"train-{side}-{seed}", "vocabulary": f"vocabulary-{side}"}
    inputs |= {"shards": f"shards-{side}", "other": f"shards-{other}"}
    return Stage(f"score-{side}-{seed}", "ownlm.evaluate.ablation.score:score", 1, settings, inputs)


def _value(recipe: Recipe, name: str) -> Any:
    if name == "sources":
        entries = enumerate(recipe.sources)
        return {
            str(number): {one.kind: one.settings.model_dump(mode="json"), "weight": one.weight}
            for number, one in entries
        }
    return getattr(recipe, name).model_dump(mode="json")


def _flat(name: str, value: Any) -> dict[str, str]:
    if isinstance(value, dict) and value:
        parts = (_flat(f"{name}.{key}" if name else key, one) for key, one in value.items())
        return {key: one for part in parts for key, one in part.items()}
    return {name: canonical_json(value)}


COLUMNS = ("", "A", "B", "B - A", "95 % interval", "noise: seeds", "documents", "p", "better")


def cells(ablation: Ablation, name: str) -> list[str]:
    """A row of the table."""
    one = ablation.figures[name]
    means = [sum(values) / len(values) for values in (one.a, one.b)]
    row = [FIGURES[name], *(f"{mean:.4f}" for mean in means), f"{one.value:+.4f}"]
    if one.low is None or one.high is None or one.p is None:
        return [*row, "-", "-", f"{one.document_error:.4f}", "-", "-"]
    better = "cannot be told" if one.better is None else one.better.upper()
    interval = f"{one.low:+.4f} to {one.high:+.4f}"
    return [*row, interval, f"{one.seed_error:.4f}", f"{one.document_error:.4f}", f"{one.p:.2g}", better]


def print_ablation(out: Console, ablation: Ablation) -> None:
    """What differs, a table, and what it says."""
    out.print(Text(f"A {ablation.names[0]}\nB {ablation.names[1]}"), soft_wrap=True)
    for name, left, right in ablation.differences:
        mark = "  (not data)" if name in ablation.besides else ""
        out.print(Text(f"  {name}: {left} | {right}{mark}"), soft_wrap=True)
    if not ablation.differences:
        out.print("  no setting differs")
    out.print(Text(documents_sentence(ablation.counts)), soft_wrap=True)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in COLUMNS:
        table.add_column(column, justify="right" if column else "left")
    for name in ablation.figures:
        table.add_row(*map(Text, cells(ablation, name)))
    out.print(table)
    out.print(Text(ablation.sentence), soft_wrap=True)


def documents_sentence(counts: Mapping[str, int]) -> str:
    """On what was compared."""
    return (
        f"{counts['documents']:,} documents, {counts['bytes']:,} bytes; "
        f"held out by both {counts['held_out_by_both']:,} "
        f"(A {counts['held_out_by_own']:,}, B {counts['held_out_by_other']:,}), of which {counts['trained_on']:,} were "
        "trained on by one and left out"
    )
