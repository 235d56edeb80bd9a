"""`Layout`: this process's place in the mesh, and what it does together with the others.

A run in one process has the layout `Layout()`: no mesh, no process group, every method trivial.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ownlm.train.parallel.config import MeshConfig

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup
    from torch.distributed.device_mesh import DeviceMesh


class Layout:
    """One process that trains alone.

    Attributes:
        config: the mesh as the recipe has it.
        rank: this process among all.
        world: how many processes.
        mesh: dimensions pipeline, data, shard, context, tensor; None: one process.
        checkpoint_group: a process group of its own for checkpoints written in the background (sharing training's
            makes them wait for each other for ever); None: one process.
    """

    config: MeshConfig = MeshConfig()
    rank: int = 0
    world: int = 1
    mesh: DeviceMesh | None = None
    checkpoint_group: ProcessGroup | None = None

    @property
    def is_first(self) -> bool:
        """Whether this process writes what is written once: metrics, pages, the result."""
        return self.rank == 0

    def rows(self, size: int) -> range:
        """This process's rows of a batch of `size` rows."""
        return range(size)

    def sum(self, values: Sequence[float]) -> list[float]:
        """Sums over all processes that saw different tokens; the same on every process."""
        return list(values)

    def barrier(self) -> None:
        """Wait until every process is here."""
