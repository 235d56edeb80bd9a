"""MDS shards read: where in a sample its token ids are, and all of them as one sequence of ids.

    sample       sizes of the columns of variable size: u32 each │ the values, columns in the order of their names
    ndarray      [type: u8] [4 · axes + width code: u8 │ the length: u8 to u64] │ values

[Parts] are left out where the encoding says them.

Of ours, `tokens` comes last by name: the ids are the last bytes of a sample, and their number is in the documents
table. In shards of others (`ownlm.tokens.shards.foreign`) they are looked for. Other columns are never decoded.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

from ownlm.tokens.shards.files import Bytes, Integers, ShardFiles

Opened = tuple[Bytes, Integers]
"""A shard's bytes, and where in them the ids of each of its documents begin."""
_TYPES = {
    8: "<u1", 9: "<i1", 16: "<u2", 17: "<i2", 32: "<u4", 33: "<i4", 64: "<u8", 65: "<i8",
}  # fmt: skip


class MdsStream:
    """The tokens of MDS shards as one sequence of ids; slices are arrays of the stored type.

    Args:
        open_files: (what is held of a shard) -> the files.
        samples: how many each shard holds; all of them together are the documents.
        bounds: where each document begins in the stream, and the stream's length.
        dtype: of the token ids.
        begins: (number of a shard, its bytes, sizes of the ids of its documents in bytes) -> where they begin.
    """

    def __init__(
        self,
        open_files: Callable[[Callable[[int, Bytes], Opened]], ShardFiles[Opened]],
        samples: Sequence[int],
        bounds: Integers,
        dtype: np.dtype[Any],
        begins: Callable[[int, Bytes, Integers], Integers],
    ) -> None:
        self.dtype = dtype
        self._bounds = bounds
        self._firsts = firsts = [0, *accumulate(samples)]
        sizes = np.diff(bounds) * dtype.itemsize

        def read(number: int, part: Bytes) -> Opened:
            return part, begins(number, part, sizes[firsts[number] : firsts[number + 1]])

        self.files = open_files(read)
        self._held = self.files.held

    def __len__(self) -> int:
        return int(self._bounds[-1])

    def __getitem__(self, wanted: slice) -> npt.NDArray[Any]:
        start, stop, step = wanted.indices(len(self))
        if step != 1:
            raise ValueError("token streams are read in steps of one")
        document = int(np.searchsorted(self._bounds, start, side="right")) - 1
        pieces = []
        while start < stop:
            begin, end = int(self._bounds[document]), min(stop, int(self._bounds[document + 1]))
            pieces.append(self._tokens(document)[start - begin : end - begin])
            start, document = end, document + 1
        if len(pieces) == 1:
            return pieces[0]
        return np.concatenate(pieces) if pieces else np.empty(0, dtype=self.dtype)

    def shards_at(self, positions: Integers) -> Integers:
        """The number of the shard that each position is in."""
        documents = np.searchsorted(self._bounds, positions, side="right") - 1
        return np.searchsorted(self._firsts, documents, side="right") - 1

    def _tokens(self, document: int) -> npt.NDArray[Any]:
        """The ids of a document. Not aligned; numpy reads them all the same."""
        number = bisect_right(self._firsts, document) - 1
        part, begins = self._held[number] or self.files.open(number)
        count = int(self._bounds[document + 1] - self._bounds[document])
        begin = int(begins[document - self._firsts[number]])
        return np.frombuffer(part, dtype=self.dtype, count=count, offset=begin)


def sample_bounds(part: Bytes, count: int) -> Integers:
    """Where in a shard each of its `count` samples begins, and the end of the last.

    Raises:
        ValueError: it does not hold so many, or says that one lies outside it.
    """
    if len(part) < 8 + 4 * count or int(part[:4].view("<u4")[0]) != count:
        raise ValueError(f"it does not hold {count} samples")
    offsets: Integers = part[4 : 8 + 4 * count].view("<u4").astype(np.int64)
    outside = np.flatnonzero((offsets[1:] < offsets[:-1]) | (offsets[1:] > len(part)))
    if len(outside):
        raise ValueError(f"sample {outside[0]} is not in it")
    return offsets


