"""Whether a recipe's training fits into memory, said before the first step: by how much not, and what to change.

What is refused is what cannot fit with all of the machine's memory; other programs need some of it, too. No torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ownlm.errors import RecipeError
from ownlm.model.architecture import Architecture
from ownlm.train.config import TrainConfig
from ownlm.train.parallel.check import check_mesh
from ownlm.train.planning.propose import most

PROCESS = 400_000_000
"""Bytes of a training process on a CPU beside its tensors: Python, torch, data read ahead."""
COMPILED = {"cpu": 1.0, "cuda": 0.7}
"""Share of the estimate a compiled model may come down to, on a device where `auto` compiles: only what is above is
refused there, since the estimate is of code that is not compiled."""
_CGROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def check_fits(
    architecture: Architecture, train: TrainConfig, available: int, *, bf16: bool, device: str = "cpu"
) -> None:
    """Refuse what does not fit.

    Args:
        architecture: the model.
        train: the recipe's.
        available: bytes one place can have.
        bf16: matrix products under autocast.
        device: "cpu" or "cuda".

    Raises:
        RecipeError: with what is missing, and the first of some changes that would fit.
    """
    problem = misfit(architecture, train, available, bf16=bf16, device=device)
    if problem is not None:
        raise problem


def misfit(
    architecture: Architecture, train: TrainConfig, available: int, *, bf16: bool, device: str = "cpu"
) -> RecipeError | None:
    """The error of a recipe that does not fit; None when it does. Args are those of `check_fits`."""
    least = _least(architecture, train, bf16=bf16, device=device)
    if least <= available:
        return None
    what = "GPU" if device == "cuda" else "process on this machine"
    return RecipeError(
        f"training needs about {least / 1e9:.1f} GB a {what}, {(least - available) / 1e9:.1f} GB more than the "
        f"{available / 1e9:.1f} GB there are",
        where="train",
        advice=_advice(architecture, train, available, bf16=bf16, device=device),
    )


def memory_of_machine(places: int = 1) -> int:
    """Bytes of main memory for each of so many processes: all there is, or the container's limit if that is less.

    Raises:
        OSError: where Linux does not say.
    """
    lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    found = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemTotal:"))
    for name in _CGROUPS:
        with suppress(OSError, ValueError):
            found = min(found, int(Path(name).read_text(encoding="utf-8")))
    return found // places


def _least(architecture: Architecture, train: TrainConfig, *, bf16: bool, device: str) -> int:
    """Bytes of a place; of what may be compiled the least that could come of it."""
    memory = most(architecture, train, bf16=bf16, device=device)
    activations = sum(memory.parts.get(name, 0) for name in ("activations", "working"))
    compiled = train.compile != "off" and memory.moment != "optimizer"
    saved = activations * (1 - COMPILED[device]) if compiled else 0
    return round(memory.peak - saved) + (PROCESS if device == "cpu" else 0)


def _advice(architecture: Architecture, train: TrainConfig, available: int, *, bf16: bool, device: str) -> str:
    """The change that fits and costs least; else that none of them is enough."""
    for words, changed in _changes(train, device):
        with suppress(RecipeError):
            check_mesh(changed, architecture)
            if _least(architecture, changed, bf16=bf16, device=device) <= available:
                return f"set {words}"
    tried = "smaller batches and checkpointing" + (" on up to 64 times more GPUs" if device == "cuda" else "")
    return f"choose a smaller model.size, vocabulary.size or shards.context: {tried} are not enough"


def _changes(train: TrainConfig, device: str) -> Iterator[tuple[str, TrainConfig]]:
    """Smaller passes of the same steps; then computing activations again; then both; then more GPUs."""
    yield from _smaller(train, "")
    for how in ("selective", "full"):
        again = train.model_copy(update={"activation_checkpointing": how})
        words = f"train.activation_checkpointing to {how}"
        yield words, again
        yield from _smaller(again, f"{words}, ")
    full = train.model_copy(update={"activation_checkpointing": "full"})
    for more in (2, 4, 8, 16, 32, 64) if device == "cuda" else ():
        mesh = train.mesh.model_copy(update={"shard": train.mesh.shard * more})
        words = f"train.mesh.shard to {mesh.shard} ({more} times more GPUs)"
        yield words, train.model_copy(update={"mesh": mesh})
        yield f"{words} and train.activation_checkpointing to full", full.model_copy(update={"mesh": mesh})


def _smaller(train: TrainConfig, before: str) -> Iterator[tuple[str, TrainConfig]]:
    """The same windows a step in more passes."""
    parts = 2
    while train.batch % parts == 0:
        changed = {"batch": train.batch // parts, "accumulate": train.accumulate * parts}
        words = f"train.batch to {changed['batch']} and train.accumulate to {changed['accumulate']}"
        yield before + words, train.model_copy(update=changed)
        parts *= 2
