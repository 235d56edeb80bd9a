"""The exception tree. Every error says what was wrong, where, and what to do about it.

    OwnlmError                exit code 1   anything ownlm itself refuses
    ├── RecipeError                     2   the recipe or the command line is wrong
    ├── InputError                      3   a source is missing, unreadable or not what it should be
    │   └── CorpusError                 3   the data is readable but empty or too small for what is asked
    ├── ArtifactError                   4   something already made is damaged or incomplete
    ├── StorageError                    5   the disk is full or cannot be written
    ├── BusyError                       6   another process holds the lock
    ├── ServerError                     7   a port is taken, an address cannot be bound, a server does not answer
    ├── DependencyError                 8   a package or program is missing
    ├── TrainingError                   9   the loss is not a number, the device refused, ...
    │   ├── StuckError                  9   a process of the run made no step for too long
    │   └── LostError                   9   another process of the run is gone
    ├── EvaluationError                10   a benchmark is not there or damaged, a model cannot be asked what is needed
    │   └── SandboxError               10   this machine cannot contain model-written code
    ├── EngineError                    11   what computes the tokens broke, or is gone
    └── PreemptedError                 75   told to stop: what was made is kept, run it again (EX_TEMPFAIL)
        └── InterruptedRunError       130   the same by Ctrl-C

`cli.main` is the one place that turns them into a message and an exit code.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar


class OwnlmError(Exception):
    """An error a user can act on.

    Args:
        what: one sentence, what is wrong.
        where: the file (with line), folder, address or key it is about.
        advice: what to do next.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, where: str | Path | None = None, advice: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = None if where is None else str(where)
        self.advice = advice

    def __str__(self) -> str:
        lines = [self.what]
        if self.where is not None:
            lines.append(f"  where: {self.where}")
        if self.advice is not None:
            lines.append(f"  what to do: {self.advice}")
        return "\n".join(lines)


def first_line(error: BaseException) -> str:
    """What an error of somebody else says, in one line; its kind where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


class RecipeError(OwnlmError):
    """The recipe or the command line asks for something that is not there or not possible."""

    exit_code = 2


class InputError(OwnlmError):
    """A source of data is missing, unreadable or not what it should be."""

    exit_code = 3


class CorpusError(InputError):
    """The data is readable, but empty or too small for what the recipe asks."""


class ArtifactError(OwnlmError):
    """Something made earlier is damaged, incomplete or of another version."""

    exit_code = 4


class StorageError(OwnlmError):
    """The disk is full or a folder cannot be written."""

    exit_code = 5


class BusyError(OwnlmError):
    """Another process is making the very same thing."""

    exit_code = 6


class ServerError(OwnlmError):
    """A port is taken, an address cannot be bound, or a server does not answer."""

    exit_code = 7


class DependencyError(OwnlmError):
    """A Python package or a program this feature needs is not installed."""

    exit_code = 8


class TrainingError(OwnlmError):
    """Training cannot go on: the loss is not a number, or the device refused."""

    exit_code = 9


class StuckError(TrainingError):
    """A process of a run made no step for too long."""


class LostError(TrainingError):
    """Another process of the run, or its machine, is gone."""


class EvaluationError(OwnlmError):
    """A benchmark is not there or damaged, or a model cannot be asked what a suite needs."""

    exit_code = 10


class SandboxError(EvaluationError):
    """This machine cannot contain model-written code, or containment itself failed."""


class EngineError(OwnlmError):
    """What computes a served model's tokens broke, or is gone. Whoever has it may open it again and ask once more."""

    exit_code = 11


class PreemptedError(OwnlmError):
    """Told to stop by a signal; a checkpoint was written first."""

    exit_code = 75


class InterruptedRunError(PreemptedError):
    """Told to stop by Ctrl-C; a checkpoint was written first."""

    exit_code = 130
