"""Declarations by the words of their names: BM25 over the parts of identifiers.

    parseHTTPAddress   ─►  parse, http, address, parsehttpaddress      (a name's own words, and all of it as one)

A declaration's document: its name (three times), its owner's, the words of its signature, of its file's path. Score:
sum over the query's words of idf * tf * (k + 1) / (tf + k * (1 - b + b * length / mean)), Robertson and Zaragoza 2009,
each weighed by how near the cursor it stands. An index never changes: one with other files is another.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log

import numpy as np
import numpy.typing as npt

from ownlm.serve.prompt.repository.declarations import Declaration

K, B = 1.2, 0.5
NAME_WEIGHT = 3
COMMON = 0.1
"""Words in more than this share of all declarations tell nothing (get, value), once there are a few hundred."""

_IDENTIFIER = re.compile(r"[^\W\d]\w*")
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_]+|\d+")


@dataclass(frozen=True, slots=True)
class Placed:
    """A declaration, and where it is: its file, and which of the file's it is."""

    path: str
    number: int
    declaration: Declaration


def words_in(text: str) -> Counter[str]:
    """Identifiers of a text, whole and in parts, in lower case."""
    found: Counter[str] = Counter()
    for identifier, times in Counter(_IDENTIFIER.findall(text)).items():
        for word in parts_of(identifier):
            found[word] += times
    return found


def parts_of(identifier: str) -> set[str]:
    """`parseHTTPAddress` -> parse, http, address, parsehttpaddress."""
    parts = {part.lower() for part in _PARTS.findall(identifier)} | {identifier.lower().strip("_")}
    return {part for part in parts if len(part) > 1}


class Index:
    """Declarations of one repository.

    Args:
        files: declarations by path.
    """

    def __init__(self, files: Mapping[str, Sequence[Declaration]]) -> None:
        self.paths = frozenset(files)
        self.placed = [
            Placed(path, number, declaration)
            for path in sorted(files)
            for number, declaration in enumerate(files[path])
        ]
        postings: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
        lengths = np.ones(len(self.placed), np.float32)
        of_path = {path: words_in(path.rsplit(".", 1)[0].replace("/", " ")) for path in files}
        for row, placed in enumerate(self.placed):
            words = _document(placed.declaration) + of_path[placed.path]
            lengths[row] = words.total()
            for word, times in words.items():
                postings[word].append((row, times))
        rows_of: defaultdict[str, list[int]] = defaultdict(list)
        for row, placed in enumerate(self.placed):
            rows_of[placed.path].append(row)
        self._rows_of = dict(rows_of)
        self._weights = _weights(postings, lengths)

    def best(self, query: Mapping[str, float], count: int, without: str = "") -> list[tuple[Placed, float]]:
        """The declarations that fit best, the best first, with their scores.

        Args:
            query: words with their weights.
            count: most of them.
            without: path of a file whose own are left out.
        """
        if not self.placed:
            return []
        scores = np.zeros(len(self.placed), np.float32)
        for word, weight in query.items():
            found = self._weights.get(word)
            if found is not None:
                scores[found[0]] += weight * found[1]
        scores[self._rows_of.get(without, [])] = 0
        return [(self.placed[row], float(scores[row])) for row in _highest(scores, count) if scores[row] > 0]


def _highest(scores: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.int64]:
    """Rows of the highest scores, the highest first, equal ones by row."""
    if len(scores) > count:
        least = np.partition(scores, -count)[-count]
        rows = np.flatnonzero(scores >= max(least, np.float32(1e-6)))
    else:
        rows = np.arange(len(scores))
    return rows[np.lexsort((rows, -scores[rows]))][:count]


def _document(declaration: Declaration) -> Counter[str]:
    words = words_in(declaration.signature)
    for word in parts_of(declaration.name):
        words[word] += NAME_WEIGHT
    words.update(words_in(declaration.owner).keys())
    return words


def _weights(
    postings: Mapping[str, list[tuple[int, int]]], lengths: npt.NDArray[np.float32]
) -> dict[str, tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]]:
    """Word -> (rows, what the word is worth in each)."""
    count = len(lengths)
    most = max(50, int(count * COMMON))
    norm = K * (1 - B + B * lengths / lengths.mean()) if count else lengths
    found = {}
    for word, pairs in postings.items():
        if len(pairs) > most:
            continue
        rows = np.fromiter((row for row, _ in pairs), np.int32, len(pairs))
        times = np.fromiter((times for _, times in pairs), np.float32, len(pairs))
        idf = log(1 + (count - len(pairs) + 0.5) / (len(pairs) + 0.5))
        found[word] = (rows, (idf * times * (K + 1) / (times + norm[rows])).astype(np.float32))
    return found
