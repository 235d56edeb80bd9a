"""The shard files of a split, opened: at once where they lie in its folder, else when they are first touched.

What is not in the folder, because it is somewhere else or compressed, is read from the cache (`ShardCache`), which
fetches it first. A reader holds no more open than the cache may keep; above that it lets go of what it opened first.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from ownlm.errors import OwnlmError
from ownlm.tokens.shards.cache import ShardCache
from ownlm.tokens.shards.fetch import check_size, fetch
from ownlm.tokens.shards.index import ShardFacts
from ownlm.tokens.shards.storage import Folder, MissingError, Storage

T = TypeVar("T")
Bytes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]
FETCHERS = 4


class ShardFiles(Generic[T]):
    """The shards of a split, each as what `read` makes of its mapped bytes. Safe to use from several threads.

    Args:
        folder: the split's folder, where shards that are there are mapped at once.
        storage: where the others are; None: a shard that is not in the folder is an error.
        shards: what they are.
        cache: keeps what is not in the folder.
        read: (number of the shard, its bytes) -> what is held; raises when they are not a shard.

    Attributes:
        held: what is open, None for what is not; `open` opens it.

    Raises:
        ArtifactError: a shard in the folder is missing or has another size.
    """

    def __init__(
        self,
        folder: Folder | None,
        storage: Storage | None,
        shards: Sequence[ShardFacts],
        cache: ShardCache,
        read: Callable[[int, Bytes], T],
    ) -> None:
        self._folder, self._shards, self._cache, self._read = folder, shards, cache, read
        self._lock = threading.Lock()
        self._order: deque[int] = deque()
        self._bytes = 0
        self._storages = [self._storage_of(shard, storage) for shard in shards]
        self.held: list[T | None] = [None if away else self._local(n) for n, away in enumerate(self._storages)]

    def open(self, number: int) -> T:
        """The shard, fetched if it is not here.

        Raises:
            ArtifactError: it is missing, or damaged however often it is fetched.
            ServerError: the storage does not answer.
            StorageError: the disk is too full for it.
        """
        shard = self._shards[number]
        with self._cached(number) as stream:
            made = self._read(number, np.memmap(stream, dtype=np.uint8, mode="r").view(np.ndarray))
        with self._lock:
            if self.held[number] is None:
                while self._order and self._bytes + shard.file.size > self._cache.limit:
                    oldest = self._order.popleft()
                    self.held[oldest] = None
                    self._bytes -= self._shards[oldest].file.size
                self.held[number] = made
                self._order.append(number)
                self._bytes += shard.file.size
        return made

    @contextlib.contextmanager
    def fetched_ahead(self, shards_at: Callable[[Integers], Integers], positions: Iterable[Integers]) -> Iterator[None]:
        """Fetch the shards of positions in the background, in this order, while the block runs.

        As many as the cache may keep. What fails is left to whoever opens that shard. When the block ends, fetches that
        were begun are ended first.
        """
        if not any(self._storages):
            yield
            return
        wanted, lock, ended = self._wanted(shards_at, positions), threading.Lock(), threading.Event()

        def work() -> None:
            while not ended.is_set():
                with lock:
                    number = next(wanted, None)
                if number is None:
                    return
                with contextlib.suppress(OwnlmError), self._cached(number):
                    pass

        threads = [threading.Thread(target=work, name="fetch", daemon=True) for _ in range(FETCHERS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            ended.set()
            for thread in threads:
                thread.join()

    def _wanted(self, shards_at: Callable[[Integers], Integers], positions: Iterable[Integers]) -> Iterator[int]:
        """The shards to fetch in the order of their first position, until all were seen or the cache is full."""
        seen, room = set[int](), self._cache.limit
        for some in positions:
            for number in dict.fromkeys(shards_at(some).tolist()):
                if number in seen:
                    continue
                seen.add(number)
                room -= self._shards[number].file.size
                if room < 0:
                    return
                if self._storages[number]:
                    yield number
            if len(seen) == len(self._shards):
                return

    def _storage_of(self, shard: ShardFacts, storage: Storage | None) -> Storage | None:
        """Where the cache gets it; None for a shard that is in the folder as it is read."""
        folder = self._folder
        if folder is not None:
            found = folder.path / shard.file.name
            if found.exists() or (shard.packed is None and storage is None):
                check_size(folder, shard.file)
                return None
            if shard.packed is not None and (storage is None or (folder.path / shard.packed.name).exists()):
                check_size(folder, shard.packed)
                return folder
        return storage

    def _local(self, number: int) -> T:
        assert self._folder is not None
        file = self._folder.path / self._shards[number].file.name
        return self._read(number, np.memmap(file, dtype=np.uint8, mode="r").view(np.ndarray))

    def _cached(self, number: int) -> Any:
        shard, storage = self._shards[number], self._storages[number]
        if storage is None:
            raise MissingError("a shard is not there", where=shard.file.name)
        key = shard.file.key or hashlib.sha256(f"{storage.where(shard.stored.name)} {shard}".encode()).hexdigest()
        return self._cache.open(key, shard.file.size, lambda out: fetch(storage, shard, out))
