"""One training, many sizes: the same vocabularies and the same counts as training and encoding each size apart."""

from __future__ import annotations

import json
import random
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from ownlm.errors import CorpusError
from ownlm.pipeline.progress import SilentProgress
from ownlm.tokens.vocabulary import sweep as module
from ownlm.tokens.vocabulary.config import VocabularyConfig, VocabularyStage
from ownlm.tokens.vocabulary.cut import cut, untrained
from ownlm.tokens.vocabulary.encode import byte_characters, obstacle
from ownlm.tokens.vocabulary.load import Vocabulary
from ownlm.tokens.vocabulary.special import SpecialTokens
from ownlm.tokens.vocabulary.sweep import Sweep, parts, step_down, sweep
from ownlm.tokens.vocabulary.train import train_tokenizer
from tests.tokens.corpora import program, train_vocabulary, write_corpus, write_table
from tests.tokens.strategies import any_text, code_like

SPECIAL = SpecialTokens().count
BARE = SPECIAL + 256
DIGITS = ("single", "triple")


class _Texts(list[str]):
    """As much of a sample as training needs."""

    bytes = 1


def _train(texts: list[str], size: int, digits: str = "single") -> Tokenizer:
    config = VocabularyConfig(size=size, digits=digits)  # type: ignore[arg-type]
    return train_tokenizer(_Texts(texts), config, SilentProgress())  # type: ignore[arg-type]


def _varied() -> list[str]:
    """Programs, and words of a few letters: enough pairs for 900 tokens."""
    random_ = random.Random(5)
    words = ["".join(random_.choices("aeinorst_", k=random_.randint(2, 9))) for _ in range(600)]
    return [program(seed) for seed in range(80)] + [" ".join(words)] * 2


@cache
def large(digits: str) -> Tokenizer:
    return _train(_varied(), 900, digits)


@pytest.mark.parametrize("digits", DIGITS)
@pytest.mark.parametrize("size", [BARE + 32, 500, 501, 899, 900])
def test_a_cut_vocabulary_is_the_one_trained_apart(digits: str, size: int) -> None:
    apart = _train(_varied(), size, digits)
    assert cut(large(digits), size).to_str(pretty=True) == apart.to_str(pretty=True)


@settings(max_examples=20)
@given(st.randoms(use_true_random=False), st.integers(1, 60))
def test_a_cut_vocabulary_of_random_words_is_the_one_trained_apart(random_: random.Random, more: int) -> None:
    """Few letters: many pairs of equal counts, and words that overlap themselves."""
    letters = "abc"[: random_.randint(1, 3)]
    words = ["".join(random_.choices(letters, k=random_.randint(1, 12))) for _ in range(40)]
    texts = [" ".join(words)] * 2
    whole = _train(texts, 2000)
    size = min(BARE + more, whole.get_vocab_size())
    assert cut(whole, size).to_str() == _train(texts, size).to_str()


def test_a_merge_that_makes_a_known_token_again_is_cut_behind_the_last_token() -> None:
    """Training stops at the size: a repetition behind the last token it made is not learned any more."""
    description = json.loads(large("single").to_str())
    texts = ["ab", "bc", "abc", "abcd"]
    known = [text for text, number in description["model"]["vocab"].items() if number < BARE]
    description["model"]["vocab"] = {text: number for number, text in enumerate([*known, *texts])}
    description["model"]["merges"] = [["a", "b"], ["b", "c"], ["ab", "c"], ["a", "bc"], ["abc", "d"]]
    made = Tokenizer.from_str(json.dumps(description))

    def merges(size: int) -> list[list[str]]:
        found: list[list[str]] = json.loads(cut(made, size).to_str())["model"]["merges"]
        return found

    assert [len(merges(BARE + more)) for more in range(5)] == [0, 1, 2, 3, 5]


texts = any_text | code_like | st.text("aeinorst_ ", max_size=80)


@settings(max_examples=40)
@given(st.sampled_from(DIGITS), st.lists(texts, min_size=1, max_size=6), st.sampled_from([BARE, 385, 420, 650, 899]))
def test_stepping_down_counts_what_encoding_does(digits: str, drawn: list[str], size: int) -> None:
    made = large(digits)
    description = json.loads(made.to_str())
    assert obstacle(description) is None
    counts = np.stack([_counted(loaded(digits, 900), text) for text in drawn])
    for found, smaller in step_down(counts, parts(description)):
        if found == size:
            assert smaller.tolist() == [_counted(loaded(digits, size), text).tolist() for text in drawn]
            break
    else:
        raise AssertionError("that size was not given")


