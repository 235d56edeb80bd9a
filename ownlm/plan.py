"""What a run would do, before it does anything: stages, cached or not, tokens, operations, time, memory.

Times of a stage that ran here before are its measured ones, scaled to the new size; others are estimates from the
figures below and from a matrix product timed on the spot. An estimate is meant to be right within a factor of two.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ownlm.data.sources.base import Source
from ownlm.errors import ArtifactError, RecipeError
from ownlm.evaluate.suites_part import check_suites, not_kept_out
from ownlm.flow import stages_of
from ownlm.model.architecture import Architecture
from ownlm.pipeline.artifact import Artifact, read_artifact
from ownlm.pipeline.key import stage_key
from ownlm.pipeline.progress import format_count
from ownlm.pipeline.stage import Stage
from ownlm.pipeline.store import Store
from ownlm.recipe.schema import Recipe
from ownlm.train.config import TrainConfig
from ownlm.train.planning.fit import PROCESS, memory_of_machine, misfit
from ownlm.train.planning.propose import most

# Bytes of source code a second, one process, as measured on a 2-core machine (docs/pipeline.md); start-up in seconds.
RATES = {"lake": 20e6, "clean": 5e6, "corpus": 20e6, "vocabulary": 2.5e6, "shards": 4e6}
STARTUP_S = {"lake": 1.0, "clean": 2.0, "corpus": 4.0, "vocabulary": 1.0, "shards": 1.0, "train": 40.0}
# What the metrics of an earlier artifact call the bytes it was made from.
HANDLED = {"vocabulary": "sample_bytes", "shards": "train_bytes"}
# The share of the timed matrix product that training reaches, and the bytes of code a token stands for.
UTILISATION = 0.45
BYTES_PER_TOKEN = 3.3
BASE_MEMORY = 600 << 20
# There where a machine has an NVIDIA GPU.
GPU_DRIVER = Path("/proc/driver/nvidia")


@dataclass(frozen=True)
class PlannedStage:
    """One line of the plan.

    Attributes:
        state: "cached", or "to make". Behind a stage that is to be made everything counts as to be made, though
            equal results further up may still turn out to be cached.
        seconds: expected time; 0 when cached.
        memory: expected peak in bytes; 0 when cached.
        measured: the time comes from an earlier run here.
    """

    name: str
    state: str
    work: str
    seconds: float
    memory: int
    measured: bool


@dataclass(frozen=True)
class Plan:
    """What a recipe would do.

    Attributes:
        misfit: why its training does not fit on this machine; None: it fits, or the machine has a GPU, whose memory
            is known only to the run.
        warnings: what the recipe may not have meant, in sentences.
    """

    stages: tuple[PlannedStage, ...]
    source_files: int
    source_bytes: int
    training_tokens: int
    epochs: float
    parameters: int
    flops: float
    misfit: RecipeError | None = None
    warnings: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """Expected time of all that is not cached."""
        return sum(stage.seconds for stage in self.stages)

    @property
    def memory(self) -> int:
        """Expected peak over all stages, in bytes."""
        return max(stage.memory for stage in self.stages)


def plan(recipe: Recipe, store: Store, *, workers: int) -> Plan:
    """Look at the sources and the store, run nothing.

    Raises:
        OwnlmError: a source is missing or empty, or an artifact damaged: what `run` would say too.
    """
    check_suites(recipe, store.cache)
    sizes = [_size(entry.settings.open()) for entry in recipe.sources]
    files, size = sum(count for count, _ in sizes), sum(size for _, size in sizes)
    architecture = recipe.model.architecture(recipe.vocabulary.size, recipe.shards.context)
    train = recipe.train
    tokens = train.all_windows() * recipe.shards.context
    flops = float(tokens * architecture.training_flops_per_token)
    estimates = {
        part: _Estimates(recipe, part, flops, architecture.parameters, workers)
        for part in {size, *(s for _, s in sizes)}
    }
    before = _before(store)
    rows = []
    for stage, artifact in made_before(store, stages_of(recipe)):
        # "lake-0-python" and "clean-0-python" handle one source, what follows them all of them.
        index = stage.name.split("-")[1:2]
        state = "to make" if artifact is None else "cached"
        rows.append(_row(stage, state, estimates[sizes[int(index[0])][1] if index else size], before))
    weighted = sum(entry.weight * one for entry, (_, one) in zip(recipe.sources, sizes, strict=True))
    available = max(1.0, weighted / BYTES_PER_TOKEN)
    waits = any(row.name == "train" and row.state == "to make" for row in rows)
    problem = _misfit(architecture, train) if waits else None
    epochs, warnings = tokens / available, tuple(not_kept_out(recipe))
    return Plan(tuple(rows), files, size, tokens, epochs, architecture.parameters, flops, problem, warnings)


def _misfit(architecture: Architecture, train: TrainConfig) -> RecipeError | None:
    """Why training does not fit into this machine's memory."""
    if GPU_DRIVER.exists():
        return None
    places = train.mesh.places // train.mesh.nodes
    return misfit(architecture, train, memory_of_machine(places), bf16=train.precision in ("bf16", "fp8"))


