"""Measures of a tree of processes where control groups cannot be had: what /proc says (proc(5)), looked at often.

Weaker than a control group, and said so with every score: memory is noticed some hundredths of a second late, each
process keeps to the limit by itself (RLIMIT_DATA), and the CPU time of children whose parent ignores their end is seen
only while they live.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ownlm.evaluate.sandbox.program import Limits

_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class _Process:
    pid: int
    parent: int
    session: int
    cpu_seconds: float
    """Its own, and that of its children that ended."""


class Tree:
    """A process, its descendants, and what else is in its session. A `Meter`."""

    longest_look = 0.05

    def __init__(self) -> None:
        self._root = 0
        self._cpu = 0.0
        self._peak = 0
        self._limit = 0

    def enter(self) -> list[str]:
        """Nothing is joined."""
        return []

    def follow(self, pid: int) -> None:
        """The process at the root."""
        self._root = pid

    def limit(self, limits: Limits) -> None:
        """Of memory; the others are kept by each process' own limits."""
        self._limit, self._peak = limits.memory_bytes, 0

    def cpu_seconds(self) -> float:
        """The most that was seen."""
        processes = self._processes()
        self._cpu = max(self._cpu, sum(process.cpu_seconds for process in processes))
        self._peak = max(self._peak, sum(_own_memory(process.pid) for process in processes))
        return self._cpu

    def peak_bytes(self) -> int:
        """Of the tree, as far as it was seen."""
        return self._peak

    def out_of_memory(self) -> bool:
        """Whether the tree was seen above its limit."""
        return self._peak > self._limit

    def pids(self) -> list[int]:
        """Of the processes that run now."""
        return [process.pid for process in self._processes()]

    def close(self) -> None:
        """Nothing was made."""

    def _processes(self) -> list[_Process]:
        """Those that run now."""
        entries = (entry.name for entry in Path("/proc").iterdir())
        running = [process for name in entries if name.isdigit() and (process := _read(int(name)))]
        found = {process.pid for process in running if self._root in (process.pid, process.session)}
        grew = True
        while grew:
            below = {process.pid for process in running if process.parent in found}
            grew = not below <= found
            found |= below
        return [process for process in running if process.pid in found]


def _read(pid: int) -> _Process | None:
    """None for one that is gone."""
    with suppress(FileNotFoundError, ProcessLookupError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return _Process(pid, int(fields[1]), int(fields[3]), sum(map(int, fields[11:15])) / _TICK)
    return None


def _own_memory(pid: int) -> int:
    """Bytes that no file backs; 0 for a process that is gone."""
    with suppress(FileNotFoundError, ProcessLookupError):
        _, resident, shared, *_ = map(int, Path(f"/proc/{pid}/statm").read_text().split())
        return (resident - shared) * _PAGE
    return 0
