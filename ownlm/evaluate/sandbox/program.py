"""What is run, within which limits, and how it ended. Knows no language and no way of containment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

MIB = 2**20

How = Literal["exit", "signal", "cpu", "wall", "memory", "output"]
"""Why a step ended: by itself, by a signal it met, or cut off at one of its limits."""


@dataclass(frozen=True)
class Limits:
    """Of one step and all processes it starts.

    Attributes:
        cpu_seconds: what counts: the same on a loaded machine as on a quiet one.
        wall_seconds: generous, for programs that sleep.
        memory_bytes: of the whole tree where cgroups can be had, of each process elsewhere.
        processes: threads counted.
        output_bytes: of stdout and of stderr; more ends the step.
        disk_bytes: of the writable folder, which is memory.
    """

    cpu_seconds: float = 10.0
    wall_seconds: float = 60.0
    memory_bytes: int = 1024 * MIB
    processes: int = 64
    output_bytes: int = 64 * 1024
    disk_bytes: int = 64 * MIB


@dataclass(frozen=True)
class Step:
    """One command, run in the program's folder."""

    command: tuple[str, ...]
    stdin: bytes = b""
    limits: Limits = Limits()


@dataclass(frozen=True)
class Program:
    """Files in a fresh folder and the steps that run there, each only if the one before exited with 0.

    Attributes:
        files: content by path relative to the folder.
        steps: e.g. compile, run.
        reads: folders and files of the host the steps may read, beside /usr and the like.
        environment: all of the variables the steps see beside PATH, HOME, LANG.
    """

    files: Mapping[str, bytes]
    steps: tuple[Step, ...]
    reads: tuple[Path, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Ended:
    """How a step ended.

    Attributes:
        how: see `How`.
        code: exit status, or the signal's number.
        stdout: at most the limit's bytes.
        stderr: at most the limit's bytes.
        cpu_seconds: of the whole tree.
        wall_seconds: from start to end.
        peak_bytes: of the whole tree where it is known, else of the largest process; 0 when unknown.
    """

    how: How
    code: int
    stdout: bytes
    stderr: bytes
    cpu_seconds: float
    wall_seconds: float
    peak_bytes: int = 0


class Sandbox(Protocol):
    """Where programs run. Safe to call from several threads, one program each."""

    def run(self, program: Program) -> list[Ended]:
        """Run the steps in turn; the last one returned is the first that did not exit with 0, or the last of all.

        Raises:
            SandboxError: containment itself failed; nothing is said about the program.
        """
        ...

    def describe(self) -> dict[str, str]:
        """What contains programs here (tool and version, cgroup v2, v1 or none, uid): recorded with every score."""
        ...
