"""Limits and measures of a whole tree of processes: control groups, version 2 where delegated, else version 1.

Kernel documentation: admin-guide/cgroup-v2.rst, admin-guide/cgroup-v1/{memory,pids,cpuacct}.rst. A group is made below
the harness' own, so that what limits the harness (a container, a batch system) limits the programs too. Groups are
named after the process that made them; those whose maker is gone are removed by the next one.
"""

from __future__ import annotations

import errno
import itertools
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ownlm.errors import SandboxError
from ownlm.evaluate.sandbox.program import Limits

_counter = itertools.count()


@dataclass(frozen=True)
class Hierarchy:
    """Where groups can be made.

    Attributes:
        parents: by controller; one folder for all in version 2.
    """

    version: Literal[1, 2]
    parents: dict[str, Path]

    def folders(self) -> list[Path]:
        """The distinct parents."""
        return list(dict.fromkeys(self.parents.values()))


class Group:
    """One program's control group, in as many folders as the hierarchy has. A `Meter`."""

    longest_look = 0.5  # the kernel itself keeps the limits of memory and processes

    def __init__(self, hierarchy: Hierarchy) -> None:
        name = f"ownlm-{_identity(os.getpid())}-{next(_counter)}"
        self._hierarchy = hierarchy
        self._folders = {controller: parent / name for controller, parent in hierarchy.parents.items()}
        for folder in self._distinct():
            folder.mkdir()
        self._readings: dict[Path, int] = {}
        self._killed_before = 0
        self._full = False

    def enter(self) -> list[str]:
        """Files the first process writes 0 to."""
        return [str(folder / "cgroup.procs") for folder in self._distinct()]

    def follow(self, pid: int) -> None:
        """Nothing to do: the kernel counts."""

    def limit(self, limits: Limits) -> None:
        """Of the next step; peaks and counts begin anew where the kernel can."""
        memory, pids = self._folders["memory"], self._folders["pids"]
        self._killed_before = self._killed()
        (pids / "pids.max").write_text(str(limits.processes + 2))  # the supervisor and bwrap's own process
        if self._hierarchy.version == 2:
            (memory / "memory.max").write_text(str(limits.memory_bytes))
            with suppress(OSError):  # no swap controller
                (memory / "memory.swap.max").write_text("0")
        else:
            self._limit_v1(memory, limits.memory_bytes)

    def _limit_v1(self, memory: Path, limit: int) -> None:
        """Memory, and memory with swap, which must never be the smaller one."""
        files = [memory / "memory.limit_in_bytes", memory / "memory.memsw.limit_in_bytes"]
        if limit > int(files[0].read_text()):
            files.reverse()
        for file in files:
            with suppress(FileNotFoundError):  # no swap accounting
                try:
                    file.write_text(str(limit))
                except OSError as error:
                    if error.errno != errno.EBUSY:
                        raise
                    self._full = True  # what an earlier step left in memory is more than this one may have
        (memory / "memory.max_usage_in_bytes").write_text("0")

    def cpu_seconds(self) -> float:
        """Of all processes that were ever in the group."""
        if self._hierarchy.version == 2:
            return _field(self._read(self._folders["memory"] / "cpu.stat"), "usage_usec") / 1e6
        return int(self._read(self._folders["cpuacct"] / "cpuacct.usage")) / 1e9

    def peak_bytes(self) -> int:
        """Of the step (version 1), of the program so far (version 2; 0 before Linux 5.19)."""
        name = "memory.peak" if self._hierarchy.version == 2 else "memory.max_usage_in_bytes"
        with suppress(FileNotFoundError):
            return int(self._read(self._folders["memory"] / name))
        return 0

    def out_of_memory(self) -> bool:
        """Whether the kernel killed one of its processes for memory in this step."""
        return self._full or self._killed() > self._killed_before

    def _killed(self) -> int:
        name = "memory.events" if self._hierarchy.version == 2 else "memory.oom_control"
        return _field(self._read(self._folders["memory"] / name), "oom_kill")

    def pids(self) -> list[int]:
        """Of the processes that run now."""
        return [int(pid) for pid in (self._folders["pids"] / "cgroup.procs").read_text().split()]

    def close(self) -> None:
        """Kill what is left (there should be nothing) and remove the group."""
        while self._readings:
            os.close(self._readings.popitem()[1])
        for folder in self._distinct():
            _remove(folder)

    def _read(self, file: Path) -> str:
        """What it says now. It is opened once: programs are short, and it is read several times for each."""
        if file not in self._readings:
            self._readings[file] = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        return os.pread(self._readings[file], 65536, 0).decode()

    def _distinct(self) -> list[Path]:
        return list(dict.fromkeys(self._folders.values()))


