"""The exact similarity of candidates: how many shingles two documents share, counted, not estimated.

The documents of all candidate pairs are read once, row group by row group in the process pool, and their shingle sets
written to one scratch file (8 bytes a shingle, about as much as the text itself); pairs are then compared in the pool
by that file, mapped. Memory: the row groups under way and a chunk of pairs a worker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ownlm.data.clean.dedup.keys import Corpus, Part, Rows
from ownlm.data.clean.dedup.near_shingles import shingles_of
from ownlm.data.clean.dedup.words import Hashes
from ownlm.data.lake.pool import Board, TaskPool, open_task_pool
from ownlm.data.lake.table import writing_to

_HASH = np.dtype("<u8")
_PAIRS_AT_ONCE = 1 << 14
_BYTES_PER_WORKER, _PAIRS_PER_WORKER = 256 << 20, 200_000  # starting a worker costs about as much as this work


def jaccard(one: Hashes, two: Hashes) -> float:
    """|A and B| / |A or B| of two ascending sets, not both empty."""
    if len(one) > len(two):
        one, two = two, one
    places = np.searchsorted(two, one)
    shared = int(np.count_nonzero(two[np.minimum(places, len(two) - 1)] == one))
    return shared / (len(one) + len(two) - shared)


def _similarities(file: Path, places: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    hashes = np.memmap(file, _HASH, "r").view(np.ndarray)
    pairs = (
        jaccard(hashes[start : start + count], hashes[other : other + other_count])
        for start, count, other, other_count in places.tolist()
    )
    return np.fromiter(pairs, np.float64, len(places))


_Reader = Callable[[Part], tuple[npt.NDArray[np.int64], Hashes]]
_Comparer = Callable[[npt.NDArray[np.int64]], npt.NDArray[np.float64]]


def _sets_of(ngram: int, part: Part) -> tuple[npt.NDArray[np.int64], Hashes]:
    sets = list(shingles_of(part.contents(), ngram).sets())
    return np.array([len(one) for one in sets], np.int64), np.concatenate(sets)


class Verifier:
    """Reads documents and compares them; made by `open_verifier`.

    Args:
        corpus: where the documents are.
        file: for their shingle sets, one after the other, in no particular order.
        pool: workers that know `reader` and `comparer`.
        reader: row group -> shingle sets.
        comparer: places of pairs in the file -> similarities.
    """

    def __init__(self, corpus: Corpus, file: Path, pool: TaskPool, reader: _Reader, comparer: _Comparer) -> None:
        self._corpus, self._file, self._pool = corpus, file, pool
        self._reader, self._comparer = reader, comparer
        self._starts = self._counts = np.empty(0, np.int64)

    def read(self, rows: Rows) -> None:
        """Read the documents in `rows` (ascending): from now on, document d is rows[d].

        Raises:
            ArtifactError: a table cannot be read.
            StorageError: the disk is full.
            OwnlmError: a worker process was killed.
        """
        parts = list(self._corpus.parts(rows))
        workers = min(self._corpus.workers, sum(part.group.bytes for part in parts) // _BYTES_PER_WORKER)
        self._starts, self._counts = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
        written = 0
        shown = self._corpus.progress.task("comparing", len(rows), "documents")
        with writing_to(self._file.parent), shown as task, self._file.open("wb") as stream:
            for number, (sizes, hashes) in self._pool.map(self._reader, parts, Board(), workers=workers):
                here = slice(parts[number].first, parts[number].first + len(sizes))
                self._counts[here] = sizes
                self._starts[here] = written + np.cumsum(sizes) - sizes
                stream.write(np.ascontiguousarray(hashes, _HASH).data)
                written += len(hashes)
                task.advance(len(sizes))

    def similarities(self, one: Rows, two: Rows) -> npt.NDArray[np.float64]:
        """The Jaccard similarity of each pair of documents, given by their numbers.

        Raises:
            OwnlmError: a worker process was killed.
        """
        found = np.empty(len(one), np.float64)
        cuts = range(0, len(one), _PAIRS_AT_ONCE)
        places = np.stack([self._starts[one], self._counts[one], self._starts[two], self._counts[two]], axis=1)
        tasks = [places[start : start + _PAIRS_AT_ONCE] for start in cuts]
        workers = min(self._corpus.workers, len(one) // _PAIRS_PER_WORKER)
        for number, part in self._pool.map(self._comparer, tasks, Board(), workers=workers):
            found[cuts[number] : cuts[number] + len(part)] = part
        return found


@contextmanager
def open_verifier(corpus: Corpus, ngram: int, file: Path) -> Iterator[Verifier]:
    """A verifier with workers of its own.

    Raises:
        OwnlmError: a worker process was killed.
    """
    reader, comparer = partial(_sets_of, ngram), partial(_similarities, file)
    with open_task_pool((reader, comparer), (), corpus.workers) as pool:
        yield Verifier(corpus, file, pool, reader, comparer)
