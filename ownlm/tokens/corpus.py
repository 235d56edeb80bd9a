"""Read a corpus table (`<split>/language=X/part-NNNNN.parquet`) as a stream, in table order.

The one contract with the corpus stage: the folder layout, the columns of `ownlm.data.lake.document.SCHEMA`, and row
groups small enough to be the unit of parallel work (`ownlm.data.lake.maps`).
Memory stays at one row batch, whatever the table's size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ownlm.data.lake.table import RowGroup
from ownlm.errors import ArtifactError

SPLITS = ("train", "heldout_repos", "heldout_files")
ROWS_AT_ONCE = 512


class CorpusTable:
    """One split of a corpus artifact.

    Args:
        path: the split's folder. An empty or missing one is a table without rows.
        part: the folder of one language; None for all of them.
    """

    def __init__(self, path: Path, part: str | None = None) -> None:
        self.path = path
        self.files = sorted(file for file in path.glob("language=*/*.parquet") if part in (None, file.parent.name))

    @property
    def parts(self) -> list[str]:
        """The folders of its languages, by name."""
        return sorted({file.parent.name for file in self.files})

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Row batches with these columns, files in name order, rows as stored.

        Raises:
            ArtifactError: when a file is damaged or lacks a column.
        """
        for file in self.files:
            try:
                with pq.ParquetFile(file) as table:
                    missing = set(columns) - set(table.schema_arrow.names)
                    if missing:
                        raise pa.ArrowInvalid(f"no column {', '.join(sorted(missing))}")
                    yield from table.iter_batches(batch_size=ROWS_AT_ONCE, columns=list(columns))
            except (pa.ArrowException, OSError) as error:
                raise _damaged(file, error) from error

    def row_groups(self) -> list[RowGroup]:
        """Every row group, in the order of `batches`; only file footers are read.

        Raises:
            ArtifactError: when a file is damaged.
        """
        groups = []
        for file in self.files:
            try:
                metadata = pq.read_metadata(file)
            except (pa.ArrowException, OSError) as error:
                raise _damaged(file, error) from error
            for index in range(metadata.num_row_groups):
                group = metadata.row_group(index)
                groups.append(RowGroup(file, index, group.num_rows, group.total_byte_size))
        return groups

    def size(self) -> tuple[int, int]:
        """The number of documents and the bytes of their content."""
        documents = total = 0
        for batch in self.batches(["size"]):
            documents += batch.num_rows
            total += sum(batch.column(0).to_pylist())
        return documents, total


def _damaged(file: Path, error: Exception) -> ArtifactError:
    return ArtifactError(
        f"a table of documents cannot be read: {error}",
        where=file,
        advice="move this artifact's folder away and run the same command: it is made again, the rest is kept",
    )
