"""The source `jsonl`: a JSON object a line, plain or compressed (.gz, .zst).

A plain file is cut into units of about 16 MB; a line belongs to the unit in which it begins, so no line is lost or read
twice. A compressed file is one unit. A line that is no JSON object is damage: the recipe's `damaged` says whether to
stop or to count it and go on with the next. Lines far longer than any document may be are passed over without being
held in memory.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

from pydantic import Field

from ownlm.data.sources.base import DamagedError, Skipped, Source, Unit
from ownlm.data.sources.index import FileIndex, stamp_of
from ownlm.data.sources.parquet_file import check_columns
from ownlm.data.sources.rows import SPAN_BYTES, FilesSource, MappedRowsConfig, RowSource, Table
from ownlm.errors import first_line

if TYPE_CHECKING:
    from ownlm.data.lake.document import Document

SUFFIXES = tuple(f".{name}{packed}" for name in ("jsonl", "ndjson") for packed in ("", ".gz", ".zst"))
_COMPRESSION = {".gz": "gzip", ".zst": "zstd"}
_BLOCK = 1 << 20
_ESCAPED = 6  # bytes a character may take: "\u0000"
_OTHER_COLUMNS = 1 << 20
_LOOK = 100  # lines that are looked at to see which columns there are


class JsonlConfig(MappedRowsConfig):
    """Settings of the source `jsonl`."""

    kind: ClassVar[str] = "jsonl"

    path: str = Field(
        min_length=1, description="a file, a folder of .jsonl files (also .gz, .zst) or a glob pattern, ~ allowed"
    )

    def open(self) -> Source:
        """See `SourceConfig.open`."""
        return JsonlSource(self)


@dataclass(frozen=True)
class LineSpan:
    """The lines of a file that begin at bytes `start` to `stop` (None: its end) of its text."""

    file: Path
    start: int = 0
    stop: int | None = None


class JsonlSource(FilesSource):
    """The lines of JSON Lines files."""

    suffixes = SUFFIXES
    kind_of_file = "JSON Lines"

    def __init__(self, config: JsonlConfig) -> None:
        super().__init__(config, config.path)

    def units(self, cache: Path | None = None) -> list[Unit]:
        """See `Source.units`: a unit about 16 MB of a plain file, or a compressed file."""
        self.skipped, self.encodings = Counter(), Counter()
        index = self.index(cache)
        units: list[Unit] = []
        files = self.files()
        for file in files:
            with self.surviving():
                units += self._units_of(file, index)
        index.save()
        self._check_content(files[0])
        return units

    def _units_of(self, file: Path, index: FileIndex) -> list[Unit]:
        try:
            stamp = stamp_of(file.stat())
            digest = index.sha256(str(file.absolute()), file, stamp)
        except OSError as error:
            raise unreadable(file, error) from error
        if stamp[0] <= SPAN_BYTES or file.suffix in _COMPRESSION:
            return [Unit(str(file), digest, stamp[0], LineSpan(file))]
        starts = range(0, stamp[0], SPAN_BYTES)
        return [
            Unit(f"{file}:{at}", digest, min(SPAN_BYTES, stamp[0] - at), LineSpan(file, at, at + SPAN_BYTES))
            for at in starts
        ]

    def _check_content(self, file: Path) -> None:
        """Refuse a wrong name for the content's column now, not after hours of rows without one."""
        try:
            names = first_names(file, self)
        except DamagedError:
            return  # reading the unit will say it, where the recipe can tell what to do
        if names:
            check_columns(names, {"content": self.columns.content}, file)

    def size(self) -> tuple[int, int]:
        """See `Source.size`: files, and their bytes on disk."""
        files = self.files()
        return len(files), sum(file.stat().st_size for file in files if file.exists())

    def read(self, unit: Unit) -> Iterator[Document]:
        """See `Source.read`."""
        yield from documents_of(self, unit.payload, Table(table_name(unit.payload.file), self.columns))


def documents_of(source: RowSource, span: LineSpan, table: Table) -> Iterator[Document]:
    """The documents of some lines, for any source.

    Raises:
        InputError: the file cannot be read; or a line, and the recipe does not say to skip it.
    """
    for at, line in lines_of(span, _longest_line(source)):
        with source.counting():
            if line is None:
                raise Skipped("too large")
            if line.isspace() or not line:
                continue
            row = _parsed(line)
            if row is not None:
                yield source.document(row, at, table)
            elif source.damaged == "skip":
                raise Skipped("damaged line")
            else:
                raise DamagedError(
                    f"The line that begins at byte {at:,} is no JSON object.",
                    where=span.file,
                    advice="Mend or remove it, or set `damaged: skip` to count such lines and go on.",
                )


def first_names(file: Path, source: RowSource) -> list[str]:
    """The columns that the first lines of a file have, in the order they appear.

    Raises:
        DamagedError: the file cannot be read or unpacked.
    """
    names: dict[str, None] = {}
    for _, line in islice(lines_of(LineSpan(file), _longest_line(source)), _LOOK):
        names |= dict.fromkeys((_parsed(line) if line else None) or {})
    return list(names)


def _longest_line(source: RowSource) -> int:
    """How long a line may be, in bytes, for its content to be within `max_file_kb`."""
    return source.max_bytes * _ESCAPED + _OTHER_COLUMNS


def _parsed(line: bytes) -> dict[str, Any] | None:
    """A line's object; None when it is none."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def table_name(file: Path) -> str:
    """A file's name without what says only how it is packed: "a/b.jsonl.gz" -> "b"."""
    name = file.name
    return next((name.removesuffix(suffix) for suffix in SUFFIXES if name.endswith(suffix)), name) or name


def lines_of(span: LineSpan, limit: int) -> Iterator[tuple[int, bytes | None]]:
    """The lines of a span, each with where it begins in the file's text; None in place of one above `limit` bytes.

    Raises:
        DamagedError: the file cannot be read or unpacked.
    """
    import pyarrow as pa

    try:
        with pa.input_stream(str(span.file), compression=_COMPRESSION.get(span.file.suffix)) as stream:
            yield from _split(stream, span, limit)
    except (OSError, pa.ArrowException) as error:
        raise unreadable(span.file, error) from error


def _split(stream: BinaryIO, span: LineSpan, limit: int) -> Iterator[tuple[int, bytes | None]]:
    at = max(0, span.start - 1)  # the byte before the span tells whether a line begins with it
    if at:
        stream.seek(at)
    held: list[bytes] = []
    size = 0  # of what is held, or was before it was dropped
    inside = bool(span.start)  # of a line that began before the span
    stop = span.stop if span.stop is not None else sys.maxsize
    while at < stop and (block := stream.read(_BLOCK)):
        *ends, rest = block.split(b"\n")
        for end in ends:
            size += len(end)
            if not inside and at < stop:
                yield at, b"".join([*held, end]) if size <= limit else None
            at += size + 1
            held, size, inside = [], 0, False
        size += len(rest)
        held = [*held, rest] if size <= limit and not inside else []
    if size and not inside and at < stop:
        yield at, b"".join(held) if size <= limit else None


def unreadable(file: Path, error: Exception) -> DamagedError:
    """The error for a file that cannot be read or unpacked."""
    return DamagedError(
        f"A JSON Lines file cannot be read ({first_line(error)}).",
        where=file,
        advice="Copy it again from where it came, leave it out with a glob pattern, or set `damaged: skip`.",
    )
