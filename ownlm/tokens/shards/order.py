"""The global order of windows: a computed permutation, so that nothing is stored and any step is reached in O(1).

A permutation of n windows is a Feistel network on the smallest power of two that holds n, walked until the value is
below n ("cycle walking", Black and Rogaway 2002, "Ciphers with arbitrary finite domains"). Each round is a bijection
whatever its function, hence so is the whole; walking stays on the permutation's own cycles, hence the restriction to
0 .. n - 1 is one too. The two halves may differ by a bit, so the domain is less than 2 n and the walk takes less than
two evaluations on average. Round keys come from (seed, epoch).

A shuffled index of 1e8 windows takes 800 MB and 8 s; this takes neither. Measured price: see docs/shards.md.
"""

from __future__ import annotations

import hashlib
import struct
from functools import lru_cache

import numpy as np
import numpy.typing as npt

ROUNDS = 8
BLOCK = 512

UInts = npt.NDArray[np.uint64]


def mix(values: UInts) -> UInts:
    """The splitmix64 finaliser (Steele, Lea, Flood 2014): a bijection on 64-bit values that spreads every bit."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


class Permutation:
    """A bijection of 0 .. size - 1, chosen by (seed, epoch).

    Args:
        size: how many there are, from 1 to 2**62.
        seed: the run's seed, 0 .. 2**64 - 1.
        epoch: the pass over the data, from 0.
    """

    def __init__(self, size: int, seed: int, epoch: int) -> None:
        if not 1 <= size <= 2**62:
            raise ValueError(f"a permutation of {size}")
        self.size = size
        bits = max(2, (size - 1).bit_length())
        self._right_bits = np.uint64(bits // 2)
        self._right_mask = np.uint64((1 << (bits // 2)) - 1)
        self._left_mask = np.uint64((1 << (bits - bits // 2)) - 1)
        digest = hashlib.blake2b(struct.pack("<QQ", seed, epoch), digest_size=64, person=b"ownlm.order").digest()
        self._keys = np.frombuffer(digest, dtype="<u8").astype(np.uint64)

    def __call__(self, indices: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Where each index goes: int64, the shape of `indices`.

        Raises:
            IndexError: for an index outside 0 .. size - 1, from which the walk would never come back.
        """
        given = np.atleast_1d(np.asarray(indices, dtype=np.int64))
        if given.size and not 0 <= given.min() <= given.max() < self.size:
            raise IndexError(f"indices {given.min()}..{given.max()} of a permutation of {self.size}")
        values = self._network(given.astype(np.uint64))
        limit = np.uint64(self.size)
        outside = np.flatnonzero(values >= limit)
        while outside.size:
            values[outside] = self._network(values[outside])
            outside = outside[values[outside] >= limit]
        return values.astype(np.int64).reshape(np.shape(indices))

    def _network(self, values: UInts) -> UInts:
        left, right = values >> self._right_bits, values & self._right_mask
        for number in range(0, ROUNDS, 2):
            left = left ^ (mix(right + self._keys[number]) & self._left_mask)
            right = right ^ (mix(left + self._keys[number + 1]) & self._right_mask)
        return (left << self._right_bits) | right


class BlockedPermutation:
    """A permutation that is computed `BLOCK` neighbouring indices at a time, and remembers the last few blocks.

    The same values, cheaper for who walks through it: the network's price is mostly that of its 100 array operations,
    whatever their length.

    Args:
        permutation: what is computed.
    """

    def __init__(self, permutation: Permutation) -> None:
        self._permutation = permutation
        self._block = lru_cache(maxsize=4)(self._make_block)

    def __call__(self, indices: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Where each index goes: int64, the shape of `indices`.

        Raises:
            IndexError: for an index outside 0 .. size - 1.
        """
        values = np.empty_like(indices)
        blocks, places = np.divmod(indices, BLOCK)
        for number in set(blocks.ravel().tolist()):
            chosen = blocks == number
            values[chosen] = self._block(number)[places[chosen]]
        return values

    def _make_block(self, number: int) -> npt.NDArray[np.int64]:
        start = number * BLOCK
        return self._permutation(np.arange(start, min(start + BLOCK, self._permutation.size)))
