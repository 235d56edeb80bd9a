"""What the files of all languages share: names, packages, versions, limits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, NamedTuple

from ownlm.evaluate.runners.base import Source
from ownlm.evaluate.runners.toolchain import first_line
from ownlm.evaluate.sandbox.program import MIB, Limits, Program

RUN = Limits()
COMPILE = replace(RUN, cpu_seconds=60.0, wall_seconds=180.0, memory_bytes=2048 * MIB, disk_bytes=128 * MIB)
"""A compiler's time says nothing about the program: generous."""
VM_RUN = replace(RUN, memory_bytes=2048 * MIB, processes=256)
"""Virtual machines reserve memory and start threads of their own."""


class Extra(NamedTuple):
    """A Debian package without which a language works, but single problems of a benchmark do not.

    Attributes:
        package: its name.
        file: one it brings, a glob.
        why: what needs it.
    """

    package: str
    file: str
    why: str


class Language(ABC):
    """A language; see `Runner`, which this is.

    Attributes:
        language: key, as in `Source.language`.
        names: other names of it in benchmarks.
        packages: Debian packages that bring its tools and what the public benchmarks import.
        extras: see `Extra`.
        tells: commands whose first lines are the version.
        needs: files (globs) of those packages that bring no command.
    """

    language: ClassVar[str]
    names: ClassVar[tuple[str, ...]] = ()
    packages: ClassVar[tuple[str, ...]]
    extras: ClassVar[tuple[Extra, ...]] = ()
    tells: ClassVar[tuple[tuple[str, ...], ...]]
    needs: ClassVar[tuple[str, ...]] = ()

    def version(self) -> str | None:
        """First lines of what its tools say of themselves, and absent extras; None when something is missing."""
        lines = [first_line(*command) for command in self.tells]
        if not all(lines) or not all(present(pattern) for pattern in self.needs):
            return None
        return "; ".join([*filter(None, lines), *(f"without {package}" for package in self.absent())])

    def absent(self) -> tuple[str, ...]:
        """Extras that are not installed."""
        return tuple(extra.package for extra in self.extras if not present(extra.file))

    @abstractmethod
    def program(self, source: Source, nonce: str) -> Program:
        """Files and steps; the last step prints `nonce` on a line of its own once the tests have held."""


def present(pattern: str) -> bool:
    """Whether a file of the machine is there, given as a glob."""
    return any(Path("/").glob(pattern.removeprefix("/")))


def encoded(text: str) -> bytes:
    """A program's text as its file has it; halves of characters, which a model may write, become question marks."""
    return text.encode("utf-8", "replace")
