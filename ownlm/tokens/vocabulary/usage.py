"""Where a vocabulary's tokens are used: how often, by how many repositories, and which only one repository has.

A token that a single repository uses over and over was learned from what that repository repeats: data in the clothes
of code, generated files, a copied licence. It is a sign of unclean data, and it takes the place of a useful token.

Counted in one pass over documents in a stream. Memory is a few numbers for each token and one for each repository.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ownlm.pipeline.progress import Progress
from ownlm.tokens.vocabulary.load import Vocabulary
from ownlm.tokens.vocabulary.sample import DocumentSample, draw_sample

MANY = 8
"""Repositories a token is counted in; of a token with more it is only known that they are as many."""
LEAST_BYTES = 16_000_000
BYTES_PER_TOKEN = 2048
"""The sample is encoded up to so many bytes for each token: enough to see the rarest many times."""
COLUMNS = ("source", "repo", "path", "content")


@dataclass(frozen=True)
class Alone:
    """A token that one repository has and no other.

    Attributes:
        token: its id.
        times: how often it occurs.
        documents: how many documents it occurs in.
        repository: the one.
        share: of all tokens counted, the share that this repository has.
        path: a document with it.
    """

    token: int
    times: int
    documents: int
    repository: str
    share: float
    path: str

    @property
    def surprise(self) -> float:
        """Bits: -log2 of the chance that so many occurrences, thrown at random, all meet this repository."""
        return -self.times * math.log2(self.share) if self.share < 1 else 0.0


@dataclass
class Usage:
    """Counts over documents; `add` them, then ask.

    Attributes:
        size: tokens of the vocabulary.
        documents: documents added.
        bytes: UTF-8 bytes of their content.
        times: how often each token occurs, int64 of length `size`.
        held_out: how often each token occurs in documents counted by `elsewhere`, int64 of length `size`.
        repositories: in how many repositories, at most `MANY`, int8 of length `size`.
    """

    size: int
    documents: int = 0
    bytes: int = 0
    _tokens_of: Counter[str] = field(default_factory=Counter)
    _first: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.times = np.zeros(self.size, np.int64)
        self.repositories = np.zeros(self.size, np.int8)
        self.held_out = np.zeros(self.size, np.int64)
        self._documents = np.zeros(self.size, np.int64)
        self._seen = np.full((self.size, MANY), -1, np.int32)
        self._numbers: dict[str, int] = {}

    def add(self, ids: Sequence[int], repository: str, path: str) -> None:
        """Count a document's tokens."""
        tokens, times = np.unique(np.array(ids, np.int64), return_counts=True)
        number = self._numbers.setdefault(repository, len(self._numbers))
        self.documents += 1
        self._tokens_of[repository] += len(ids)
        self.times[tokens] += times
        self._documents[tokens] += 1
        new = tokens[(self.repositories[tokens] < MANY) & (self._seen[tokens] != number).all(axis=1)]
        fresh = new[self.repositories[new] == 0]
        self._seen[new, self.repositories[new]] = number
        self.repositories[new] += 1
        self._first.update(dict.fromkeys(fresh.tolist(), path))

    def elsewhere(self, documents: Iterable[Sequence[int]]) -> None:
        """Count tokens of documents that are in no repository of the sample: held-out ones."""
        for ids in documents:
            self.held_out += np.bincount(np.array(ids, np.int64), minlength=self.size)

    @property
    def unused(self) -> npt.NDArray[np.int64]:
        """The ids that occur nowhere, special tokens among them."""
        return np.flatnonzero((self.times == 0) & (self.held_out == 0))

    @property
    def repository_count(self) -> int:
        """How many repositories the documents come from."""
        return len(self._numbers)

    @property
    def tokens(self) -> int:
        """Tokens counted."""
        return self._tokens_of.total()

    def alone(self, least: int) -> list[Alone]:
        """Tokens that occur `least` times or more, and only in one repository: the most surprising first."""
        names = list(self._numbers)
        found = []
        for token in np.flatnonzero((self.repositories == 1) & (self.times >= least)).tolist():
            repository = names[self._seen[token, 0]]
            share = self._tokens_of[repository] / self.tokens
            counts = int(self.times[token]), int(self._documents[token])
            found.append(Alone(token, *counts, repository, share, self._first[token]))
        return sorted(found, key=lambda one: (-one.surprise, one.token))


def usage_of(vocabulary: Vocabulary, sample: DocumentSample, progress: Progress) -> Usage:
    """Count over a sample, or over a smaller one drawn the same way where it is large."""
    budget = max(LEAST_BYTES, BYTES_PER_TOKEN * vocabulary.size)
    if sample.bytes > budget:
        sample = draw_sample(sample.table, sample.seed, budget, sample.weights)
    usage = Usage(vocabulary.size)
    with progress.task("vocabulary: counting tokens", total=sample.bytes, unit="bytes") as task:
        for batch in sample.batches(COLUMNS):
            for source, repo, path, text in _rows(batch):
                usage.add(vocabulary.encode(text), repo or source, path)
                size = len(text.encode())
                usage.bytes += size
                task.advance(size)
    return usage


def _rows(batch: pa.RecordBatch) -> Iterator[tuple[str, str, str, str]]:
    """The columns' values row by row; one text at a time."""
    source, repo, path, content = (batch.column(name) for name in COLUMNS)
    for row in range(batch.num_rows):
        yield source[row].as_py(), repo[row].as_py(), path[row].as_py(), content[row].as_py()
