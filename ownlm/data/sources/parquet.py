"""The source `parquet`: code that is already in a table, a row per file.

The columns are named in the recipe; as they stand they fit a table of `path, language, license, content`.
Without a `repo` column, the first folder of `path` is the repository (`numpy-2.5.5.tar.gz/...` is repository `numpy`,
revision `2.5.5`); a path without a folder belongs to its file's name. A unit is a run of row groups with about 16 MB of
text, so that one large file is read by many processes; within it, memory does not grow with the table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from ownlm.data.sources.base import Source, Unit
from ownlm.data.sources.index import FileIndex, stamp_of
from ownlm.data.sources.parquet_file import checked_names, content_bytes, groups_of, open_parquet, rows_of, unreadable
from ownlm.data.sources.rows import FilesSource, MappedRowsConfig, Table

if TYPE_CHECKING:
    from ownlm.data.lake.document import Document


class ParquetConfig(MappedRowsConfig):
    """Settings of the source `parquet`."""

    kind: ClassVar[str] = "parquet"

    path: str = Field(min_length=1, description="a file, a folder of .parquet files or a glob pattern, ~ allowed")

    def open(self) -> Source:
        """See `SourceConfig.open`."""
        return ParquetSource(self)


class ParquetSource(FilesSource):
    """The rows of Parquet files."""

    suffixes = (".parquet",)
    kind_of_file = "Parquet"

    def __init__(self, config: ParquetConfig) -> None:
        super().__init__(config, config.path)

    def units(self, cache: Path | None = None) -> list[Unit]:
        """See `Source.units`: a unit a run of row groups."""
        self.skipped, self.encodings = Counter(), Counter()
        index = self.index(cache)
        units: list[Unit] = []
        for file in self.files():
            with self.surviving():
                units += self._units_of(file, index)
        index.save()
        return units

    def _units_of(self, file: Path, index: FileIndex) -> list[Unit]:
        try:
            digest = index.sha256(str(file.absolute()), file, stamp_of(file.stat()))
        except OSError as error:
            raise unreadable(file, error) from error
        with open_parquet(file, file) as table:
            checked_names(table.schema_arrow, self.columns.required(), file)
            runs = groups_of(table.metadata, self.columns.content)
        return [
            Unit(str(file) if len(runs) == 1 else f"{file}:{groups.first}", digest, size, (file, groups))
            for groups, size in runs
        ]

    def size(self) -> tuple[int, int]:
        """See `Source.size`: rows, and the bytes of the content column as Parquet counts them before compression."""
        rows = size = 0
        before = Counter(self.skipped)
        for file in self.files():
            with self.surviving(), open_parquet(file, file) as table:
                rows += table.metadata.num_rows
                size += sum(content_bytes(table.metadata, self.columns.content))
        self.skipped = before
        return rows, size

    def read(self, unit: Unit) -> Iterator[Document]:
        """See `Source.read`."""
        file, groups = unit.payload
        table = Table(file.stem, self.columns)
        with open_parquet(file, file) as opened:
            names = checked_names(opened.schema_arrow, self.columns.required(), file)
            for number, row in enumerate(rows_of(opened, names, groups), groups.row):
                with self.counting():
                    yield self.document(row, number, table)
