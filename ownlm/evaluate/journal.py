"""What an evaluation under way has already: answers and verdicts, so that a killed one goes on with them.

Two files of JSON lines that only grow, a chunk at a time, on disk before `add` returns; half a line at the end is what
a kill left, and is cut off. A third says whose they are: another evaluation does not touch them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ownlm.errors import EvaluationError, StorageError
from ownlm.evaluate.models.base import Answer
from ownlm.evaluate.results import line_of, write_lines
from ownlm.evaluate.runners.base import Verdict

Key = tuple[str, str, int]
"""Suite, problem, sample."""


class Journal:
    """Answers and verdicts by (suite, problem, sample).

    Args:
        folder: of its files; made.
        identity: of the evaluation: everything its answers depend on, as plain values.

    Raises:
        EvaluationError: the folder holds another evaluation, or is damaged.
        StorageError: the folder cannot be written.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any]) -> None:
        self.folder = folder
        _claim(folder / "identity.json", dict(identity))
        self.answers = {key: Answer(**values) for key, values in _read(folder / "answers.jsonl")}
        self.verdicts = {key: Verdict(**values) for key, values in _read(folder / "verdicts.jsonl")}

    def add_answers(self, answers: Mapping[Key, Answer]) -> None:
        """Keep answers; they are on disk when this returns.

        Raises:
            StorageError: the disk is full.
        """
        _append(self.folder / "answers.jsonl", answers)
        self.answers.update(answers)

    def add_verdicts(self, verdicts: Mapping[Key, Verdict]) -> None:
        """Keep verdicts; they are on disk when this returns.

        Raises:
            StorageError: the disk is full.
        """
        _append(self.folder / "verdicts.jsonl", verdicts)
        self.verdicts.update(verdicts)


def _claim(path: Path, identity: dict[str, Any]) -> None:
    if not path.exists():
        write_lines(path, [identity])
        return
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(path) from error
    if known != json.loads(line_of(identity)):
        differs = sorted(name for name in {*known, *identity} if known.get(name) != identity.get(name))
        raise EvaluationError(
            f"The folder holds another evaluation: {', '.join(differs)} differs.",
            where=path.parent,
            advice="Choose another folder (--out), or move that one away.",
        )


def _read(path: Path) -> list[tuple[Key, dict[str, Any]]]:
    """The whole lines; what a kill left of the last one is cut off."""
    if not path.exists():
        return []
    try:
        data = path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            os.truncate(path, whole)
        lines = [json.loads(line) for line in data[:whole].splitlines()]
        return [((suite, problem, sample), values) for (suite, problem, sample), values in lines]
    except (OSError, ValueError, TypeError) as error:
        raise _damaged(path) from error


def _append(path: Path, values: Mapping[Key, Answer | Verdict]) -> None:
    text = "".join(json.dumps([key, vars(value)], separators=(",", ":")) + "\n" for key, value in values.items())
    try:
        with path.open("a", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise StorageError(
            f"What was evaluated so far cannot be kept ({error.strerror}).",
            where=path,
            advice="Free disk space, then run the same command again: it goes on where it was.",
        ) from error


def _damaged(path: Path) -> EvaluationError:
    return EvaluationError(
        "What was kept of an evaluation under way is damaged.",
        where=path,
        advice="Remove that file: its part is done again.",
    )
