"""MosaicML Streaming's shard format, MDS version 2, written without that package.

    shard file   n: u32 │ n + 1 offsets: u32 │ configuration: JSON │ sample 0 │ sample 1 │ ...        little endian
    sample       size of each column's value: u32 │ the values, columns in the order of their names
    tokens       4 + type of the length │ the length │ ids          an `ndarray` of one dimension, dynamic in length

A sample is a document: its tokens, the opening end_of_text first, with id, source, repo, path and language as `str`
columns. `tokens` comes last by name, so the ids are the last bytes of a sample and are read from a memory map, like
those of our own format. index.json is MDS's, with one block more, `ownlm`, that `streaming` does not look at.

A compressed shard is the whole file as one zstd frame that says its size, `shard.00000.mds.zstd`.

Source of the format: mosaicml-streaming 0.13, `streaming/base/format/mds`. Offsets are 32 bits wide: a shard ends below
4 GiB. How it is read: `ownlm.tokens.shards.mds_stream`.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import numpy.typing as npt

from ownlm.errors import CorpusError
from ownlm.tokens.shards.index import MDS_VERSION, OURS

TEXTS = ("id", "language", "path", "repo", "source")
LARGEST = 2**32 - 1
LEVEL = 3
_ONE_DIMENSION = 1 << 2


def encode_sample(row: Mapping[str, Any], tokens: npt.NDArray[Any]) -> bytes:
    """A document as an MDS sample; `tokens` is not empty."""
    values = [str(row[name]).encode("utf-8") for name in TEXTS]
    kind, form = next((k, f) for k, f in enumerate("BHI") if len(tokens) < 256 ** struct.calcsize(f))
    values.append(struct.pack(f"<B{form}", _ONE_DIMENSION | kind, len(tokens)) + tokens.tobytes())
    return struct.pack(f"<{len(values)}I", *map(len, values)) + b"".join(values)


class MdsFiles:
    """Writes samples into shard files; memory stays at a sample and the offsets.

    Args:
        path: the split's folder.
        dtype: of the token ids.
        shard_bytes: a shard ends after the document that reaches this size, or before one that would pass 4 GiB;
            counted before compression.
        compression: of the shards.
    """

    def __init__(
        self, path: Path, dtype: np.dtype[Any], shard_bytes: int, compression: Literal["none", "zstd"] = "none"
    ) -> None:
        self._path, self._shard_bytes, self._packs = path, shard_bytes, compression == "zstd"
        self._config = {
            "column_encodings": [*("str" for _ in TEXTS), f"ndarray:{dtype.name}"],
            "column_names": [*TEXTS, "tokens"],
            "column_sizes": [None] * (len(TEXTS) + 1),
            "compression": "zstd" if self._packs else None,
            "format": "mds",
            "hashes": ["sha256"],
            "size_limit": shard_bytes,
            "version": MDS_VERSION,
        }
        self._head = json.dumps(self._config, sort_keys=True).encode("utf-8")
        self._shards: list[dict[str, Any]] = []
        self._sizes: list[int] = []
        self._held = 0
        self._samples: BinaryIO | None = None

    def add(self, row: Mapping[str, Any], tokens: npt.NDArray[Any]) -> None:
        """Append a document.

        Raises:
            CorpusError: when it alone is too large for the format.
        """
        sample = encode_sample(row, tokens)
        if self._size(len(sample)) > LARGEST:
            self._close_shard()
            if self._size(len(sample)) > LARGEST:
                raise CorpusError(
                    "a document is too large for an MDS shard, which ends below 4 GiB",
                    where=f"{row['repo']}/{row['path']}",
                    advice="filter it (clean.size), or set shards.format to tokens",
                )
        if self._samples is None:
            self._samples = self._unfinished.open("wb")
        self._samples.write(sample)
        self._sizes.append(len(sample))
        self._held += len(sample)
        if self._size() >= self._shard_bytes:
            self._close_shard()

    def finish(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """End the last shard; what index.json is to say, our own facts about the split included."""
        self._close_shard()
        return {"version": MDS_VERSION, "shards": self._shards, OURS: dict(facts)}

    def abort(self) -> None:
        """Let go of the open file."""
        if self._samples is not None:
            self._samples.close()

    @property
    def _unfinished(self) -> Path:
        return self._path / "samples.unfinished"

    def _size(self, another: int | None = None) -> int:
        """Bytes of the shard as it is, or with another sample of this size."""
        samples = len(self._sizes) + (another is not None)
        return 4 * (samples + 2) + len(self._head) + self._held + (another or 0)

    def _close_shard(self) -> None:
        if self._samples is None:
            return
        self._samples.close()
        name, digest = f"shard.{len(self._shards):05d}.mds", hashlib.sha256()
        first = 4 * (len(self._sizes) + 2) + len(self._head)
        offsets = np.cumsum([first, *self._sizes], dtype=np.int64).astype("<u4").tobytes()
        with (self._path / name).open("w+b") as shard, self._unfinished.open("rb") as samples:
            shard.write(struct.pack("<I", len(self._sizes)) + offsets + self._head)
            shutil.copyfileobj(samples, shard, 1 << 20)
            shard.seek(0)
            while block := shard.read(1 << 20):
                digest.update(block)
        self._unfinished.unlink()
        data = _described(name, self._size(), digest)
        packed = _packed(self._path / name) if self._packs else None
        self._shards.append(self._config | {"raw_data": data, "samples": len(self._sizes), "zip_data": packed})
        self._samples, self._sizes, self._held = None, [], 0


def _packed(file: Path) -> dict[str, Any]:
    """Compress a shard in place of itself; what the index says of the compressed file."""
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    digest, out = hashlib.sha256(), file.with_name(f"{file.name}.zstd")
    compressor = zstd.ZstdCompressor(level=LEVEL)
    # MosaicML's reader wants a frame that says how large its content is.
    compressor.set_pledged_input_size(file.stat().st_size)
    with file.open("rb") as raw, out.open("wb") as packed:
        while block := raw.read(1 << 20):
            packed.write(part := compressor.compress(block))
            digest.update(part)
        packed.write(part := compressor.flush())
        digest.update(part)
    file.unlink()
    return _described(out.name, out.stat().st_size, digest)


def _described(name: str, size: int, digest: Any) -> dict[str, Any]:
    return {"basename": name, "bytes": size, "hashes": {"sha256": digest.hexdigest()}}
