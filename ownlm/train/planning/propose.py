"""Layouts for a model and so many GPUs: every mesh that divides them, those that fit, the fastest first.

    meshes that divide ─► rows at once, as many as fit ─► checkpointing only where needed ─► seconds a step

The global batch (`train.batch` x `train.accumulate`) stays the recipe's in all of them, so any of them trains the same
model; only how many of its rows go through at once is chosen with the mesh.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from ownlm.errors import RecipeError
from ownlm.model.architecture import Architecture
from ownlm.train.config import ActivationCheckpointing, TrainConfig
from ownlm.train.parallel.check import check_mesh
from ownlm.train.parallel.config import MeshConfig
from ownlm.train.planning.hardware import Gpu, usable
from ownlm.train.planning.memory import Memory, training_memory
from ownlm.train.planning.speed import MFU, StepTime, step_time

RENDEZVOUS = "HOST:29400"
DIVIDES = ("data", "shard", "tensor", "sequence", "pipeline", "context", "expert", "nodes")
SHORTEST_PART = 1024
"""Positions a place of a context group should have, at least: below, other ways of dividing are better."""
_ORDER: Sequence[ActivationCheckpointing] = ("none", "selective", "full")


@dataclass(frozen=True)
class Proposal:
    """A layout.

    Attributes:
        train: the recipe's settings with this mesh, batch, accumulate and checkpointing.
        memory: of the place that needs most.
        time: of a step.
        gpu: in every place.
        context: tokens in a window.
        price: of one GPU for an hour.
    """

    train: TrainConfig
    memory: Memory
    time: StepTime
    gpu: Gpu
    context: int
    price: float

    @property
    def tokens_per_s(self) -> float:
        """Of all places together."""
        return self.train.windows * self.context / self.time.seconds

    @property
    def hours(self) -> float:
        """Of the whole run."""
        return self.train.all_windows() * self.context / self.tokens_per_s / 3600

    @property
    def money(self) -> float:
        """Of the whole run."""
        return self.hours * self.price * self.train.mesh.places

    @property
    def ways(self) -> str:
        """The mesh in words: "shard 8"."""
        mesh = self.train.mesh
        names = ("data", "shard", "tensor", "pipeline", "context", "expert")
        words = [f"{name} {getattr(mesh, name)}" for name in names if getattr(mesh, name) > 1]
        return ", ".join(words) + (" (sequence)" if mesh.sequence else "") if words else "one GPU"

    def overrides(self) -> list[str]:
        """The dotted settings that make it."""
        mesh = self.train.mesh
        values = {f"train.mesh.{name}": getattr(mesh, name) for name in DIVIDES}
        values = {name: str(value).lower() for name, value in values.items() if value not in (1, False)}
        if mesh.nodes > 1:
            values["train.mesh.rendezvous"] = mesh.rendezvous
        values |= {"train.batch": str(self.train.batch), "train.accumulate": str(self.train.accumulate)}
        if self.train.activation_checkpointing != "none":
            values["train.activation_checkpointing"] = self.train.activation_checkpointing
        return [f"{name}={value}" for name, value in values.items()]

    @property
    def reason(self) -> str:
        """Why it is as fast, or as slow, as it is."""
        words = [f"{self.time.busy:.0%} of the time computing"]
        if self.time.waiting:
            words.append(f"{self.time.waiting / self.time.seconds:.0%} waiting for other stages")
        if self.time.gradients > self.time.computing + self.time.waiting:
            words.append("gradients travel longer than computing takes")
        slow = max(self.time.traffic.items(), key=lambda one: one[1], default=("", 0.0))
        if slow[1] > 0.02 * self.time.seconds:
            words.append(f"{slow[1] / self.time.seconds:.0%} traffic of {slow[0]}")
        if self.train.activation_checkpointing != "none":
            words.append(f"{self.train.activation_checkpointing} checkpointing, else it does not fit")
        return ", ".join(words)


def propose(
    architecture: Architecture,
    train: TrainConfig,
    gpu: Gpu,
    gpus: int,
    nodes: int = 1,
    *,
    mfu: float = MFU,
    price: float | None = None,
) -> list[Proposal]:
    """All layouts that fit, the fastest first; of equal ones that with the fewest ways and the most room.

    Args:
        architecture: the model.
        train: the recipe's; its mesh is not looked at.
        gpu: the kind.
        gpus: all together.
        nodes: machines they are in.
        mfu: share of the peak that computing reaches.
        price: of one GPU for an hour; None: the table's.

    Raises:
        RecipeError: none fits, with by how much the nearest does not, and what would; or none divides the batch.
    """
    found: list[Proposal] = []
    nearest: tuple[int, TrainConfig] | None = None
    cost = gpu.price if price is None else price
    for mesh in _meshes(architecture, gpu, gpus, nodes):
        for settings in _settings(architecture, train, mesh):
            memory = most(architecture, settings, bf16=True, device="cuda")
            if memory.peak <= usable(gpu):
                time = step_time(architecture, settings, gpu, mfu)
                found.append(Proposal(settings, memory, time, gpu, architecture.context, cost))
                break
            if nearest is None or memory.peak < nearest[0]:
                nearest = (memory.peak, settings)
    if not found:
        raise _nothing_fits(gpu, gpus, train, nearest)
    return sorted(found, key=lambda one: (round(one.time.seconds, 6), one.train.mesh.tensor, one.memory.peak))


def most(architecture: Architecture, train: TrainConfig, *, bf16: bool, device: str) -> Memory:
    """The memory of the place that needs most: of all stages of a pipeline."""
    stages = {0, train.mesh.pipeline - 1}
    every = (training_memory(architecture, train, bf16=bf16, device=device, stage=stage) for stage in stages)
    return max(every, key=lambda memory: memory.peak)


def _divisors(number: int) -> list[int]:
    return [divisor for divisor in range(1, number + 1) if number % divisor == 0]


def _meshes(architecture: Architecture, gpu: Gpu, gpus: int, nodes: int) -> Iterator[MeshConfig]:
    """Every mesh of so many places: tensor inside a machine, contexts in parts that are worth it."""
    dense = architecture.experts is None and architecture.state_space is None
    tensors = [size for size in _divisors(gpus) if size <= gpu.a_machine] if dense else [1]
    for tensor, pipeline, context in product(tensors, _divisors(gpus), _divisors(gpus)):
        together = tensor * pipeline * context
        if gpus % together or (context > 1 and architecture.context // context < SHORTEST_PART):
            continue
        rows = gpus // together
        for shard in _divisors(rows):
            experts = architecture.experts
            for expert in _divisors(rows * context) if experts is not None else [1]:
                yield MeshConfig(
                    data=rows // shard,
                    shard=shard,
                    tensor=tensor,
                    sequence=tensor > 1,
                    pipeline=pipeline,
                    context=context,
                    expert=expert,
                    nodes=nodes,
                    rendezvous=RENDEZVOUS if nodes > 1 else "",
                )


def _settings(architecture: Architecture, train: TrainConfig, mesh: MeshConfig) -> Iterator[TrainConfig]:
    """With as many rows at once as can be, without checkpointing first: what is faster comes earlier."""
    asked = _ORDER.index(train.activation_checkpointing)
    for checkpointing in _ORDER[asked:]:
        for accumulate in _divisors(train.windows):
            batch = train.windows // accumulate
            changed = {"mesh": mesh, "batch": batch, "accumulate": accumulate}
            settings = train.model_copy(update=changed | {"activation_checkpointing": checkpointing})
            if any(size > batch and size % batch for _, size in train.batch_warmup):
                continue
            try:
                check_mesh(settings, architecture)
            except RecipeError:
                continue
            yield settings


def _nothing_fits(gpu: Gpu, gpus: int, train: TrainConfig, nearest: tuple[int, TrainConfig] | None) -> RecipeError:
    if nearest is None:
        return RecipeError(
            f"no layout of {gpus} GPUs divides this model and a step's {train.windows} windows",
            where="train.batch",
            advice=f"let train.batch x train.accumulate be a multiple of {gpus}",
        )
    peak, settings = nearest
    over = peak - usable(gpu)
    return RecipeError(
        f"no layout of {gpus} {gpu.name} fits: the nearest needs {peak / 1e9:.1f} GB a GPU, {over / 1e9:.1f} GB more "
        f"than the {usable(gpu) / 1e9:.1f} GB tensors can have",
        where="train.mesh",
        advice=f"take about {gpus * -(-peak // usable(gpu))} GPUs or larger ones, or a smaller model.size or "
        f"shards.context (tried: {settings.activation_checkpointing} checkpointing, {settings.batch} windows at once)",
    )