def last_bytes(part: Bytes, sizes: Integers) -> Integers:
    """Where the ids begin that are the last bytes of each sample.

    Raises:
        ValueError: a sample is too small for them, or not in the shard.
    """
    offsets = sample_bounds(part, len(sizes))
    begins: Integers = offsets[1:] - sizes
    outside = np.flatnonzero(begins <= offsets[:-1])
    if len(outside):
        raise ValueError(f"sample {outside[0]} is not in it")
    return begins


@dataclass(frozen=True)
class TokenColumn:
    """Where a sample of any MDS keeps its ids.

    Attributes:
        name: of the column.
        encoding: bytes, or ndarray with or without a type and a fixed shape.
        dtype: of the ids; None where every sample says its own.
        sized: how many columns have their size before the values.
        place: its number among those; None where its size is fixed.
        before: how many of those lie before it.
        skipped: bytes of the columns of fixed size before it.
        size: its fixed size in bytes, or 0.
    """

    name: str
    encoding: str
    dtype: np.dtype[Any] | None
    sized: int
    place: int | None
    before: int
    skipped: int
    size: int

    @classmethod
    def of(cls, columns: Sequence[tuple[str, str, int | None]], name: str, dtype: np.dtype[Any] | None) -> TokenColumn:
        """The column called `name`; `dtype` is that of a bytes column."""
        number = [column for column, _, _ in columns].index(name)
        _, encoding, size = columns[number]
        before = [fixed for _, _, fixed in columns[:number]]
        sized, said = before.count(None), encoding.split(":")
        if said[0] == "ndarray":
            dtype = np.dtype(said[1]).newbyteorder("<") if len(said) > 1 else None
        return cls(
            name=name,
            encoding=encoding,
            dtype=dtype,
            sized=sum(fixed is None for _, _, fixed in columns),
            place=sized if size is None else None,
            before=sized,
            skipped=sum(fixed for fixed in before if fixed is not None),
            size=size or 0,
        )

    def find(self, part: Bytes, count: int) -> tuple[Integers, Integers, np.dtype[Any]]:
        """(Where in a shard the ids of each sample begin, how many there are, their type).

        Raises:
            ValueError: the shard is damaged, or a sample is not a row of ids.
        """
        offsets = sample_bounds(part, count)
        starts, stops = offsets[:-1], offsets[1:]
        heads = _gathered(part, starts, 4 * self.sized).view("<u4").astype(np.int64)
        begins = starts + 4 * self.sized + self.skipped + heads[:, : self.before].sum(axis=1)
        sizes = np.full(count, self.size) if self.place is None else heads[:, self.place]
        _check(begins + sizes <= stops, "is damaged")
        dtype, prefix = self.dtype, np.zeros(count, dtype=np.int64)
        if dtype is None:
            dtype, prefix = _type_of(_gathered(part, begins, 1)[:, 0]), prefix + 1
        if self.encoding.startswith("ndarray") and self.encoding.count(":") < 2:
            codes = _gathered(part, begins + prefix, 1)[:, 0].astype(np.int64)
            _check(codes >> 2 == 1, f"has a {self.name!r} that is not one row of ids")
            prefix = prefix + 1 + (1 << (codes & 3))
        counts, left = np.divmod(sizes - prefix, dtype.itemsize)
        _check((left == 0) & (counts > 0), f"has a {self.name!r} that is no row of {dtype.name}")
        return begins + prefix, counts, dtype


def _gathered(part: Bytes, begins: Integers, width: int) -> npt.NDArray[np.uint8]:
    """`width` bytes from each place on: one row each."""
    places = begins[:, None] + np.arange(width)
    if places.size and int(places.max()) >= len(part):
        raise ValueError(f"sample {int(places.max(axis=1).argmax())} is damaged")
    return np.ascontiguousarray(part[places])


def _type_of(codes: npt.NDArray[np.uint8]) -> np.dtype[Any]:
    found = set(codes.tolist())
    if len(found) != 1 or (code := found.pop()) not in _TYPES:
        raise ValueError("its samples have ids of different types")
    return np.dtype(_TYPES[code])


def _check(good: npt.NDArray[np.bool_], what: str) -> None:
    bad = np.flatnonzero(~good)
    if len(bad):
        raise ValueError(f"sample {bad[0]} {what}")
