"""`Layout`: this process's place in the mesh, and what it does together with the others.

    data x shard            each place has its own rows of a batch; gradients are summed over them
    context                 each place has a part of every row; gradients are summed over them too
    tensor, pipeline        places that share the work on the same tokens

A run in one process has the layout `Layout()`: no mesh, no process group, every method trivial.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from pydantic import JsonValue

from ownlm.train.parallel.config import MeshConfig

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch.distributed import ProcessGroup
    from torch.distributed.device_mesh import DeviceMesh

    from ownlm.tokens.shards.batches import Batch

    _Integer = TypeVar("_Integer", np.int32, np.int64)

DIMENSIONS = ("pipeline", "data", "shard", "context", "tensor")
"""Of the mesh, slowest first: tensor's neighbours talk most and stand next to each other."""

WEIGHTS = ("pipeline", "replicas", "shards", "tensor")
"""The same places as the weights see them: context is one of the ways in which tokens are divided."""

EXPERTS = ("pipeline", "copies", "expert", "tensor")
"""The same places as experts see them: each group of `expert` neighbours has all experts once."""


class Layout:
    """One process that trains alone.

    Attributes:
        config: the mesh as the recipe has it.
        rank: this process among all.
        world: how many processes.
        mesh: its dimensions are `DIMENSIONS`; None: one process.
        weights: the same places, its dimensions are `WEIGHTS`; DTensors of weights are on parts of it.
        checkpoint_group: a process group of its own for checkpoints written in the background (sharing training's
            makes them wait for each other for ever); None: one process.
    """

    config: MeshConfig = MeshConfig()
    rank: int = 0
    world: int = 1
    mesh: DeviceMesh | None = None
    weights: DeviceMesh | None = None
    checkpoint_group: ProcessGroup | None = None

    def execution(self, values: dict[str, JsonValue]) -> dict[str, JsonValue]:
        """What the last bits of a run depend on, beside its settings: the execution, and the mesh if there is one."""
        return values

    @property
    def is_first(self) -> bool:
        """Whether this process writes what is written once: metrics, pages, the result."""
        return self.rank == 0

    def rows(self, size: int) -> range:
        """This process's rows of a batch of `size` rows."""
        return range(size)

    def part(self, batch: Batch, size: int) -> Batch:
        """This process's rows of a batch that is smaller than the training batches of `size` rows."""
        return batch

    def sum(self, values: Sequence[float]) -> list[float]:
        """Sums over the processes that read different rows; the same on every process."""
        return list(values)

    def total(self, values: Sequence[float]) -> list[float]:
        """Sums over all processes, of what each computed for itself; those of one tensor group count once."""
        return list(values)

    def barrier(self) -> None:
        """Wait until every process is here."""


class MeshLayout(Layout):
    """One process of a mesh. The default process group must exist, with as many processes as the mesh has places.

    Args:
        config: the mesh.
        device: "cpu" or "cuda".

    Attributes:
        stage: those that hold (parts of) the same weights, one dimension.
        experts: the same places, its dimensions are `EXPERTS`; DTensors of experts' weights are on parts of it.
    """

    def __init__(self, config: MeshConfig, device: str) -> None:
        from torch import distributed
        from torch.distributed.device_mesh import init_device_mesh

        self.config, self.device = config, device
        self.rank, self.world = distributed.get_rank(), distributed.get_world_size()
        self.mesh: DeviceMesh = init_device_mesh(
            device, tuple(getattr(config, name) for name in DIMENSIONS), mesh_dim_names=DIMENSIONS
        )
        replicas, shards = config.data, config.shard * config.context
        if config.shard == 1:
            replicas, shards = shards * replicas, 1
        self.weights: DeviceMesh = init_device_mesh(
            device, (config.pipeline, replicas, shards, config.tensor), mesh_dim_names=WEIGHTS
        )
        places = config.data * config.shard * config.context
        self.experts = init_device_mesh(
            device, (config.pipeline, places // config.expert, config.expert, config.tensor), mesh_dim_names=EXPERTS
        )
        self._rows = self.mesh["data", "shard"]._flatten("rows")
        self._totals = self.mesh["pipeline", "data", "shard", "context"]._flatten("totals")
        self.stage = self.mesh["data", "shard", "context", "tensor"]._flatten("stage")
        # A barrier is a sum that is waited for: of a group of its own, it does not need a device.
        self.checkpoint_group = distributed.new_group(backend="gloo")

    def execution(self, values: dict[str, JsonValue]) -> dict[str, JsonValue]:
        """What the last bits of a run depend on, beside its settings: the execution, and the mesh if there is one."""
        return values | {"mesh": self.config.model_dump(mode="json", exclude={"nodes", "rendezvous"})}

    def rows(self, size: int) -> range:
        """This process's rows of a batch of `size` rows."""
        part, parts = self._rows.get_local_rank(), self._rows.size()
        if size % parts:
            raise ValueError(f"{size} rows cannot be divided among {parts}")
        return range(part * size // parts, (part + 1) * size // parts)

    def part(self, batch: Batch, size: int) -> Batch:
        """This process's rows of a batch that is smaller than the training batches of `size` rows.

        Rows without labels fill it up to `size`, so that all processes have work, of the shape of training's.
        """
        import numpy as np

        from ownlm.model.decoder import IGNORED
        from ownlm.tokens.shards.batches import Batch

        mine = self.rows(size)

        def filled(array: npt.NDArray[_Integer], value: int) -> npt.NDArray[_Integer]:
            missing = np.full((size - len(array), array.shape[1]), value, array.dtype)
            return np.concatenate([array, missing])[mine.start : mine.stop]

        return Batch(filled(batch.tokens_BL, 0), filled(batch.labels_BL, IGNORED), filled(batch.segments_BL, 0))

    def sum(self, values: Sequence[float]) -> list[float]:
        """Sums over the processes that read different rows; the same on every process."""
        return self._reduced(values, self._rows)

    def total(self, values: Sequence[float]) -> list[float]:
        """Sums over all processes, of what each computed for itself; those of one tensor group count once."""
        return self._reduced(values, self._totals)

    def barrier(self) -> None:
        """Wait until every process is here."""
        from torch import distributed

        distributed.barrier(self.checkpoint_group)

    def _reduced(self, values: Sequence[float], mesh: DeviceMesh) -> list[float]:
        import torch
        from torch import distributed

        numbers = torch.tensor(values, dtype=torch.float64, device=self.device)
        distributed.all_reduce(numbers, group=mesh.get_group())
        return [float(number) for number in numbers.tolist()]
