"""One Parquet file: its footer, its row groups dealt out to units, its rows, and whether its columns fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ownlm.data.sources.base import DamagedError
from ownlm.data.sources.rows import SPAN_BYTES, Row
from ownlm.errors import InputError, first_line

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_BATCH_ROWS = 256


@dataclass(frozen=True)
class RowGroups:
    """Consecutive row groups of a file: `count` of them from `first`, whose first row is row `row` of the file."""

    first: int
    count: int
    row: int


@contextmanager
def open_parquet(file: Path | pa.NativeFile, where: Path | str) -> Iterator[pq.ParquetFile]:
    """The file, for as long as the block lasts; `where` names it in messages.

    Raises:
        DamagedError: it cannot be read, or is none; also when that comes out inside the block.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as table:
            yield table
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise unreadable(where, error) from error


def rows_of(table: pq.ParquetFile, names: list[str], groups: RowGroups | None = None) -> Iterator[Row]:
    """The rows of some row groups (all when None), each with the columns named, a few hundred rows in memory."""
    chosen = range(table.num_row_groups) if groups is None else range(groups.first, groups.first + groups.count)
    for group in chosen:  # one at a time: a batch that runs into a damaged group would take rows before it along
        for batch in table.iter_batches(_BATCH_ROWS, row_groups=[group], columns=names, use_threads=False):
            yield from batch.to_pylist(maps_as_pydicts="lossy")


def groups_of(metadata: pq.FileMetaData, content: str) -> list[tuple[RowGroups, int]]:
    """The file cut into runs of row groups with about `SPAN_BYTES` of text, each with how much it has; one at least."""
    runs: list[tuple[RowGroups, int]] = []
    first = row = next_row = size = 0
    for group, bytes_ in enumerate(content_bytes(metadata, content)):
        size += bytes_
        next_row += metadata.row_group(group).num_rows
        if size >= SPAN_BYTES or group == metadata.num_row_groups - 1:
            runs.append((RowGroups(first, group + 1 - first, row), size))
            first, row, size = group + 1, next_row, 0
    return runs or [(RowGroups(0, 0, 0), 0)]


def content_bytes(metadata: pq.FileMetaData, content: str) -> list[int]:
    """The bytes of the content column in every row group, before compression."""
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    columns = [[group.column(index) for index in range(group.num_columns)] for group in groups]
    return [sum(one.total_uncompressed_size for one in group if one.path_in_schema == content) for group in columns]


def checked_names(schema: pa.Schema, required: Mapping[str, str], where: Path | str) -> list[str]:
    """The columns to read for what is `required` (by role), all there and of a fitting type.

    Raises:
        InputError: one is missing, or cannot hold what it should.
    """
    check_columns(schema.names, required, where)
    tops = {role: top_of(name, schema.names) for role, name in required.items()}
    for role, top in tops.items():
        _check_type(role, top, schema.field(top).type, where, nested=top != required[role])
    return list(dict.fromkeys(tops.values()))


def top_of(name: str, names: list[str]) -> str:
    """The column that holds a value which may lie inside of it: "meta.path" -> "meta"."""
    return name if name in names else name.split(".", maxsplit=1)[0]


def check_columns(names: list[str], required: Mapping[str, str], where: Path | str) -> None:
    """See that a table with columns of these `names` has what is `required` (by role).

    Raises:
        InputError: columns are missing; it names them, and those there are.
    """
    missing = {role: name for role, name in required.items() if top_of(name, names) not in names}
    if missing:
        wanted = ", ".join(f"{name!r} (for `{role}`)" for role, name in missing.items())
        raise InputError(
            f"The table has no column {wanted}; it has {', '.join(names)}.",
            where=where,
            advice="Name its columns in the recipe: `columns: {content: ..., path: ...}`; "
            "all but `content` may be null.",
        )


def _check_type(role: str, name: str, kind: pa.DataType, where: Path | str, *, nested: bool) -> None:
    if not _fits(role, kind, nested=nested):
        what = "numbers" if role.startswith("scores.") else "text"
        raise InputError(
            f"The column {name!r} holds {kind}, not {what}.",
            where=where,
            advice=f"Name the column that holds the {role} in the recipe: `columns: {{{role}: ...}}`.",
        )


def _fits(role: str, kind: pa.DataType, *, nested: bool) -> bool:
    from pyarrow import types

    if nested:
        return bool(types.is_struct(kind) or types.is_map(kind))
    if types.is_dictionary(kind):
        return _fits(role, kind.value_type, nested=False)
    if role == "id" or role.startswith("attributes."):
        return True
    if role.startswith("scores."):
        return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))
    also = {
        "content": (types.is_binary, types.is_large_binary, types.is_binary_view),
        "license": (types.is_list, types.is_large_list),
    }
    text = (types.is_string, types.is_large_string, types.is_string_view)
    return any(check(kind) for check in (*text, *also.get(role, ())))


def unreadable(file: Path | str, error: Exception) -> DamagedError:
    """The error for a file that is no Parquet, or no longer."""
    return DamagedError(
        f"A Parquet file cannot be read ({first_line(error)}).",
        where=file,
        advice="Copy it again from where it came, leave it out with a glob pattern, or set `damaged: skip`.",
    )