def find_hierarchy() -> Hierarchy | None:
    """The version whose memory and process limits can be set by this process; None when neither can."""
    own = _own_groups()
    two = _delegated(own.get("", [])) if "" in own else None
    if two is not None:
        return Hierarchy(2, {"memory": two, "pids": two})
    parents: dict[str, Path] = {}
    for controller in ("memory", "pids", "cpuacct"):
        folder = next((folder for folder in own.get(controller, []) if _can_make_in(folder)), None)
        if folder is None:
            return None
        parents[controller] = folder
    return Hierarchy(1, parents)


def remove_stale(hierarchy: Hierarchy) -> int:
    """Remove groups of harnesses that were killed, with what still runs in them; how many there were."""
    stale = 0
    for parent in hierarchy.folders():
        for folder in parent.glob("ownlm-*"):
            named = re.fullmatch(r"ownlm-((\d+)-\d+)-\d+", folder.name)
            if named and _identity(int(named[2])) != named[1]:
                _remove(folder)
                stale += 1
    return stale


def _identity(pid: int) -> str:
    """Process id and the tick it started at: process ids come back."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return f"{pid}-{stat.rpartition(')')[2].split()[19]}"


def _own_groups() -> dict[str, list[Path]]:
    """By controller ("" is version 2): this process' folder, then its ancestors up to the mount."""
    if not Path("/proc/self/cgroup").exists():
        return {}
    paths = dict[str, str]()
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            paths[controller] = path
    own: dict[str, list[Path]] = {}
    for mount, root, mounted in _mounts():
        for controller in mounted:
            if controller not in paths:
                continue
            inside = paths[controller]
            if root != "/":  # a container's mount shows only its part of the tree
                inside = inside[len(root) :] if inside.startswith(root) else "/"
            folder = mount / inside.lstrip("/")
            chain = [folder, *folder.parents]
            own[controller] = [part for part in chain if part == mount or mount in part.parents]
    return own


def _mounts() -> Iterator[tuple[Path, str, list[str]]]:
    """Control group mounts: where, which part of the tree, which controllers."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        root, mount = before.split()[3:5]
        if kind == "cgroup2":
            yield Path(mount), root, [""]
        elif kind == "cgroup":
            yield Path(mount), root, options.split(",")


def _delegated(chain: list[Path]) -> Path | None:
    """The nearest group whose children get memory and process limits, or can be given them."""
    for folder in chain:
        control = folder / "cgroup.subtree_control"
        with suppress(OSError):
            control.write_text("+memory +pids")  # refused where processes live in the group itself
        with suppress(OSError):
            if {"memory", "pids"} <= set(control.read_text().split()) and _can_make_in(folder):
                return folder
    return None


def _can_make_in(folder: Path) -> bool:
    """Whether a group can be made there, and entered."""
    if not os.access(folder / "cgroup.procs", os.W_OK):
        return False
    trial = folder / f"ownlm-{_identity(os.getpid())}-{next(_counter)}"
    try:
        trial.mkdir()
        trial.rmdir()
    except OSError:
        return False
    return True


def _remove(folder: Path) -> None:
    """Kill what runs in a group and remove it; a group can be busy for a moment after its last process."""
    for attempt in range(200):
        with suppress(FileNotFoundError):
            for pid in (folder / "cgroup.procs").read_text().split():
                with suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
        try:
            folder.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(min(0.05, 0.0005 * 2**attempt))
        else:
            return
    raise SandboxError("a control group of a finished program cannot be removed", where=folder,
                       advice="see which processes are in its cgroup.procs")  # fmt: skip


def _field(text: str, name: str) -> int:
    """A number from lines "name number"; 0 where there is none."""
    for line in text.splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    return 0
