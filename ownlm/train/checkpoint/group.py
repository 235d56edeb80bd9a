"""`Group`: what the processes of a run tell each other about checkpoints.

A gloo group of its own, because its calls come from a background thread: in one that training uses, too, both would
wait for each other's messages for ever (seen with torch's async_save).
"""

from __future__ import annotations

from typing import Any

from torch import distributed

from ownlm.train.parallel.layout import Layout


class Group:
    """The processes of a layout. All make one together, and call its methods in the same order.

    Args:
        layout: of this process.
    """

    def __init__(self, layout: Layout) -> None:
        self.rank, self.world = layout.rank, layout.world
        self._group = None if layout.mesh is None else distributed.new_group(backend="gloo")

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that decides."""
        return self.rank == 0

    def gathered(self, value: Any) -> list[Any]:
        """What each process said, by rank; the same list everywhere."""
        if self._group is None:
            return [value]
        found: list[Any] = [None] * self.world
        distributed.all_gather_object(found, value, group=self._group)
        return found

    def told(self, value: Any) -> Any:
        """What the first process said."""
        if self._group is None:
            return value
        box = [value]
        distributed.broadcast_object_list(box, src=0, group=self._group)
        return box[0]
