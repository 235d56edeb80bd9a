"""A benchmark's rows with typed fields: what is missing or of another kind is told with file and line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ownlm.errors import EvaluationError, InputError
from ownlm.pipeline.rows import read_rows

_ADVICE = "Copy the benchmark again from where it came, or check that `path` names the right one."


@dataclass(frozen=True)
class Row:
    """One row.

    Attributes:
        where: file and line.
        values: as read.
    """

    where: str
    values: Mapping[str, Any]

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self.values.get(name) is not None

    def text(self, *names: str) -> str:
        """The first of these fields that is there.

        Raises:
            EvaluationError: none is, or it is no text.
        """
        name = next((name for name in names if self.has(name)), names[0])
        value = self.values.get(name)
        if not isinstance(value, str):
            raise self.damaged(f"A problem has no text {' or '.join(map(repr, names))}")
        return value

    def texts(self, *names: str) -> tuple[str, ...]:
        """A list of texts: the first of these fields that is there; empty when none is.

        Raises:
            EvaluationError: it is something else than a list of texts.
        """
        name = next((name for name in names if self.has(name)), names[0])
        value = self.values.get(name)
        if value is None:
            return ()
        if not isinstance(value, Sequence) or isinstance(value, str) or not all(isinstance(one, str) for one in value):
            raise self.damaged(f"{name!r} of a problem is no list of texts")
        return tuple(value)

    def name(self, *names: str) -> str:
        """The problem's own name: a text or a number.

        Raises:
            EvaluationError: there is none.
        """
        for name in names:
            value = self.values.get(name)
            if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
                return str(value)
        raise self.damaged(f"A problem has no {' or '.join(map(repr, names))}")

    def damaged(self, what: str) -> EvaluationError:
        """The error to raise about this row."""
        return EvaluationError(f"{what}.", where=self.where, advice=_ADVICE)


def rows_of(files: Sequence[Path]) -> Iterator[Row]:
    """The rows of files, in turn.

    Raises:
        EvaluationError: a file cannot be read, or holds something else than rows with fields.
    """
    for file in files:
        try:
            for number, values in read_rows(file):
                row = Row(f"{file}:{number}", values if isinstance(values, Mapping) else {})
                if not isinstance(values, Mapping):
                    raise row.damaged("This is no problem: it has no named fields")
                yield row
        except InputError as error:
            raise EvaluationError(error.what, where=error.where, advice=_ADVICE) from error
