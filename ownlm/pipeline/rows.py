"""Rows of the small files that benchmarks come as, each with its number: damage is told by file and line.

    .jsonl             a row a line; empty lines count, and are none
    .json              the entries of a list, or one row
    .parquet           its rows

The first two also gzipped (.gz).
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ownlm.errors import InputError, first_line

_DAMAGED = (OSError, EOFError, ValueError, zlib.error)
"""What reading raises; pyarrow's errors are ValueErrors and OSErrors."""


def is_rows(file: Path) -> bool:
    """Whether a file is one of these, by its name."""
    return file.name.removesuffix(".gz").endswith((".jsonl", ".json")) or file.name.endswith(".parquet")


def read_rows(file: Path) -> Iterator[tuple[int, Any]]:
    """The rows of a file, with their line (or position), counted from 1.

    Raises:
        InputError: it cannot be read, or a line is no JSON; `where` is the file, with the line where it is known.
    """
    try:
        yield from _parquet(file) if file.name.endswith(".parquet") else _json(file)
    except _DamagedLineError as error:
        raise InputError(f"This line is not JSON ({error}).", where=f"{file}:{error.line}") from error
    except _DAMAGED as error:
        raise InputError(f"The file cannot be read ({first_line(error)}).", where=file) from error


class _DamagedLineError(Exception):
    def __init__(self, line: int, error: ValueError) -> None:
        super().__init__(first_line(error))
        self.line = line


def _json(file: Path) -> Iterator[tuple[int, Any]]:
    with gzip.open(file, "rb") if file.name.endswith(".gz") else file.open("rb") as stream:
        if file.name.removesuffix(".gz").endswith(".jsonl"):
            for number, line in enumerate(stream, 1):
                if line.strip():
                    yield number, _row(line, number)
            return
        value = json.loads(stream.read())
    yield from enumerate(value if isinstance(value, list) else [value], 1)


def _row(line: bytes, number: int) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise _DamagedLineError(number, error) from error


def _parquet(file: Path) -> Iterator[tuple[int, Any]]:
    import pyarrow.parquet as pq

    number = 0
    with pq.ParquetFile(file) as table:
        for batch in table.iter_batches(256):
            for row in batch.to_pylist():
                number += 1
                yield number, row
