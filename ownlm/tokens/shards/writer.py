"""Write a split's shards, document table and index. The same documents give the same bytes.

The shards are token files (below) or MDS (`ownlm.tokens.shards.mds`); table and figures are the same for both.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ownlm.pipeline.artifact import sha256_file
from ownlm.tokens.shards.index import DOCUMENTS_FILE, FORMAT, INDEX_FILE
from ownlm.tokens.shards.mds import MdsFiles

ROWS_OF_GROUP = 16_384
DOCUMENT_SCHEMA = pa.schema(
    [
        ("index", pa.int64()),
        ("id", pa.string()),
        ("source", pa.string()),
        ("repo", pa.string()),
        ("path", pa.string()),
        ("language", pa.string()),
        ("start", pa.int64()),
        ("length", pa.int64()),
        ("bytes", pa.int64()),
    ]
)

REPOSITORY_SCHEMA = pa.schema([*DOCUMENT_SCHEMA, ("header", pa.int32()), ("opens", pa.bool_())])
"""The table of `pack: repositories`: see `DocumentSpan`."""


def token_type(vocabulary_size: int) -> np.dtype[Any]:
    """How a token is stored: uint16 while every id fits, else uint32; little endian."""
    return np.dtype("<u2" if vocabulary_size <= 2**16 else "<u4")


class TokenFiles:
    """Writes tokens one after another into `tokens-NNNNN.bin`, nothing else.

    Args:
        path: the split's folder.
        dtype: of the token ids.
        shard_bytes: a file ends after the document that reaches this size.
    """

    def __init__(self, path: Path, dtype: np.dtype[Any], shard_bytes: int) -> None:
        self._path, self._dtype, self._shard_bytes = path, dtype, shard_bytes
        self._shards: list[dict[str, Any]] = []
        self._stream: BinaryIO | None = None
        self._digest = hashlib.sha256()
        self._held = 0

    def add(self, row: Mapping[str, Any], tokens: npt.NDArray[Any]) -> None:
        """Append a document's tokens."""
        data = tokens.tobytes()
        if self._stream is None:
            name = f"tokens-{len(self._shards):05d}.bin"
            self._stream, self._digest, self._held = (self._path / name).open("wb"), hashlib.sha256(), 0
        self._stream.write(data)
        self._digest.update(data)
        self._held += len(data)
        if self._held >= self._shard_bytes:
            self._close_shard()

    def finish(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """End the last file; what index.json is to say."""
        self._close_shard()
        return {**facts, "shards": self._shards}

    def abort(self) -> None:
        """Let go of the open file."""
        if self._stream is not None:
            self._stream.close()

    def _close_shard(self) -> None:
        if self._stream is None:
            return
        self._stream.close()
        self._stream = None
        self._shards.append(
            {
                "file": f"tokens-{len(self._shards):05d}.bin",
                "size": self._held,
                "tokens": self._held // self._dtype.itemsize,
                "sha256": self._digest.hexdigest(),
            }
        )


class ShardWriter:
    """Writes documents one after another. Use it in a `with`; the index is written at the end, if nothing failed.

    Args:
        path: the split's folder; created.
        vocabulary_size: decides the type of a token: uint16 up to 65,536, else uint32, little endian.
        vocabulary: the vocabulary's content hash.
        shard_bytes: a file ends after the document that reaches this size.
        form: how the shards are written: our own token files, or MosaicML Streaming's MDS.
        pack: what a stretch holds: a document, or files of one repository.
        compression: of MDS shards.
    """

    def __init__(
        self,
        path: Path,
        *,
        vocabulary_size: int,
        vocabulary: str,
        shard_bytes: int,
        form: Literal["tokens", "mds"] = "tokens",
        pack: Literal["documents", "repositories"] = "documents",
        compression: Literal["none", "zstd"] = "none",
    ) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self._path, self._vocabulary = path, vocabulary
        self._dtype = token_type(vocabulary_size)
        self._files: TokenFiles | MdsFiles
        if form == "mds":
            self._files = MdsFiles(path, self._dtype, shard_bytes, compression)
        else:
            self._files = TokenFiles(path, self._dtype, shard_bytes)
        self._pack, self._schema = pack, DOCUMENT_SCHEMA if pack == "documents" else REPOSITORY_SCHEMA
        self._table = pq.ParquetWriter(path / DOCUMENTS_FILE, self._schema, compression="zstd")
        self._rows: list[dict[str, Any]] = []
        self._row_groups: list[int] = []
        self.documents = self.tokens = self.bytes = 0

    def add(self, row: dict[str, Any], ids: list[int] | npt.NDArray[np.uint32], size: int) -> None:
        """Append a document: `row` with id, source, repo, path, language; its tokens; its size in bytes.

        With `pack` "repositories", `row` also has `header` and `opens` (see `DocumentSpan`).
        """
        self._files.add(row, np.asarray(ids, dtype=self._dtype))
        self._rows.append(row | {"index": self.documents, "start": self.tokens, "length": len(ids), "bytes": size})
        self.documents += 1
        self.tokens += len(ids)
        self.bytes += size
        if len(self._rows) == ROWS_OF_GROUP:
            self._write_rows()

    def _write_rows(self) -> None:
        self._table.write_table(pa.Table.from_pylist(self._rows, schema=self._schema), row_group_size=ROWS_OF_GROUP)
        self._row_groups.append(len(self._rows))
        self._rows = []

    def _finish(self) -> None:
        if self._rows:
            self._write_rows()
        self._table.close()
        table = self._path / DOCUMENTS_FILE
        facts = {
            "format": FORMAT,
            "dtype": self._dtype.str,
            "documents": self.documents,
            "tokens": self.tokens,
            "bytes": self.bytes,
            "vocabulary": self._vocabulary,
            "table": {
                "size": table.stat().st_size,
                "sha256": sha256_file(table),
                "row_groups": self._row_groups,
            },
        }
        if self._pack != "documents":
            facts["pack"] = self._pack
        text = json.dumps(self._files.finish(facts), indent=1, sort_keys=True) + "\n"
        (self._path / INDEX_FILE).write_text(text, encoding="utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self._finish()
            return
        self._files.abort()
        self._table.close()
