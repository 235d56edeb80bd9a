"""A split's index.json, ours or MDS's: which shard files there are, and what they must be.

index.json     ours: totals, the documents table, shards of token files; or MDS's, with our totals in a block `ownlm`
store.json     beside it where the shard files are somewhere else: {"url": "s3://bucket/folder/train-0123456789abcdef"}
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ownlm.errors import ArtifactError
from ownlm.tokens.shards.storage import STORED, Folder, Storage, advice_for, checked_url

INDEX_FILE = "index.json"
DOCUMENTS_FILE = "documents.parquet"
FORMAT = 1
MDS_VERSION = 2
OURS = "ownlm"
_KNOWN = ("sha256", "sha512", "sha384", "sha224", "sha1", "md5", "blake2b", "blake2s", "sha3_256", "sha3_512")


@dataclass(frozen=True)
class FileFacts:
    """What a file must be.

    Attributes:
        name: in the split's folder.
        size: bytes.
        hashes: algorithm -> hex digest; MDS of others may have none.
    """

    name: str
    size: int
    hashes: Mapping[str, str]

    def digests(self) -> dict[str, Any]:
        """A new hash object for every algorithm that is known here."""
        return {name: hashlib.new(name, usedforsecurity=False) for name in _KNOWN if name in self.hashes}

    @property
    def key(self) -> str | None:
        """What its content is called in a cache; None where nothing stands for it."""
        return self.hashes.get("sha256")


@dataclass(frozen=True)
class ShardFacts:
    """A shard.

    Attributes:
        file: its bytes as they are read.
        count: what is in it: tokens of a token file, samples of MDS.
        packed: the compressed file it comes from, if it is compressed.
        codec: how it was compressed: zstd, gz, bz2, br, or another name that MDS knows.
    """

    file: FileFacts
    count: int
    packed: FileFacts | None = None
    codec: str = ""

    @property
    def stored(self) -> FileFacts:
        """The file that a storage has."""
        return self.packed or self.file


@dataclass(frozen=True)
class SplitIndex:
    """What index.json says.

    Attributes:
        mds: whether the shards are MDS.
        shards: in the order of the stream.
        ours: what ownlm says of the split; None for MDS shards of others.
        table: the documents table; None for MDS shards of others.
        columns: MDS's columns, (name, encoding, fixed size or None), as they lie in a sample.
        digest: sha256 of index.json.
    """

    mds: bool
    shards: tuple[ShardFacts, ...]
    ours: Mapping[str, Any] | None
    table: FileFacts | None
    columns: tuple[tuple[str, str, int | None], ...] = field(default=())
    digest: str = ""


def read_index(storage: Storage) -> SplitIndex:
    """Read a split's index.

    Raises:
        ArtifactError: it is missing or damaged.
        ServerError: the storage does not answer.
    """
    data = b"".join(storage.chunks(INDEX_FILE))
    try:
        return parse_index(data)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(
            f"the shards cannot be read: {error}", where=storage.where(INDEX_FILE), advice=advice_for(storage)
        ) from error


def parse_index(data: bytes) -> SplitIndex:
    """index.json's bytes -> what they say.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: it is damaged, or of another version.
    """
    index, digest = json.loads(data), hashlib.sha256(data).hexdigest()
    if mds := index.get("version") == MDS_VERSION:
        shards, ours = tuple(map(_mds_shard, index["shards"])), index.get(OURS)
        columns = _columns(index["shards"])
    else:
        shards, ours, columns = tuple(map(_our_shard, index["shards"])) if "shards" in index else (), index, ()
    if ours is None:
        return SplitIndex(True, shards, None, None, columns, digest)
    if ours["format"] != FORMAT:
        raise ValueError(f"format {ours['format']}, this version reads {FORMAT}")
    for name in ("dtype", "documents", "tokens", "bytes", "vocabulary"):
        ours[name]
    table = FileFacts(DOCUMENTS_FILE, int(ours["table"]["size"]), {"sha256": str(ours["table"]["sha256"])})
    # An empty split has no shards that could say what they are; it is read as one of token files.
    return SplitIndex(mds and bool(shards), shards, ours, table, columns, digest)


def store_of(folder: Folder) -> str | None:
    """Where the shard files of a folder are, if not in it.

    Raises:
        ArtifactError: store.json is damaged.
    """
    if not (folder.path / STORED).exists():
        return None
    try:
        return checked_url(json.loads(b"".join(folder.chunks(STORED)))["url"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(
            f"it does not say where the shards are: {error}", where=folder.where(STORED), advice=advice_for(folder)
        ) from error


def _our_shard(shard: Mapping[str, Any]) -> ShardFacts:
    file = FileFacts(_name(shard["file"]), int(shard["size"]), {"sha256": str(shard["sha256"])})
    return ShardFacts(file, int(shard["tokens"]))


def _mds_shard(shard: Mapping[str, Any]) -> ShardFacts:
    packed = None if shard["zip_data"] is None else _mds_file(shard["zip_data"])
    codec = str(shard["compression"] or "").split(":")[0]
    return ShardFacts(_mds_file(shard["raw_data"]), int(shard["samples"]), packed, codec)


def _mds_file(said: Mapping[str, Any]) -> FileFacts:
    hashes = {str(name): str(value) for name, value in said["hashes"].items()}
    return FileFacts(_name(said["basename"]), int(said["bytes"]), hashes)


def _columns(shards: list[Mapping[str, Any]]) -> tuple[tuple[str, str, int | None], ...]:
    """The columns of all shards, which must be the same."""
    found = {
        tuple(zip(shard["column_names"], shard["column_encodings"], shard["column_sizes"], strict=True))
        for shard in shards
    }
    if len(found) > 1:
        raise ValueError("its shards have different columns")
    return next(iter(found), ())


def _name(said: Any) -> str:
    """A file below this folder, as merged indices of MDS have them: an index must not reach out of it."""
    name = str(said)
    if any(part in ("", ".", "..") for part in name.split("/")) or "\\" in name or "\0" in name:
        raise ValueError(f"{name!r} is not the name of a file in this folder")
    return name
