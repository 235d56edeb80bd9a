"""How long a step takes in a layout: matrix products at a stated share of the peak, and what travels between places.

    computing      operations / (places * peak * MFU), a third more where activations are computed again
    pipeline       (stages - 1) / (parts of a batch) of that is waiting (arXiv 2104.04473)
    data           2 (n-1)/n * 4 bytes a parameter in every pass (ring all-reduce)      } hidden behind
    shard          (n-1)/n * (gather twice + 4 bytes reduced) a parameter (ZeRO-3)      } computing
    tensor         4 all-reduces of the stream a block (arXiv 1909.08053); with `sequence` the same bytes
    context        keys and values of the other places, forward and backward
    expert         4 all-to-alls of every chosen copy of a token a block (arXiv 2006.16668)
    muon           directions gathered and results gathered, once a step

Only bytes count, no latency: small models are slower than this says. Nothing here was measured on several GPUs.
"""

from __future__ import annotations

from dataclasses import dataclass

from ownlm.model.architecture import Architecture
from ownlm.train.config import TrainConfig
from ownlm.train.parallel.layout import DIMENSIONS
from ownlm.train.planning.hardware import Gpu
from ownlm.train.planning.matrices import matrices
from ownlm.train.planning.share import Share

MFU = 0.45
"""Share of the dense bf16 peak that computing alone reaches, if nothing is said."""
AGAIN = {"none": 1.0, "selective": 1.05, "full": 4 / 3}
"""Operations with activations computed again, in those without."""


@dataclass(frozen=True)
class StepTime:
    """Seconds of one optimizer step.

    Attributes:
        computing: of a place, waiting in the pipeline not included.
        waiting: of a place, for other stages.
        gradients: traffic of data and shard, hidden behind computing as far as that goes.
        traffic: seconds of every other kind, by name; none of it is hidden.
    """

    computing: float
    waiting: float
    gradients: float
    traffic: dict[str, float]

    @property
    def seconds(self) -> float:
        """All together."""
        return max(self.computing + self.waiting, self.gradients) + sum(self.traffic.values())

    @property
    def busy(self) -> float:
        """Share of the step in which a place computes."""
        return self.computing / self.seconds


def step_time(architecture: Architecture, train: TrainConfig, gpu: Gpu, mfu: float = MFU) -> StepTime:
    """Estimate a step.

    Args:
        architecture: the model.
        train: batch and mesh, which divides them (`ownlm.train.parallel.check`).
        gpu: in every place.
        mfu: share of its peak that computing reaches.
    """
    mesh, share = train.mesh, Share(architecture, train)
    flops = train.windows * architecture.context * architecture.training_flops_per_token
    computing = flops * AGAIN[train.activation_checkpointing] / (mesh.places * gpu.flops * mfu)
    parts = mesh.microbatches_of(train.batch) * (mesh.stages // mesh.pipeline)
    waiting = computing * (mesh.pipeline - 1) / parts if mesh.pipeline > 1 else 0.0
    links = _Links(train, gpu)
    passes = train.accumulate * (mesh.microbatches_of(train.batch) if mesh.pipeline > 1 else 1)
    per_pass = {
        "tensor": _tensor(architecture, share) / links.speed("tensor"),
        "context": _context(architecture, share) / links.speed("context"),
        "expert": _experts(architecture, share) / links.speed("data"),
        "pipeline": 8 * share.tokens * architecture.d_model * (mesh.pipeline > 1) / links.speed("pipeline"),
    }
    traffic = {name: passes * seconds for name, seconds in per_pass.items() if seconds}
    weights = sum(share.gathered(one) for one in matrices(architecture, share.layers, first=share.is_first))
    if train.optimizer.muon is not None and mesh.places > mesh.pipeline:
        traffic["muon"] = 8 * weights * _round(mesh.places // mesh.pipeline) / links.slowest
    return StepTime(computing, waiting, train.accumulate * _gradients(train, weights, links), traffic)


class _Links:
    """How fast each way of dividing talks: inside a machine, or between machines."""

    def __init__(self, train: TrainConfig, gpu: Gpu) -> None:
        self._gpu, self._inside = gpu, {}
        reach = 1
        for name in reversed(DIMENSIONS):
            reach *= getattr(train.mesh, name)
            self._inside[name] = reach <= gpu.a_machine

    def speed(self, name: str) -> float:
        """Bytes a second of a place."""
        return self._gpu.inside if self._inside[name] else self._gpu.between

    @property
    def slowest(self) -> float:
        """Between the places farthest apart of one stage."""
        return self.speed("data")


def _round(places: int) -> float:
    """Part of the data each place sends in a ring."""
    return (places - 1) / places


def _gradients(train: TrainConfig, weights: float, links: _Links) -> float:
    """Seconds of a pass: as `ownlm.train.parallel.data` does it."""
    mesh = train.mesh
    if mesh.shard == 1:
        return 8 * weights * _round(mesh.data * mesh.context) / links.speed("data")
    shards = mesh.shard * mesh.context
    inside = (2 + 2 + 4) * weights * _round(shards) / links.speed("shard")
    return inside + 8 * weights / shards * _round(mesh.data) / links.speed("data")


def _tensor(architecture: Architecture, share: Share) -> float:
    stream = 2 * share.tokens * architecture.d_model
    return 4 * 2 * _round(share.mesh.tensor) * stream * len(share.layers)


def _context(architecture: Architecture, share: Share) -> float:
    others = share.mesh.context - 1
    keys = 2 * 2 * architecture.kv_heads * architecture.head_width / share.mesh.tensor
    return 2 * others * share.tokens * keys * len(share.layers)


def _experts(architecture: Architecture, share: Share) -> float:
    if architecture.experts is None:
        return 0.0
    layers = sum(architecture.has_experts(layer) for layer in share.layers)
    copies = share.tokens * architecture.experts.per_token * architecture.d_model
    return 4 * 2 * copies * layers * _round(share.mesh.expert)