def _size(source: Source) -> tuple[int, int]:
    """Files and bytes of a source. What is not fetched yet counts as nothing: its size is not known before."""
    size = source.size()
    if size is not None and size[0] == 0 and source.damaged == "stop":  # else it may hold what is skipped
        raise source.no_documents(source.skipped)
    return size or (0, 0)


def _before(store: Store) -> list[Artifact]:
    """What was made here before, the latest first; folders that cannot be read say nothing about times."""
    made = []
    for path in store.artifacts.iterdir():
        with suppress(ArtifactError):
            made.append(read_artifact(path))
    return sorted(filter(None, made), key=lambda one: one.manifest.ended, reverse=True)


def made_before(store: Store, stages: Sequence[Stage]) -> list[tuple[Stage, Artifact | None]]:
    """Every stage with the artifact a run would find for it; None where it, or what it reads, is to be made.

    Raises:
        ArtifactError: an artifact is there but damaged.
    """
    found: dict[str, Artifact] = {}
    states: list[tuple[Stage, Artifact | None]] = []
    for stage in stages:
        if any(name not in found for name in stage.inputs.values()):
            states.append((stage, None))
            continue
        fingerprint = stage.fingerprint(store.cache) if stage.fingerprint else None
        contents = {name: found[source].manifest.content for name, source in stage.inputs.items()}
        artifact = store.find(stage.kind, stage_key(stage, contents, fingerprint))
        if artifact is not None:
            found[stage.name] = artifact
        states.append((stage, artifact))
    return states


def _row(stage: Stage, state: str, estimates: _Estimates, before: Sequence[Artifact]) -> PlannedStage:
    work = estimates.work(stage.kind)
    if state == "cached":
        return PlannedStage(stage.name, state, work, 0.0, 0, measured=True)
    seconds = estimates.seconds(stage.kind)
    earlier = (estimates.measured(stage.kind, one) for one in before if one.manifest.stage == stage.kind)
    measured = next((time for time in earlier if time is not None), None)
    return PlannedStage(
        stage.name,
        state,
        work,
        seconds if measured is None else measured,
        estimates.memory(stage.kind),
        measured=measured is not None,
    )


