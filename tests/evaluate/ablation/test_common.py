from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from ownlm.errors import CorpusError
from ownlm.evaluate.ablation.common import common_documents
from ownlm.tokens.shards.reader import ShardReader
from ownlm.tokens.vocabulary.load import Vocabulary
from tests.tokens.corpora import pack_texts, program, small, train_vocabulary

TEXTS = [program(seed) for seed in range(5000, 5012)]


def _splits(path: Path, splits: Mapping[str, Sequence[int]], vocabulary: Vocabulary) -> dict[str, ShardReader]:
    return {
        name: pack_texts(path / name, [TEXTS[number] for number in numbers], vocabulary)
        for name, numbers in splits.items()
    }


@pytest.fixture
def sets(tmp_path: Path) -> tuple[dict[str, ShardReader], dict[str, ShardReader], Vocabulary, Vocabulary]:
    """A holds out 0-5, B 2-7; B trains on 3, A on 4 (twice there, held out and trained on)."""
    corpus, own, _ = small()
    other = Vocabulary.load(train_vocabulary(tmp_path, corpus, name="other", size=480))
    a = {"train": [4, 10], "heldout_repos": [0, 1, 2], "heldout_files": [3, 4, 5]}
    b = {"train": [3, 11], "heldout_repos": [2, 3], "heldout_files": [4, 5, 6, 7]}
    return _splits(tmp_path / "a", a, own), _splits(tmp_path / "b", b, other), own, other


def test_what_either_trained_on_is_left_out_and_counted(
    sets: tuple[dict[str, ShardReader], dict[str, ShardReader], Vocabulary, Vocabulary],
) -> None:
    a, b, own, other = sets
    found = common_documents(a, b, own, 10**6, 10**6, 0)
    assert sorted(text for _, text in found.documents) == sorted([TEXTS[2], TEXTS[5]])
    assert found.counts == {
        "held_out_by_own": 6,
        "held_out_by_other": 6,
        "held_out_by_both": 4,
        "trained_on": 2,
        "damaged": 0,
        "documents": 2,
        "bytes": len((TEXTS[2] + TEXTS[5]).encode()),
    }
    turned = common_documents(b, a, other, 10**6, 10**6, 0)
    assert [text for _, text in turned.documents] == [text for _, text in found.documents]
    assert [span.id for span, _ in turned.documents] == [span.id for span, _ in found.documents]


def test_texts_are_cut_at_whole_characters_and_enough_is_enough(
    sets: tuple[dict[str, ShardReader], dict[str, ShardReader], Vocabulary, Vocabulary],
) -> None:
    a, b, own, other = sets
    for size in range(200, 260):
        cut = common_documents(a, b, own, 10**6, size, 0)
        assert [text for _, text in cut.documents] == [
            text for _, text in common_documents(b, a, other, 10**6, size, 0).documents
        ]
        assert all(size - 3 <= len(text.encode()) <= size for _, text in cut.documents)
    assert common_documents(a, b, own, 10, 10**6, 0).counts["documents"] == 1


def test_nothing_in_common_is_one_clear_error(tmp_path: Path) -> None:
    vocabulary = small()[1]
    a = _splits(tmp_path / "a", {"train": [1], "heldout_files": [0]}, vocabulary)
    b = _splits(tmp_path / "b", {"train": [0], "heldout_files": [0, 2]}, vocabulary)
    with pytest.raises(CorpusError, match="1 by both, of which 1 are trained on"):
        common_documents(a, b, vocabulary, 10**6, 10**6, 0)
    shutil.rmtree(tmp_path / "a")
