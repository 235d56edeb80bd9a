"""Draw a seeded sample of documents that depends on the documents alone, not on their order or files.

Each document has a number u in [0, 1) from hash(seed, id). Of one of weight w the copies k = 0, 1, ... have the numbers
(u + k) / w, as far as these are below 1. The sample is the longest run of copies, in the order of their numbers, that
fits the budget. So a document of twice the weight is twice as likely to be drawn (systematic sampling: of expected
copies w t up to the number t), none is drawn twice while it can be helped, and a sample of everything has every
document w times on average. Found in one pass over ids and sizes, in memory of the order of the sample's rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from ownlm.tokens.corpus import CorpusTable
from ownlm.tokens.shards.mixture import copies

_COMPACT_AT = 65_536
ONE = 1 << 64
"""What the integers that stand for numbers in [0, 1) are out of."""


def languages_in(table: CorpusTable) -> set[str]:
    """The languages of a table's documents."""
    return {name for batch in table.batches(["language"]) for name in batch.column("language").unique().to_pylist()}


@dataclass(frozen=True)
class Weights:
    """How much documents count in a sample.

    Attributes:
        sources: the weights of sources by name, where not 1: their documents are drawn from as often as they are
            packed into shards, and one that is not packed is not drawn.
        languages: the weights of languages by name, where not 1; they multiply those of sources. 0 leaves one out.
    """

    sources: Mapping[str, float] = field(default_factory=dict)
    languages: Mapping[str, float] = field(default_factory=dict)

    @property
    def columns(self) -> list[str]:
        """The columns a document's weight depends on, besides `id`."""
        return ["source"] * bool(self.sources) + ["language"] * bool(self.languages)

    def of(self, batch: pa.RecordBatch) -> list[float]:
        """The weight of every row."""
        weights = [1.0] * batch.num_rows
        if self.sources:
            pairs = zip(batch.column("source").to_pylist(), batch.column("id").to_pylist(), strict=True)
            weights = [float(copies(self.sources.get(source, 1.0), identity)) for source, identity in pairs]
        if self.languages:
            found = zip(weights, batch.column("language").to_pylist(), strict=True)
            weights = [weight * self.languages.get(language, 1.0) for weight, language in found]
        return weights


EVEN = Weights()


@dataclass(frozen=True)
class DocumentSample:
    """A chosen sample: iterate over it to read its texts.

    Attributes:
        table: where they are.
        seed: the sample's seed.
        limit: copies with a smaller number are in; numbers are integers out of 2**64.
        documents: how many, every copy counted.
        bytes: UTF-8 bytes of their content.
        weights: what they were drawn with.
    """

    table: CorpusTable
    seed: int
    limit: int
    documents: int
    bytes: int
    weights: Weights = EVEN

    def __iter__(self) -> Iterator[str]:
        for batch in self.batches(["content"]):
            for content in batch.column("content"):
                yield content.as_py()

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The chosen rows with these columns and `id`, as stored; those with more copies come again, batch by batch."""
        for batch in self.table.batches([*dict.fromkeys(["id", *self.weights.columns, *columns])]):
            rows = zip(batch.column("id").to_pylist(), self.weights.of(batch), strict=True)
            counts = [_copies_below(self.limit, _number(self.seed, identity), weight) for identity, weight in rows]
            for number in range(max(counts, default=0)):
                yield batch.filter(pa.array([count > number for count in counts]))


def draw_sample(table: CorpusTable, seed: int, budget: int, weights: Weights = EVEN) -> DocumentSample:
    """Choose documents of at most `budget` bytes in all. Equal contents share a number: in or out together."""
    held: list[tuple[int, int]] = []
    limit, compact_at = ONE, _COMPACT_AT
    for batch in table.batches(["id", "size", *weights.columns]):
        columns = (batch.column("id").to_pylist(), batch.column("size").to_pylist(), weights.of(batch))
        for identity, size, weight in zip(*columns, strict=True):
            number = _number(seed, identity)
            if weight == 1.0:
                if number < limit:
                    held.append((number, size))
            else:
                held.extend((one, size) for one in _numbers(number, weight, limit))
        if len(held) >= compact_at:
            held, limit = _cut_off(held, limit, budget)
            compact_at = max(_COMPACT_AT, 2 * len(held))
    held, limit = _cut_off(held, limit, budget)
    return DocumentSample(table, seed, limit, len(held), sum(size for _, size in held), weights)


def _cut_off(held: list[tuple[int, int]], limit: int, budget: int) -> tuple[list[tuple[int, int]], int]:
    """Keep the smallest numbers that fit the budget; the first that does not is the new limit."""
    held.sort()
    total = 0
    for number, size in held:
        total += size
        if total > budget:
            return [entry for entry in held if entry[0] < number], number
    return held, limit


def _numbers(number: int, weight: float, limit: int) -> list[int]:
    """The numbers below `limit` of the copies of a document: exact, for a float is a fraction."""
    parts, whole = weight.as_integer_ratio()
    return [(number + k * ONE) * whole // parts for k in range(_copies_below(limit, number, weight))]


def _copies_below(limit: int, number: int, weight: float) -> int:
    """How many of those there are: k with (number + k * ONE) / weight < limit."""
    parts, whole = weight.as_integer_ratio()
    return max(0, -((number * whole - limit * parts) // (whole * ONE)))


def _number(seed: int, identity: str) -> int:
    digest = hashlib.blake2b(identity.encode(), digest_size=8, key=seed.to_bytes(8, "little"), person=b"ownlm.sample")
    return int.from_bytes(digest.digest(), "little")
