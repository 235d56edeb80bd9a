"""A folder of checked files, for several processes at once: the local copies of shards that are somewhere else.

    CACHE/<key>         whole and checked; whoever has it open holds a shared lock on it
    CACHE/<key>.part    being made by the process that holds its exclusive lock

A file gets its name by a rename, after its bytes were checked and are on the disk. Locks (`flock`) are the kernel's
and end with the process: after a kill, the next one takes the part over. When a new file does not fit, the files
opened longest ago are removed, never one that anybody has open: the limit is then passed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from ownlm.errors import RecipeError, StorageError
from ownlm.tokens.shards.storage import free_bytes

FOLDER, LIMIT = "OWNLM_SHARD_CACHE", "OWNLM_SHARD_CACHE_GB"
DEFAULT_GB = 200.0
_PART = ".part"
_POLL_S = 0.02


class ShardCache:
    """The folder.

    Args:
        folder: made when the first file comes.
        limit: bytes to stay below where possible.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, self.limit = folder, limit

    def open(self, key: str, size: int | None, make: Callable[[BinaryIO], None]) -> BinaryIO:
        """The file called `key`, made if it is not there.

        A file that is mapped stays locked until the map is gone, also when the stream is closed.

        Args:
            key: says what is in the file: the same key, the same bytes.
            size: its bytes, for making room, a file of another size is made again; None where nobody knows.
            make: writes the bytes, and raises when they are not what they should be.

        Raises:
            StorageError: the disk is too full, or the folder cannot be used.
        """
        try:
            while (stream := self._opened(key, size)) is None:
                self._make(key, size, make)
        except OSError as error:
            raise StorageError(
                f"The cache of shards cannot be used: {error.strerror or error}.",
                where=self.folder,
                advice=f"Make room, or name another folder in {FOLDER}.",
            ) from error
        return stream

    def adopt(self, file: Path, key: str) -> None:
        """Move a checked file of the same disk into the cache; leave it out where it does not fit."""
        size = file.stat().st_size
        self.folder.mkdir(parents=True, exist_ok=True)
        self._make_room(size)
        if self._used() + size <= self.limit:
            file.replace(self.folder / key)

    def _opened(self, key: str, size: int | None) -> BinaryIO | None:
        try:
            stream = (self.folder / key).open("rb")
        except FileNotFoundError:
            return None
        fcntl.flock(stream, fcntl.LOCK_SH)
        status = os.fstat(stream.fileno())
        if status.st_nlink and size in (status.st_size, None):
            with contextlib.suppress(OSError):  # a cache somebody else owns is good for reading
                os.utime(stream.fileno())
            return stream
        stream.close()  # removed while we waited, or cut short since
        return None

    def _make(self, key: str, size: int | None, make: Callable[[BinaryIO], None]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with _locked(self.folder / f"{key}{_PART}") as part:
            if (found := _size(self.folder / key)) is not None and size in (found, None):  # made while we waited
                Path(part.name).unlink()
                return
            try:
                part.truncate(0)
                self._make_room(size or 0)
                make(part)
                part.flush()
                os.fsync(part.fileno())
            except BaseException:
                Path(part.name).unlink()
                raise
            Path(part.name).rename(self.folder / key)

    def _make_room(self, size: int) -> None:
        """Remove what was opened longest ago, until `size` bytes fit or all that is left is in use."""
        oldest = sorted(self._files(), key=lambda entry: entry[1].st_mtime_ns)
        used = sum(status.st_size for _, status in oldest)
        for path, status in oldest:
            if used + size <= self.limit and free_bytes(self.folder) >= size:
                return
            if _remove(path):
                used -= status.st_size
        if free_bytes(self.folder) < size:
            raise StorageError(
                f"The disk has no room for a shard of {size:,} bytes.",
                where=self.folder,
                advice=f"Make room, or name a folder on another disk in {FOLDER}.",
            )

    def _used(self) -> int:
        return sum(status.st_size for _, status in self._files())

    def _files(self) -> list[tuple[Path, os.stat_result]]:
        found = []
        for path in self.folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                found.append((path, path.stat()))
        return found


def cache_at(home: Path | None) -> ShardCache:
    """The cache of shards below a store's cache folder, or below the user's; the environment may say otherwise.

    Raises:
        RecipeError: the environment names a limit that is no number.
    """
    user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ownlm"
    folder = os.environ.get(FOLDER) or (user if home is None else home) / "shards"
    said = os.environ.get(LIMIT) or DEFAULT_GB
    try:
        limit = float(said)
    except ValueError:
        limit = -1.0
    if not limit >= 0:
        raise RecipeError(f"{LIMIT} is {said!r}, not a number of gigabytes.", advice=f"For example: {LIMIT}=100.")
    return ShardCache(Path(folder), int(min(limit, 1e9) * 1e9))


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[BinaryIO]:
    """The file open for reading and writing, while nobody else has it.

    Waits by asking: what was renamed while we waited may stay locked, by those who read it, as long as they like.
    """
    while True:
        with path.open("a+b") as stream:
            while not _lock(stream, fcntl.LOCK_EX) and _same(stream, path):
                time.sleep(_POLL_S)
            if _same(stream, path) and _lock(stream, fcntl.LOCK_EX):
                yield stream
                return


def _lock(stream: BinaryIO, kind: int) -> bool:
    try:
        fcntl.flock(stream, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _same(stream: BinaryIO, path: Path) -> bool:
    """Whether the open file is still the one at that path: not renamed, not removed."""
    try:
        return os.fstat(stream.fileno()).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def _remove(path: Path) -> bool:
    """Remove a file unless anybody has it open; whether it is gone."""
    with contextlib.suppress(OSError), path.open("rb") as stream:
        if _lock(stream, fcntl.LOCK_EX) and _same(stream, path):
            path.unlink()
    return not path.exists()
