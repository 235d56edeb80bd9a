"""Inputs of two sources in two languages."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ownlm.tokens.shards.writer import ShardWriter
from tests.train.inputs import document, make_vocabulary


def make_mixed(path: Path, documents: int = 60) -> Path:
    """`path/vocabulary` and `path/shards`: even documents from source a, odd ones from b; every third is C."""
    vocabulary = make_vocabulary(path / "vocabulary")
    for split, numbers in (("train", range(documents)), ("heldout_files", range(1000, 1012))):
        with ShardWriter(
            path / "shards" / split,
            vocabulary_size=vocabulary.size,
            vocabulary=vocabulary.content,
            shard_bytes=10_000,
        ) as writer:
            for number in numbers:
                text = document(number)
                row = {
                    "id": hashlib.sha256(text.encode()).hexdigest(),
                    "source": "ab"[number % 2],
                    "repo": f"repo{number % 5}",
                    "path": f"file{number}.py",
                    "language": "Python" if number % 3 else "C",
                }
                writer.add(row, [vocabulary.special.end_of_text, *vocabulary.encode(text)], len(text.encode()))
    return path
