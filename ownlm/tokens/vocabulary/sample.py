"""Draw a seeded sample of documents that depends on the documents alone, not on their order or files.

Each document has a number from hash(seed, id); the sample is the longest run of documents in the order of these
numbers that fits the budget. Found in one pass over ids and sizes, in memory of the order of the sample's rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from ownlm.tokens.corpus import CorpusTable

_COMPACT_AT = 65_536


@dataclass(frozen=True)
class DocumentSample:
    """A chosen sample: iterate over it to read its texts.

    Attributes:
        table: where they are.
        seed: the sample's seed.
        limit: documents with a smaller number are in.
        documents: how many.
        bytes: UTF-8 bytes of their content.
    """

    table: CorpusTable
    seed: int
    limit: int
    documents: int
    bytes: int

    def __iter__(self) -> Iterator[str]:
        for batch in self.batches(["content"]):
            for content in batch.column("content"):
                yield content.as_py()

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The chosen rows with these columns and `id`, as stored."""
        for batch in self.table.batches([*dict.fromkeys(["id", *columns])]):
            identities = batch.column("id").to_pylist()
            yield batch.filter(pa.array([_number(self.seed, identity) < self.limit for identity in identities]))


def draw_sample(table: CorpusTable, seed: int, budget: int) -> DocumentSample:
    """Choose documents of at most `budget` bytes in all. Equal contents share a number: in or out together."""
    held: list[tuple[int, int]] = []
    limit, compact_at = 2**64, _COMPACT_AT
    for batch in table.batches(["id", "size"]):
        for identity, size in zip(batch.column("id").to_pylist(), batch.column("size").to_pylist(), strict=True):
            number = _number(seed, identity)
            if number < limit:
                held.append((number, size))
        if len(held) >= compact_at:
            held, limit = _cut_off(held, limit, budget)
            compact_at = max(_COMPACT_AT, 2 * len(held))
    held, limit = _cut_off(held, limit, budget)
    return DocumentSample(table, seed, limit, len(held), sum(size for _, size in held))


def _cut_off(held: list[tuple[int, int]], limit: int, budget: int) -> tuple[list[tuple[int, int]], int]:
    """Keep the smallest numbers that fit the budget; the first that does not is the new limit."""
    held.sort()
    total = 0
    for number, size in held:
        total += size
        if total > budget:
            return [entry for entry in held if entry[0] < number], number
    return held, limit


def _number(seed: int, identity: str) -> int:
    digest = hashlib.blake2b(identity.encode(), digest_size=8, key=seed.to_bytes(8, "little"), person=b"ownlm.sample")
    return int.from_bytes(digest.digest(), "little")
