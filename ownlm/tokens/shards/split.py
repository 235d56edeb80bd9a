"""A split found: its index and documents table, and where its shard files are, from a folder or a URL.

folder                 index.json, documents.parquet and the shards; or store.json, which says where the shards are
s3://bucket/folder     the same files below a URL
MDS of others          index.json and shards: the documents table is made and kept in the cache
"""

from __future__ import annotations

from collections.abc import Callable
from mmap import ACCESS_READ, mmap
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import numpy as np
import pyarrow.parquet as pq

from ownlm.errors import ArtifactError
from ownlm.tokens.shards.cache import cache_at
from ownlm.tokens.shards.fetch import check, check_size, fetch
from ownlm.tokens.shards.files import Bytes, Integers, ShardFiles, T
from ownlm.tokens.shards.foreign import Foreign, table_key, token_column, write_table
from ownlm.tokens.shards.index import FileFacts, ShardFacts, read_index, store_of
from ownlm.tokens.shards.mds_stream import MdsStream, last_bytes
from ownlm.tokens.shards.storage import Folder, Storage, advice_for, open_storage
from ownlm.tokens.shards.token_stream import TokenStream


class Location:
    """Where the files of a split are, and what its index says of them.

    Args:
        where: its folder, or its URL.

    Attributes:
        where: as given, for messages.
        name: the last part of it.
        home: where index and documents table are.
        folder: that, if it is one of this machine.
        away: where the shard files are that are not in the folder.
        index: what index.json says.

    Raises:
        ArtifactError: the index is missing or damaged.
        ServerError: the storage does not answer.
    """

    def __init__(self, where: Path | str) -> None:
        self.where = str(where)
        self.name = PurePosixPath(self.where).name
        home = open_storage(where)
        self.home: Storage = home
        self.folder = home if isinstance(home, Folder) else None
        store = None if self.folder is None else store_of(self.folder)
        self.away: Storage | None = (None if self.folder else home) if store is None else open_storage(store)
        self.index = read_index(home)

    def stored(self, shard: ShardFacts) -> tuple[Storage, FileFacts]:
        """The file of a shard that is read: one in the folder before one that is away, as it is before a compressed."""
        if self.folder is not None:
            for file in (shard.file, shard.packed):
                if file is not None and (self.folder.path / file.name).exists():
                    return self.folder, file
        return self.away or self.home, shard.stored

    def files(self) -> list[tuple[Storage, FileFacts]]:
        """All files the index describes: the shards, then the documents table."""
        found = [self.stored(shard) for shard in self.index.shards]
        return found if self.index.table is None else [*found, (self.home, self.index.table)]


class Split(Location):
    """A split that can be read.

    Args:
        where: its folder, or its URL.
        cache: a store's cache folder; None: the user's. See `cache_at`.
        foreign: what the index of others does not say.

    Attributes:
        facts: what index.json says of the whole: dtype, documents, tokens, bytes, vocabulary, table.
        mds: whether the shards are MDS.
        table: the documents table, a file of this machine.

    Raises:
        ArtifactError: a file is missing or has the wrong size.
        InputError: MDS shards of others without token ids.
        ServerError: the storage does not answer.
    """

    def __init__(self, where: Path | str, cache: Path | None, foreign: Foreign | None) -> None:
        super().__init__(where)
        self._cache, self._foreign = cache_at(cache), foreign or Foreign()
        self.mds, self.shards = self.index.mds, self.index.shards
        self._map: mmap | None = None
        self.table, self.facts = self._ours() if self.index.ours is not None else self._others()

    def open_tokens(self, bounds: Integers) -> TokenStream | MdsStream:
        """The split's tokens; `bounds` are the starts of the documents and the stream's length."""
        dtype = np.dtype(self.facts["dtype"])
        if not self.mds:
            return TokenStream(self._open, [shard.count for shard in self.shards], dtype)
        samples = [shard.count for shard in self.shards]
        if sum(samples) != len(bounds) - 1:
            raise ArtifactError(
                "the shards cannot be read: shards and documents do not belong together",
                where=self.where,
                advice=advice_for(self.home),
            )
        return MdsStream(self._open, samples, bounds, dtype, self._begins())

    def verify(self) -> None:
        """Compare every byte with the index: reads everything once, where it is.

        Raises:
            ArtifactError: naming the first damaged file.
        """
        for storage, file in self.files():
            check(storage, file)

    def _ours(self) -> tuple[Path, dict[str, Any]]:
        table, facts = self.index.table, self.index.ours
        assert table is not None
        assert facts is not None
        if self.folder is not None:
            check_size(self.folder, table)
            return self.folder.path / table.name, dict(facts)
        shard, key = ShardFacts(table, 0), table.key
        assert key is not None
        return self._kept(self._cache.open(key, table.size, lambda out: fetch(self.home, shard, out))), dict(facts)

    def _others(self) -> tuple[Path, dict[str, Any]]:
        column = token_column(self.index, self._foreign, self.where)
        key = table_key(self.index, self._foreign, self.where)

        def make(out: BinaryIO) -> None:
            write_table(self.index, column, self._open(lambda _, part: part), out)

        table = self._kept(self._cache.open(key, None, make))
        described = pq.read_metadata(table)
        lengths = pq.read_table(table, columns=["length"]).column(0).to_numpy()
        groups = [described.row_group(number).num_rows for number in range(described.num_row_groups)]
        facts = {"documents": len(lengths), "tokens": int(lengths.sum()), "bytes": 0, "table": {"row_groups": groups}}
        stored = pq.read_schema(table).metadata[b"dtype"].decode()
        return table, facts | {"dtype": stored, "vocabulary": self._foreign.vocabulary}

    def _kept(self, stream: BinaryIO) -> Path:
        """The path of a file of the cache, mapped, so that the cache keeps it as long as this split is there."""
        with stream:
            self._map = mmap(stream.fileno(), 0, access=ACCESS_READ)
            return Path(stream.name)

    def _begins(self) -> Callable[[int, Bytes, Integers], Integers]:
        """How the ids of a shard's documents are found."""
        column = None
        if self.index.ours is None:
            column = token_column(self.index, self._foreign, self.where)

        def begins(number: int, part: Bytes, sizes: Integers) -> Integers:
            try:
                if column is None:
                    return last_bytes(part, sizes)
                found, counts, dtype = column.find(part, len(sizes))
                if not np.array_equal(counts * dtype.itemsize, sizes):
                    raise ValueError("its documents have other lengths than before")
                return found
            except ValueError as error:
                storage, file = self.stored(self.shards[number])
                raise ArtifactError(
                    f"the shards cannot be read: {error}", where=storage.where(file.name), advice=advice_for(storage)
                ) from error

        return begins

    def _open(self, read: Callable[[int, Bytes], T]) -> ShardFiles[T]:
        return ShardFiles(self.folder, self.away, self.shards, self._cache, read)
