"""Encoded files of a table in any order -> repository by repository, in bounded memory.

    tokens.bin        every file's header and text, as they came: a file is found by its offset
    keys-00000.arrow  names, numbers and references of some files, sorted by (source, repository, path, ...)
    keys-00001.arrow  ...

Only keys are sorted, by an external merge (`ownlm.data.lake.merge`); tokens are written once and read once, through a
memory map. A table is in the order (language, source, repository, path), so reading repository by repository goes
through as many places of tokens.bin as there are languages, each forwards: the operating system reads ahead.
Memory: the keys of `RUN_BYTES`, then a block of each run, then the keys of one repository (about 1 kB a file).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ownlm.data.lake.merge import merge_pieces
from ownlm.data.lake.runs import RUN_BYTES, Piece, sort_rows, write_run
from ownlm.data.lake.table import writing_to

SPILLED = np.dtype("<u4")
"""Of the tokens that `Spill.add` takes."""
_PARTS = ("header", "tokens")
_ORDER = ("source", "repo", "path", "linguist", "id", "offset")
"""Files that are equal in all but the last are equal in everything: the order of the table does not matter."""
_KEYS = pa.schema(
    [
        *((name, pa.string()) for name in ("source", "repo", "path", "linguist", "id", "references")),
        *((name, pa.int64()) for name in ("offset", "length", "header", "bytes")),
    ]
)
"""`linguist` is the language (under its own name a run would be cut into blocks by it); lengths are in tokens."""


@dataclass(frozen=True)
class SpilledFile:
    """A file of a repository, and where its tokens are.

    Attributes:
        row: its id, source, repo, path, language.
        references: what it imports, in its language's terms.
        offset: of its header in tokens.bin, in tokens.
        header: tokens of its header.
        length: tokens, header included.
        bytes: UTF-8 bytes of its text.
    """

    row: dict[str, str]
    references: tuple[str, ...]
    offset: int
    header: int
    length: int
    bytes: int


class Spill:
    """Files on disk until they are read by repository. Use it in a `with`: the folder is gone afterwards.

    Args:
        folder: made; must not exist.
        dtype: of the tokens.
    """

    def __init__(self, folder: Path, dtype: np.dtype[Any]) -> None:
        self._folder, self._dtype = folder, dtype
        self._pieces: list[Piece] = []
        self._pending: list[pa.RecordBatch] = []
        self._bytes = self._length = 0
        folder.mkdir(parents=True)
        self._stream = (folder / "tokens.bin").open("wb")
        self._tokens = np.empty(0, dtype)

    def add(self, rows: pa.RecordBatch) -> None:
        """Append files: columns id, source, repo, path, language, references, size; header and tokens as bytes of u32.

        Raises:
            StorageError: the disk is full.
        """
        headers, texts = ([np.frombuffer(data, SPILLED) for data in rows.column(n).to_pylist()] for n in _PARTS)
        lengths = [len(header) + len(text) for header, text in zip(headers, texts, strict=True)]
        with writing_to(self._folder):
            for header, text in zip(headers, texts, strict=True):
                self._stream.write(header.astype(self._dtype).tobytes() + text.astype(self._dtype).tobytes())
        columns = [rows.column("language" if name == "linguist" else name) for name in _KEYS.names[:6]]
        ends = self._length + np.cumsum(lengths, dtype=np.int64)
        numbers = [ends - lengths, lengths, list(map(len, headers)), rows.column("size")]
        columns += [pa.array(values, pa.int64()) for values in numbers]
        self._length += sum(lengths)
        batch = pa.RecordBatch.from_arrays(columns, schema=_KEYS)
        self._pending.append(batch)
        self._bytes += batch.nbytes
        if self._bytes >= RUN_BYTES:
            self._write_run()

    def finish(self) -> None:
        """No more files come."""
        self._write_run()
        with writing_to(self._folder):
            self._stream.close()
        if self._length:
            self._tokens = np.memmap(self._folder / "tokens.bin", dtype=self._dtype, mode="r").view(np.ndarray)

    def repositories(self) -> Iterator[list[SpilledFile]]:
        """The files of each repository of a source, ascending by name; inside, by path. May be asked for again."""
        rows = self._rows()
        for _, files in groupby(rows, key=lambda file: (file.row["source"], file.row["repo"])):
            yield list(files)

    def tokens(self, file: SpilledFile) -> npt.NDArray[Any]:
        """A file's header and text."""
        return self._tokens[file.offset : file.offset + file.length]

    def _rows(self) -> Iterator[SpilledFile]:
        for batch in merge_pieces(self._pieces, [], _ORDER, self._folder / "merge") if self._pieces else ():
            for row in batch.to_pylist():
                numbers = {name: row.pop(name) for name in ("offset", "header", "length", "bytes")}
                references = row.pop("references")
                row["language"] = row.pop("linguist")
                yield SpilledFile(row, tuple(references.split("\n")) if references else (), **numbers)

    def _write_run(self) -> None:
        if not self._pending:
            return
        table = sort_rows(pa.Table.from_batches(self._pending, _KEYS), _ORDER)
        self._pending, self._bytes = [], 0
        path = self._folder / f"keys-{len(self._pieces):05d}.arrow"
        self._pieces += write_run(path, table.to_batches(), _KEYS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stream.close()
        self._tokens = np.empty(0, self._dtype)
        shutil.rmtree(self._folder, ignore_errors=True)
