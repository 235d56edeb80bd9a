"""From documents to weighted words: the sample a topic map is drawn of, its vocabulary, and TF-IDF."""

from __future__ import annotations

import hashlib
import heapq
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ownlm.data.lake.table import read_batches

MOST_CHARACTERS = 20_000
"""Of a document that are read: its start says what it is about."""
MOST_WORDS = 20_000
LEAST_DOCUMENTS = 3
KEYWORD_SHARE = 0.4
FEW = 20
"""Documents of a language below which its keywords cannot be told from its topics."""

_WORD = re.compile(r"[A-Z]?[a-z]{2,}|[A-Z]{3,}(?![a-z])|[^\W\d_a-zA-Z]{2,}")


@dataclass(frozen=True, order=True)
class Sampled:
    """A document of the sample."""

    repo: str
    path: str
    language: str
    content: str


def take_sample(folder: Path, sample: int, seed: int) -> list[Sampled]:
    """The `sample` documents of a table with the smallest hash of (seed, id), in the order of that hash."""

    best: list[tuple[int, Sampled]] = []  # a heap with the largest hash, negated, first
    for batch in read_batches(folder, ["id", "repo", "path", "language", "content"]):
        named = zip(*(batch.column(name).to_pylist() for name in ("id", "repo", "path", "language")), strict=True)
        for row, (identity, repo, path, language) in enumerate(named):
            key = -_number(f"{seed} {identity} {repo} {path}")
            if len(best) < sample or key > best[0][0]:
                content = batch.column("content")[row].as_py()[:MOST_CHARACTERS]
                (heapq.heappush if len(best) < sample else heapq.heapreplace)(
                    best, (key, Sampled(repo, path, language, content))
                )
    return [document for _, document in sorted(best, key=lambda entry: -entry[0])]


def _number(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "big")


def words_of(text: str) -> list[str]:
    """Words in identifiers and prose, in lower case.

    >>> words_of("getHTTPResponse(user_id2, 'café')")
    ['get', 'http', 'response', 'user', 'id', 'caf']
    """
    return [word.lower() for word in _WORD.findall(text)]


def weighted(documents: Sequence[Sampled]) -> tuple[list[str], Any]:
    """The vocabulary in alphabetic order, and TF-IDF weights, documents x words, rows of length 1 (sparse)."""
    from scipy.sparse import csr_matrix

    counts = [Counter(words_of(document.content)) for document in documents]
    words = _vocabulary(documents, counts)
    number = {word: index for index, word in enumerate(words)}
    rows: list[dict[int, float]] = []
    seen = np.zeros(len(words))
    for found in counts:
        rows.append({number[word]: 1 + float(np.log(count)) for word, count in found.items() if word in number})
        seen[list(rows[-1])] += 1
    rarity = np.log((1 + len(documents)) / (1 + seen)) + 1
    indices = [np.array(sorted(row), dtype=np.int64) for row in rows]
    values = [np.array([row[index] for index in sorted(row)]) * rarity[sorted(row)] for row in rows]
    values = [value / max(float(np.sqrt((value * value).sum())), 1e-12) for value in values]
    ends = np.cumsum([0, *map(len, indices)])
    data, columns = (np.concatenate([*parts, []]) for parts in (values, indices))
    return words, csr_matrix((data, columns.astype(np.int64), ends), shape=(len(documents), len(words)))


def _vocabulary(documents: Sequence[Sampled], counts: Sequence[Counter[str]]) -> list[str]:
    """Words of some documents, but not of most documents of a language: those are its keywords."""
    total: Counter[str] = Counter()
    by_language: dict[str, Counter[str]] = {}
    sizes = Counter(document.language for document in documents)
    for document, found in zip(documents, counts, strict=True):
        total.update(found.keys())
        by_language.setdefault(document.language, Counter()).update(found.keys())
    keywords = {
        word
        for language, found in by_language.items()
        for word, count in found.items()
        if sizes[language] >= FEW and count > KEYWORD_SHARE * sizes[language]
    }
    known = [word for word, count in total.items() if count >= LEAST_DOCUMENTS and word not in keywords]
    return sorted(sorted(known, key=lambda word: (-total[word], word))[:MOST_WORDS])