class _Estimates:
    """Times and memory by stage kind, from sizes."""

    def __init__(self, recipe: Recipe, size: int, flops: float, parameters: int, workers: int) -> None:
        self._recipe, self._size, self._flops, self._parameters = recipe, size, flops, parameters
        self._workers = workers
        self._peak: float | None = None

    @property
    def tokens(self) -> int:
        """Tokens the model is trained on."""
        return self._recipe.train.all_windows() * self._recipe.shards.context

    def work(self, kind: str) -> str:
        """What the stage has to do, for a person."""
        match kind:
            case "train":
                return f"{self._recipe.train.steps:,} steps, {format_count(self.tokens)} tokens"
            case "vocabulary":
                return f"{self._recipe.vocabulary.size:,} tokens"
            case "evaluate" | "export":
                names = [name for name in type(getattr(self._recipe, kind)).model_fields if self._suite(kind, name)]
                return ", ".join(names)
            case _:
                return f"{self._size / 1e6:.3g} MB"

    def _suite(self, kind: str, name: str) -> bool:
        value = getattr(getattr(self._recipe, kind), name)
        return value is not None and not isinstance(value, int | float | str) and name != "ngram"

    def seconds(self, kind: str) -> float:
        """Expected seconds on this machine, nothing known from before."""
        start = STARTUP_S.get(kind, 2.0)
        if kind == "train":
            return start + self._flops / (self.peak * UTILISATION)
        if kind == "evaluate":
            # Forward passes cost a third of training; about as many tokens again go into generated lines.
            suite = self._recipe.evaluate.bits_per_byte
            scored = 2 * (suite.max_tokens if suite else 0) * 2
            return 15 + scored * self._flops / max(self.tokens, 1) / 3 / (self.peak * UTILISATION) * 2
        if kind == "export":
            return 8 + self._parameters / 50e6
        return start + self._handled(kind) / RATES[kind] / (self._workers if kind in ("lake", "clean") else 1)

    def measured(self, kind: str, earlier: Artifact) -> float | None:
        """The time of an earlier artifact of this kind, scaled to the work now asked; None when it says too little."""
        metrics, seconds = earlier.manifest.metrics, earlier.manifest.seconds
        if kind == "train":
            done, took = metrics.get("tokens"), metrics.get("seconds")
            if not isinstance(done, int) or not isinstance(took, int | float):
                return None
            # A far shorter run says mostly how long compiling takes.
            comparable = done > self.tokens / 20 and metrics.get("parameters") == self._parameters
            return took * self.tokens / done if comparable else None
        size = metrics.get(HANDLED.get(kind, "bytes"))
        if kind in RATES and isinstance(size, int | float) and size > 0:
            return max(1.0, seconds * self._handled(kind) / size)
        return None

    def _handled(self, kind: str) -> float:
        """Bytes of code the stage reads: the vocabulary a sample, it and the shards what is not held out."""
        recipe = self._recipe
        if kind not in HANDLED:
            return self._size
        trained = self._size * (1 - recipe.split.repos) * (1 - recipe.split.files)
        return min(trained, recipe.vocabulary.sample_mb * 1e6) if kind == "vocabulary" else trained

    def memory(self, kind: str) -> int:
        """Expected peak in bytes, of training in one place of its mesh; data is read in streams."""
        recipe = self._recipe
        model = recipe.model.architecture(recipe.vocabulary.size, recipe.shards.context)
        if kind == "train":
            return PROCESS + most(model, recipe.train, bf16=recipe.train.precision == "bf16", device="cpu").peak
        if kind == "evaluate":
            counts = 40 * min(int(self._size / BYTES_PER_TOKEN), recipe.evaluate.ngram.max_tokens)
            return BASE_MEMORY + 4 * model.parameters + 3 * counts
        if kind == "export":
            return BASE_MEMORY + 12 * model.parameters
        if kind == "corpus":
            return 2 * BASE_MEMORY
        return BASE_MEMORY

    @property
    def peak(self) -> float:
        """Floating-point operations a second of a matrix product on this machine, timed once (0.2 s)."""
        if self._peak is None:
            side = 768
            matrix = np.ones((side, side), np.float32)
            matrix @ matrix
            begun, rounds = time.perf_counter(), 0
            while time.perf_counter() - begun < 0.2:
                matrix @ matrix
                rounds += 1
            self._peak = rounds * 2 * side**3 / (time.perf_counter() - begun)
        return self._peak


def usable_cores() -> int:
    """Cores this process may run on."""
    return len(os.sched_getaffinity(0))


def totals(planned: Plan) -> Mapping[str, str]:
    """The plan's sums, for a person."""
    found = {
        "source": f"{planned.source_files:,} files, {planned.source_bytes / 1e6:.1f} MB",
        "parameters": f"{planned.parameters:,}",
        "training tokens": f"{planned.training_tokens:,} (about {planned.epochs:.2g} times over the data)",
        "operations": f"{planned.flops:.3g} FLOPs in training",
    }
    if planned.misfit is not None:
        found["does not fit"] = f"{planned.misfit.what}: {planned.misfit.advice}"
    if planned.warnings:
        found["take care"] = "; ".join(planned.warnings)
    return found
