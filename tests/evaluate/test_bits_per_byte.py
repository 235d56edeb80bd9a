from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ownlm.evaluate.bits_per_byte import measure_split
from ownlm.evaluate.config import BitsPerByte
from ownlm.pipeline.progress import SilentProgress, Task
from ownlm.tokens.shards.reader import ShardReader
from tests.tokens.corpora import pack_texts, small


class Fixed:
    """Gives every token the same probability."""

    def __init__(self, log2: float) -> None:
        self.log2 = log2
        self.seen: list[list[int]] = []

    def log2_probabilities(self, documents: Sequence[NDArray[Any]], task: Task) -> list[NDArray[np.float64]]:
        self.seen += [document.tolist() for document in documents]
        return [np.full(len(document), self.log2) for document in documents]

    def complete(self, prompts: Sequence[list[int]], limit: int, stops: frozenset[int], task: Task) -> list[list[int]]:
        raise NotImplementedError


def test_bits_of_all_tokens_over_bytes_of_all_documents() -> None:
    _, vocabulary, shards = small()
    reader = ShardReader(shards / "heldout_repos")
    ours, other = Fixed(-3.0), Fixed(-9.0)
    settings = BitsPerByte(max_tokens=10**6)
    found = measure_split(
        "s", reader, {"model": ours, "ngram": other}, vocabulary.token_bytes, settings, SilentProgress()
    )
    assert found.tokens == reader.total_tokens - reader.documents
    assert found.bytes == reader.total_bytes
    assert found.documents == reader.documents
    assert found.bits_per_byte["model"] == pytest.approx(3 * found.tokens / reader.total_bytes)
    assert found.bits_per_byte["ngram"] == pytest.approx(9 * found.tokens / reader.total_bytes)
    assert ours.seen == other.seen
    low, high = found.intervals["model"]
    assert low <= found.bits_per_byte["model"] <= high


def test_figures_by_repository_are_of_our_model() -> None:
    _, vocabulary, shards = small()
    reader = ShardReader(shards / "heldout_repos")
    found = measure_split(
        "s",
        reader,
        {"model": Fixed(-2.0), "ngram": Fixed(0.0)},
        vocabulary.token_bytes,
        BitsPerByte(max_tokens=10**6),
        SilentProgress(),
    )
    assert set(found.by_repo) == {reader.document(index).repo for index in range(reader.documents)}
    assert found.repos == len(found.by_repo)
    assert found.by_language == {"Python": pytest.approx(found.bits_per_byte["model"])}
    assert min(found.by_repo.values()) <= found.bits_per_byte["model"] <= max(found.by_repo.values())


def test_a_cut_document_counts_the_bytes_it_was_cut_to(tmp_path: Any) -> None:
    _, vocabulary, _ = small()
    reader = pack_texts(tmp_path, ["größe = état\n" * 200], vocabulary)
    found = measure_split(
        "s",
        reader,
        {"model": Fixed(-1.0)},
        vocabulary.token_bytes,
        BitsPerByte(max_tokens=100, document_tokens=40),
        SilentProgress(),
    )
    assert found.tokens == 40
    tokens = reader.tokens[1:41].tolist()
    assert found.bytes == len(vocabulary.decode_bytes(tokens))
