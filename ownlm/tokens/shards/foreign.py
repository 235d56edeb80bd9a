"""MDS shards that ownlm did not write: a sample is a document, called by its shard and number.

Nothing in their index says how long the documents are, so the first opening reads every shard once and keeps a
documents table in the cache. Token ids are an `ndarray` of integers, or `bytes`, whose type nobody wrote down. Texts
are refused: shards hold tokens.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ownlm.errors import ArtifactError, InputError
from ownlm.tokens.shards.files import Bytes, ShardFiles
from ownlm.tokens.shards.index import SplitIndex
from ownlm.tokens.shards.mds_stream import TokenColumn
from ownlm.tokens.shards.writer import DOCUMENT_SCHEMA

LARGEST_ID = 2**32 - 1


@dataclass(frozen=True)
class Foreign:
    """What the index of others does not say.

    Attributes:
        column: the one with the tokens; empty: `tokens` or `input_ids`, or the only one that can be.
        dtype: numpy's name of a bytes column's ids; LLM Foundry writes int64.
        vocabulary: `Vocabulary.content` of the one the ids belong to; batches are made only with that.
    """

    column: str = ""
    dtype: str = "int64"
    vocabulary: str = ""


def token_column(index: SplitIndex, foreign: Foreign, where: str) -> TokenColumn:
    """The column to read.

    Raises:
        InputError: there is none, or it is not one of token ids.
    """
    able = [name for name, encoding, _ in index.columns if _holds_ids(encoding)]
    known = [name for name in ("tokens", "input_ids") if name in able]
    name = foreign.column or (known or able or [""])[0]
    if name not in able or not (foreign.column or known or len(able) == 1):
        shown = ", ".join(f"{column} ({encoding})" for column, encoding, _ in index.columns) or "none"
        raise InputError(
            f"These MDS shards have no column of token ids that is clear: {shown}.",
            where=where,
            advice="Token ids are an ndarray of integers, or bytes; name the column. Texts belong into the recipe's "
            "sources, to be encoded with a vocabulary.",
        )
    dtype = np.dtype(foreign.dtype)
    if dtype.kind not in "iu":
        raise InputError(f"Token ids are integers, not {foreign.dtype}.", where=where)
    return TokenColumn.of(index.columns, name, dtype.newbyteorder("<"))


def table_key(index: SplitIndex, foreign: Foreign, where: str) -> str:
    """What the documents table of these shards is called in the cache."""
    said = f"documents of foreign MDS, 1\n{index.digest}\n{foreign.column}\n{foreign.dtype}\n{where}"
    return hashlib.sha256(said.encode()).hexdigest()


def write_table(index: SplitIndex, column: TokenColumn, files: ShardFiles[Bytes], out: BinaryIO) -> None:
    """Read every shard once and write the documents table, the type of the ids in its metadata.

    Raises:
        ArtifactError: a shard is missing or damaged, or what it holds are not token ids.
    """
    batches = list(_batches(index, column, files))
    types = {dtype.str for _, dtype in batches}
    if len(types) > 1:
        raise ArtifactError(f"these MDS shards have ids of different types: {', '.join(sorted(types))}")
    schema = DOCUMENT_SCHEMA.with_metadata({"dtype": types.pop() if types else "<u4"})
    with pq.ParquetWriter(out, schema, compression="zstd") as table:
        start = number = 0
        for rows, _ in batches:
            lengths = rows.column("length").to_numpy()
            starts = start + np.cumsum(lengths) - lengths
            rows = rows.set_column(0, "index", pa.array(range(number, number + len(rows)), pa.int64()))
            rows = rows.set_column(rows.schema.get_field_index("start"), "start", pa.array(starts, pa.int64()))
            table.write_table(rows.cast(DOCUMENT_SCHEMA).replace_schema_metadata(schema.metadata))
            start, number = start + int(lengths.sum()), number + len(rows)


def _batches(
    index: SplitIndex, column: TokenColumn, files: ShardFiles[Bytes]
) -> Iterator[tuple[pa.Table, np.dtype[Any]]]:
    for number, shard in enumerate(index.shards):
        part = files.held[number]
        part = files.open(number) if part is None else part
        try:
            begins, counts, dtype = column.find(part, shard.count)
            _check_ids(part, begins.tolist(), counts.tolist(), dtype)
        except ValueError as error:
            raise ArtifactError(
                f"this MDS shard cannot be read as tokens: {error}",
                where=shard.stored.name,
                advice="name the column and, for bytes, the type of the ids",
            ) from error
        names = [f"{shard.file.name}/{sample}" for sample in range(shard.count)]
        columns: dict[str, Any] = {name: [""] * shard.count for name in ("source", "repo", "language")}
        columns |= {name: [0] * shard.count for name in ("index", "start", "bytes")}
        columns |= {"id": names, "path": names, "length": counts}
        yield pa.table({field.name: pa.array(columns[field.name], field.type) for field in DOCUMENT_SCHEMA}), dtype


def _check_ids(part: Bytes, begins: list[int], counts: list[int], dtype: np.dtype[Any]) -> None:
    for sample, (begin, count) in enumerate(zip(begins, counts, strict=True)):
        ids = np.frombuffer(part, dtype, count, begin)
        if int(ids.min()) < 0 or int(ids.max()) > LARGEST_ID:
            raise ValueError(
                f"sample {sample} holds {int(ids.min())} to {int(ids.max())} as {dtype.name}: no token ids"
            )


def _holds_ids(encoding: str) -> bool:
    said = encoding.split(":")
    if said[0] == "ndarray":
        return (len(said) < 2 or np.dtype(said[1]).kind in "iu") and (len(said) < 3 or "," not in said[2])
    return encoding == "bytes"
