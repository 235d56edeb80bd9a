"""The sandbox: hardened bubblewrap, a real change of user, an empty environment, a system call filter, limits."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import PurePosixPath

from ownlm.errors import SandboxError
from ownlm.evaluate.sandbox.cgroup import Group, Hierarchy
from ownlm.evaluate.sandbox.contained import Contained
from ownlm.evaluate.sandbox.identity import program_uid
from ownlm.evaluate.sandbox.program import Ended, Program
from ownlm.evaluate.sandbox.seccomp import Machine


class BubblewrapSandbox:
    """Contains programs of any language. Safe to call from several threads.

    Args:
        machine: whose system calls are filtered.
        hierarchy: of control groups; without one, limits are kept by watching processes.
    """

    def __init__(self, machine: Machine, hierarchy: Hierarchy | None) -> None:
        self._machine = machine
        self._hierarchy = hierarchy

    def run(self, program: Program) -> list[Ended]:
        """Run the steps in turn, in one fresh folder; stops after the first that does not exit with 0.

        Raises:
            SandboxError: containment itself failed.
        """
        check(program)
        ended: list[Ended] = []
        if self._hierarchy is None:
            raise SandboxError("no control groups")
        with Contained(program, Group(self._hierarchy), self._machine) as contained:
            for step in program.steps:
                ended.append(contained.run(step))
                if (ended[-1].how, ended[-1].code) != ("exit", 0):
                    break
        return ended

    def describe(self) -> dict[str, str]:
        """What contains programs here."""
        version = subprocess.run(["bwrap", "--version"], capture_output=True, text=True, check=True).stdout  # noqa: S607
        groups = "none" if self._hierarchy is None else f"v{self._hierarchy.version}"
        uid = program_uid()
        return {
            "contained": "yes",
            "tool": version.strip(),
            "user": "the harness' own" if uid is None else "one without a name for each program",
            "control groups": groups,
            "system calls": "filtered",
            "network": "none",
        }


def check(program: Program) -> None:
    """That files stay in the folder and fit in it.

    Raises:
        SandboxError: they do not.
    """
    for path in map(PurePosixPath, program.files):
        if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in str(path):
            raise SandboxError("a program's file must be inside its folder", where=str(path),
                               advice="give a path relative to the folder, without '..'")  # fmt: skip
    size = sum(map(len, program.files.values()))
    room = min((step.limits.disk_bytes for step in program.steps), default=size)
    if size > room:
        raise SandboxError(f"a program's files have {size} bytes, its folder {room}", advice="raise limits.disk_bytes")


def missing() -> list[str]:
    """Programs of the machine that are needed and not there, by Debian package."""
    needed = {"bwrap": "bubblewrap", "perl": "perl-base", "setpriv": "util-linux"}
    return [package for tool, package in needed.items() if shutil.which(tool) is None]
