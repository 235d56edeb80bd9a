"""Reading the texts of benchmarks, whatever their layout, to keep them out of training data.

`.jsonl` and `.json` files (also gzipped) and `.parquet` files: every string in a row is a text of the problem, at any
depth: prompts, solutions, tests, documentation. Every other file that is text is one problem, except what a folder
holds about itself (licences, read-mes). Nothing is assumed about the names of columns, so a benchmark nobody has heard
of is protected as well as HumanEval.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ownlm.errors import InputError, first_line
from ownlm.pipeline.rows import is_rows, read_rows

_ABOUT = ("license", "licence", "copying", "notice", "readme")
"""Files of a benchmark's folder that speak about it: their texts stand in half the world's sources."""

_NAMES = ("task_id", "id", "name", "problem_id", "instance_id")


@dataclass(frozen=True)
class Problem:
    """One row of a benchmark.

    Attributes:
        file: the name of the file it is in.
        name: what it is called there: its `task_id`, `id` or `name`, or the number of its row.
        texts: its strings.
    """

    file: str
    name: str
    texts: tuple[str, ...]


def read_benchmarks(paths: Sequence[Path]) -> Iterator[Problem]:
    """The problems in files and folders, in the order of their names.

    Raises:
        InputError: a path is missing, a file cannot be read, or there is no text in them at all.
    """
    found = False
    for root in paths:
        if not root.exists():
            raise InputError("A benchmark to keep out of the training data is not there.", where=root)
        for file in sorted(root.rglob("*")) if root.is_dir() else [root]:
            if file.is_file() and (file == root or not file.name.lower().startswith(_ABOUT)):
                for problem in _problems(file):
                    found = True
                    yield problem
    if not found:
        raise InputError(
            "There is no text in the benchmarks to keep out of the training data.",
            where=", ".join(map(str, paths)),
            advice="Name .jsonl, .jsonl.gz, .json, .parquet or text files, or folders of them, in "
            "`clean.decontamination.paths`.",
        )


def _problems(file: Path) -> Iterator[Problem]:
    try:
        for number, row in enumerate((row for _, row in read_rows(file)) if is_rows(file) else _text(file), 1):
            texts = tuple(_strings(row))
            if texts:
                yield Problem(file.name, _name(row, number), texts)
    except InputError as error:
        advice = "Copy it again from where it came, or leave it out of `clean.decontamination.paths`."
        raise InputError(f"A benchmark cannot be read: {error.what}", where=error.where, advice=advice) from error


def _text(file: Path) -> Iterator[str]:
    try:
        with gzip.open(file, "rb") if file.name.endswith(".gz") else file.open("rb") as stream:
            data = stream.read()
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"The file cannot be read ({first_line(error)}).", where=file) from error
    if b"\0" not in data:
        yield data.decode("utf-8", "replace")


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, Sequence) and not isinstance(value, bytes):
        for inner in value:
            yield from _strings(inner)


def _name(row: Any, number: int) -> str:
    if isinstance(row, Mapping):
        for key in _NAMES:
            if isinstance(row.get(key), str | int):
                return str(row[key])
    return f"row {number}"
