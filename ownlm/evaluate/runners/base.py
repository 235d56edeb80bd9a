"""What a language's file says, and what a verdict is.

A test program proves that it reached its end by a nonce: a text made for each run, printed after the tests. Exit code
0 alone proves nothing: a candidate that calls exit(0) would pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from ownlm.evaluate.sandbox.program import Program

Status = Literal["passed", "failed", "compile_error", "timed_out", "out_of_memory", "too_much_output", "no_end"]
"""`no_end`: it exited with 0 but never came to the end of the tests."""


@dataclass(frozen=True)
class Source:
    """A whole test program: prompt, completion and tests, as the suite puts them together.

    Attributes:
        language: a runner's key: "python", "cpp".
        text: of the file.
    """

    language: str
    text: str


@dataclass(frozen=True)
class Verdict:
    """Of one test program.

    Attributes:
        status: see `Status`.
        output: the end of what it printed, stderr last; at most a few kB.
        cpu_seconds: of the run (not the compiler).
        retried: a time-out that was run a second time, alone.
    """

    status: Status
    output: str
    cpu_seconds: float
    retried: bool = False

    @property
    def passed(self) -> bool:
        """Whether every test held."""
        return self.status == "passed"


class Runner(Protocol):
    """A language. One file, one object.

    Attributes:
        language: key, as in `Source.language`.
        names: other names of it in benchmarks ("cpp", "c++", "cc").
        packages: Debian packages that bring its tools.
    """

    language: str
    names: tuple[str, ...]
    packages: tuple[str, ...]

    def version(self) -> str | None:
        """First line of what its tools say of themselves; None when one is missing."""
        ...

    def program(self, source: Source, nonce: str) -> Program:
        """Files and steps; the last step prints `nonce` on a line of its own once the tests have held."""
        ...
