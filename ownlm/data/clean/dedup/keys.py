"""What a rule across documents is given and what it says.

Documents are numbered through ("rows") in the order of the clean tables and, in each, of its rows. A rule gets all
tables, the keys of all documents as one narrow Parquet file, and which rows earlier rules kept; it gives back the rows
it rejects, each with its reason. Rows that earlier rules rejected are not there for it.

    keys   row  rank  id       repo  path    licensed
           0    0     ba78...  a     x.py    true
           1    0     cb00...  a     y.py    true
           2    1     ba78...  b     z.py    false
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ownlm.data.lake.config import EngineSetting
from ownlm.data.lake.table import RowGroup, corrupt, read_batches, read_row_group, row_groups, writing_to
from ownlm.pipeline.progress import Progress, SilentProgress

Rows = npt.NDArray[np.int64]

KEY_SCHEMA = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("rank", pa.int32(), nullable=False),
        pa.field("id", pa.string(), nullable=False),
        pa.field("repo", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("licensed", pa.bool_(), nullable=False),
    ]
)
"""`rank`: place of the document's source in the recipe; lower is kept. `licensed`: a licence is known."""

KEY_COLUMNS = ("id", "repo", "path", "licenses")
"""The columns of a document that keys are made of."""


class KeyWriter:
    """Collects the keys of documents in a Parquet file, batch by batch, numbering rows as they come.

    Raises:
        StorageError: the disk is full; so do its methods.
    """

    def __init__(self, file: Path) -> None:
        self.file, self.rows = file, 0
        with writing_to(file.parent):
            file.parent.mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(file, KEY_SCHEMA, compression="zstd")

    def add(self, batch: pa.RecordBatch, rank: int = 0) -> None:
        """Append the keys of a batch that has `KEY_COLUMNS`."""
        rows = np.arange(self.rows, self.rows + batch.num_rows, dtype=np.int64)
        self.rows += batch.num_rows
        columns = [pa.array(rows), pa.array(np.full(batch.num_rows, rank, np.int32))]
        columns += [batch.column(name) for name in ("id", "repo", "path")]
        columns.append(pc.greater(pc.list_value_length(batch.column("licenses")), 0))
        with writing_to(self.file.parent):
            self._writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=KEY_SCHEMA))

    def close(self) -> None:
        """Finish the file."""
        with writing_to(self.file.parent):
            self._writer.close()


def read_keys(keys: Path, columns: Sequence[str], rows: Rows) -> pa.Table:
    """Some columns of some rows (ascending) of a file of keys; memory for those rows and one row group.

    Raises:
        ArtifactError: the file is not readable as Parquet.
    """
    parts, start = [], 0
    try:
        with pq.ParquetFile(keys) as file:
            for group in range(file.metadata.num_row_groups):
                stop = start + file.metadata.row_group(group).num_rows
                wanted = rows[np.searchsorted(rows, start) : np.searchsorted(rows, stop)] - start
                if len(wanted):
                    parts.append(file.read_row_group(group, columns=list(columns)).take(pa.array(wanted)))
                start = stop
            schema = pa.schema([file.schema_arrow.field(name) for name in columns])
    except (OSError, pa.ArrowException) as error:
        raise corrupt(keys, error) from error
    return pa.concat_tables(parts).combine_chunks() if parts else schema.empty_table()


def names_of(keys: Path, rows: Rows) -> pa.Table:
    """The `path` and `repo` of documents, for each of `rows` in their order; a row may come more than once.

    Raises:
        ArtifactError: the file is not readable as Parquet.
    """
    different, places = np.unique(rows, return_inverse=True)
    return read_keys(keys, ["path", "repo"], different).take(pa.array(places))


@dataclass(frozen=True)
class Part:
    """Some documents of a row group: `first` is the number of the first of them among all that are wanted.

    Attributes:
        rows: their places in the row group, ascending.
    """

    group: RowGroup
    rows: Rows
    first: int

    def contents(self) -> pa.Array:
        """Their texts.

        Raises:
            ArtifactError: the file is not readable as Parquet.
        """
        return read_row_group(self.group, ["content"]).column("content").take(pa.array(self.rows))


@dataclass(frozen=True)
class Corpus:
    """All clean documents, as a rule across documents sees them.

    Attributes:
        tables: the folders of the clean tables, in the order of the recipe's sources.
        keys: the file of all documents' keys (`KEY_SCHEMA`), in the order of rows.
        alive: for each row, whether it was kept by the rules before; its length is the number of documents.
        scratch: a folder for the rule's own files, dropped at the end of the stage.
        signatures: the folder of the signatures of each table's documents; empty if nothing needs them.
        engine: where relational steps are done.
        workers: processes a map may use.
        progress: where long work shows.
    """

    tables: Sequence[Path]
    keys: Path
    alive: npt.NDArray[np.bool_]
    scratch: Path
    signatures: Sequence[Path] = ()
    engine: EngineSetting = "embedded"
    workers: int = 1
    progress: Progress = field(default_factory=SilentProgress)

    def row_groups(self) -> Iterator[tuple[int, RowGroup]]:
        """All row groups of all tables, each with the row it begins with."""
        start = 0
        for table in self.tables:
            for group in row_groups(table):
                yield start, group
                start += group.rows

    def parts(self, rows: Rows) -> Iterator[Part]:
        """The row groups that hold some of `rows` (ascending), each with which."""
        for start, group in self.row_groups():
            first, stop = np.searchsorted(rows, [start, start + group.rows]).tolist()
            if first < stop:
                yield Part(group, rows[first:stop] - start, first)

    def batches(self, columns: Sequence[str]) -> Iterator[tuple[Rows, pa.RecordBatch]]:
        """The documents that are alive, a row group at a time, with their rows."""
        start = 0
        for table in self.tables:
            for batch in read_batches(table, columns):
                here = np.flatnonzero(self.alive[start : start + batch.num_rows])
                yield here + start, batch if len(here) == batch.num_rows else batch.take(pa.array(here))
                start += batch.num_rows


@dataclass(frozen=True)
class Rejected:
    """What a rule across documents rejects.

    Attributes:
        rows: ascending.
        reasons: for each of them why, for a person to read: an Arrow array of strings.
    """

    rows: Rows
    reasons: pa.Array

    @classmethod
    def nothing(cls) -> Rejected:
        """No document."""
        return cls(np.empty(0, np.int64), pa.array([], pa.string()))


class CrossRule(ABC):
    """A rule that looks across documents."""

    name: ClassVar[str]

    @abstractmethod
    def find(self, corpus: Corpus) -> Rejected:
        """What it rejects among the documents that are alive: the same for any number of workers."""