@cache
def loaded(digits: str, size: int) -> Vocabulary:
    return Vocabulary(cut(large(digits), size), SpecialTokens(), "")


def _counted(vocabulary: Vocabulary, text: str) -> np.ndarray:
    return np.bincount(np.asarray(vocabulary.encode(text), np.int64), minlength=vocabulary.size)


def test_stepping_down_gives_every_size_and_leaves_what_it_was_given() -> None:
    pairs = parts(json.loads(large("single").to_str()))
    counts = np.ones((1, 900), np.int64)
    assert [size for size, _ in step_down(counts, pairs)] == list(range(900, BARE - 1, -1))
    assert counts.sum() == 900


TRAIN = [program(seed) for seed in range(120)]
HELD_OUT = {"Python": [program(seed) for seed in range(2000, 2006)], "C": ["int größe(int x) { return x; }\n" * 9]}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_corpus(tmp_path_factory.mktemp("sweep") / "corpus", {"train": TRAIN})
    for language, texts in {**HELD_OUT, "Text": [""]}.items():
        write_table(folder / "heldout_files", texts, language=language)
    return folder


def _stage(**settings: object) -> VocabularyStage:
    return VocabularyStage(vocabulary=VocabularyConfig(**({"size": 5000} | settings)))  # type: ignore[arg-type]


def _swept(corpus: Path, **settings: object) -> Sweep:
    return sweep(corpus, _stage(**settings), [540, 430, 540, 480], SilentProgress())


@pytest.mark.parametrize("apart", [False, True])
def test_the_figures_are_those_of_each_size_trained_and_encoded_apart(
    tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch, apart: bool
) -> None:
    if apart:
        monkeypatch.setattr(module, "obstacle", lambda description: "a reason")
    found = _swept(corpus)
    assert [one.size for one in found.sizes] == [430, 480, 540]
    assert found.split == "heldout_files"
    assert list(found.bytes) == ["Python", "C"], "the most first; a language without a byte is left out"
    assert found.sample.documents == 120
    for one in found.sizes:
        vocabulary = Vocabulary.load(train_vocabulary(tmp_path, corpus, name=f"v{one.size}", size=one.size))
        ids = {name: [i for text in texts for i in vocabulary.encode(text)] for name, texts in HELD_OUT.items()}
        assert one.tokens == {**{name: len(found) for name, found in ids.items()}, "Text": 0}
        used = {i for found in (*ids.values(), *vocabulary.encode_batch(TRAIN)) for i in found}
        assert one.never_used == len(set(range(BARE, one.size)) - used)
        total = sum(len(text.encode()) for texts in HELD_OUT.values() for text in texts)
        assert found.bytes_per_token(one) == total / sum(map(len, ids.values()))
        size = sum(len(text.encode()) for text in HELD_OUT["C"])
        assert found.bytes_per_token(one, "C") == size / len(ids["C"])
    if apart:
        assert found.curve == []
    else:
        assert found.curve[-1] == found.sizes[-1]
        assert found.curve[0].size == BARE
        lengths = [sum(one.tokens.values()) for one in found.curve]
        assert lengths == sorted(lengths, reverse=True)


def test_the_vocabulary_is_learned_with_the_weights_of_the_stage(corpus: Path) -> None:
    stage = VocabularyStage(vocabulary=VocabularyConfig(size=450), weights={"test": 2.0})
    assert sweep(corpus, stage, [450], SilentProgress()).sample.documents == 240


def test_without_held_out_documents_the_sample_is_measured(tmp_path: Path) -> None:
    folder = write_corpus(tmp_path / "corpus", {"train": TRAIN[:40]})
    found = sweep(folder, _stage(), [450], SilentProgress())
    assert found.split == "train"
    assert found.bytes == {"Python": sum(len(text.encode()) for text in TRAIN[:40])}


def test_a_size_the_documents_do_not_fill_is_refused_with_the_largest_one(corpus: Path) -> None:
    with pytest.raises(CorpusError, match=r"yield a vocabulary of (\d+), not 50000") as caught:
        sweep(corpus, _stage(), [450, 50_000], SilentProgress())
    largest = int(str(caught.value).split("vocabulary of ")[1].split(",")[0])
    assert f"ask for sizes up to {largest}" in str(caught.value)
    assert sweep(corpus, _stage(), [largest], SilentProgress()).sizes[0].size == largest


def test_the_bytes_are_what_no_merge_made() -> None:
    description = json.loads(large("single").to_str())
    assert untrained(description) == {*SpecialTokens().names, *byte_characters()}
