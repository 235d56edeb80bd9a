"""The sandbox: hardened bubblewrap, a real change of user, an empty environment, a system call filter, limits."""

from __future__ import annotations

import shutil
import subprocess

from ownlm.evaluate.sandbox import layout
from ownlm.evaluate.sandbox.cgroup import Group, Hierarchy
from ownlm.evaluate.sandbox.contained import Contained
from ownlm.evaluate.sandbox.identity import program_uid
from ownlm.evaluate.sandbox.meter import Meter
from ownlm.evaluate.sandbox.program import Ended, Program
from ownlm.evaluate.sandbox.seccomp import Machine
from ownlm.evaluate.sandbox.tree import Tree


class BubblewrapSandbox:
    """Contains programs of any language. Safe to call from several threads.

    Args:
        machine: whose system calls are filtered.
        hierarchy: of control groups; without one, limits are kept by watching processes.
    """

    def __init__(self, machine: Machine, hierarchy: Hierarchy | None) -> None:
        self.machine = machine
        self._hierarchy = hierarchy

    def meter(self) -> Meter:
        """A new one, for one program (or a warm interpreter)."""
        return Tree() if self._hierarchy is None else Group(self._hierarchy)

    def run(self, program: Program) -> list[Ended]:
        """Run the steps in turn, in one fresh folder; stops after the first that does not exit with 0.

        Raises:
            SandboxError: containment itself failed.
        """
        layout.check(program)
        ended: list[Ended] = []
        with Contained(program, self.meter(), self.machine) as contained:
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


def missing() -> list[str]:
    """Programs of the machine that are needed and not there, by Debian package."""
    needed = {"bwrap": "bubblewrap", "perl": "perl-base", "setpriv": "util-linux"}
    return [package for tool, package in needed.items() if shutil.which(tool) is None]
