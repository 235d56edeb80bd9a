"""Bring a shard from where it is: read, decompressed if need be, every byte counted and hashed on the way.

Nothing is trusted: a file that is longer than its index says is not read to its end, so neither a wrong file nor a
compressed bomb can fill the disk. From another machine, what fails or comes damaged is tried again.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow as pa

from ownlm.errors import OwnlmError, ServerError, first_line
from ownlm.tokens.shards.index import FileFacts, ShardFacts
from ownlm.tokens.shards.storage import CHUNK, DamagedError, Storage, advice_for

TRIES = 4
WAIT_S = 0.5
"""Before the second try; twice as long before each later one."""
_CODECS = {"zstd": "zstd", "gz": "gzip", "bz2": "bz2", "br": "brotli"}


def fetch(storage: Storage, shard: ShardFacts, out: BinaryIO) -> None:
    """Write a shard's bytes, as they are read, to an empty file; they are complete and checked then.

    Raises:
        DamagedError: they are not what the index says, however often they are read.
        MissingError: there is no such file.
        ServerError: the storage does not answer, however often it is asked.
    """
    if shard.packed and shard.codec not in _CODECS:
        raise DamagedError(
            f"a shard is compressed with {shard.codec!r}; ownlm reads {', '.join(_CODECS)}",
            where=storage.where(shard.packed.name),
            advice="write the shards again with `compression: zstd`",
        )
    for attempt in range(TRIES if storage.remote else 1):
        if attempt:
            time.sleep(WAIT_S * 2 ** (attempt - 1))
            out.seek(0)
            out.truncate(0)
        try:
            for chunk in _raw_chunks(storage, shard):
                out.write(chunk)
            return
        except (DamagedError, ServerError) as error:
            failed: OwnlmError = error
    raise failed


def check(storage: Storage, file: FileFacts) -> None:
    """Read a file once and compare its size and hashes with the index.

    Raises:
        DamagedError, MissingError, ServerError: as `fetch`.
    """
    for _ in _checked(storage, file, storage.chunks(file.name)):
        pass


def check_size(storage: Storage, file: FileFacts) -> None:
    """Compare a file's size with the index.

    Raises:
        DamagedError, MissingError, ServerError: as `fetch`.
    """
    if (found := storage.size(file.name)) != file.size:
        raise _damaged(storage, file, f"a shard has {found} bytes, its index says {file.size}")


def _raw_chunks(storage: Storage, shard: ShardFacts) -> Iterator[bytes]:
    if shard.packed is None:
        yield from _checked(storage, shard.file, storage.chunks(shard.file.name))
        return
    packed = _checked(storage, shard.packed, storage.chunks(shard.packed.name))
    yield from _checked(storage, shard.file, _decompressed(storage, shard, packed), shard.packed)
    for _ in packed:  # the end of the frame need not be the end of the file: its hash is checked there
        pass


def _checked(
    storage: Storage, file: FileFacts, chunks: Iterator[bytes], named: FileFacts | None = None
) -> Iterator[bytes]:
    """The same chunks; an error, about `named` if given, as soon as they are more than, or not, what the index says."""
    found, digests = 0, file.digests()
    named = named or file
    for chunk in chunks:
        found += len(chunk)
        if found > file.size:
            raise _damaged(storage, named, f"a shard has more than the {file.size} bytes its index says")
        for digest in digests.values():
            digest.update(chunk)
        yield chunk
    if found != file.size:
        raise _damaged(storage, named, f"a shard has {found} bytes, its index says {file.size}")
    for name, digest in digests.items():
        if digest.hexdigest() != file.hashes[name]:
            raise _damaged(storage, named, f"a shard's checksum ({name}) is wrong")


def _decompressed(storage: Storage, shard: ShardFacts, packed: Iterator[bytes]) -> Iterator[bytes]:
    assert shard.packed is not None
    reader = _Chunks(packed)
    try:
        with pa.CompressedInputStream(pa.PythonFile(reader, mode="r"), _CODECS[shard.codec]) as stream:
            while chunk := stream.read(CHUNK):
                yield chunk
    except (OSError, pa.ArrowException) as error:
        raise _damaged(storage, shard.packed, f"a shard cannot be decompressed: {first_line(error)}") from error


class _Chunks(io.RawIOBase):
    """Chunks as a file that can only be read on."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._left = chunks, memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._left = memoryview(chunk)
        taken = min(len(buffer), len(self._left))
        buffer[:taken] = self._left[:taken]
        self._left = self._left[taken:]
        return taken


def _damaged(storage: Storage, file: FileFacts, what: str) -> DamagedError:
    return DamagedError(what, where=storage.where(file.name), advice=advice_for(storage))
