"""What a running tree of processes has used, whatever measures it."""

from __future__ import annotations

from typing import Protocol

from ownlm.evaluate.sandbox.program import Limits


class Meter(Protocol):
    """Of one program's processes."""

    @property
    def longest_look(self) -> float:
        """Seconds that may pass from one look at it to the next."""
        ...

    def enter(self) -> list[str]:
        """Files the first process writes 0 to, to be measured; none where nothing is to be joined."""
        ...

    def follow(self, pid: int) -> None:
        """Process 1 inside has this id on the host."""
        ...

    def limit(self, limits: Limits) -> None:
        """From now on these hold: a new step begins."""
        ...

    def cpu_seconds(self) -> float:
        """Of all processes since the start, also those that ended."""
        ...

    def peak_bytes(self) -> int:
        """Most memory at once in this step, as far as it is known."""
        ...

    def out_of_memory(self) -> bool:
        """Whether this step met its memory limit."""
        ...

    def pids(self) -> list[int]:
        """Of the processes that run now."""
        ...

    def close(self) -> None:
        """Nothing runs any more: what was made is removed."""
        ...
