"""Long words in blocks: the ids of merging them at once, and work that grows with their length alone."""

from __future__ import annotations

import json
import random
from functools import cache

import fastokens
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, pre_tokenizers

from ownlm.tokens.vocabulary import long_words as module
from ownlm.tokens.vocabulary.encode import _ONE_WORD, PATTERNS
from ownlm.tokens.vocabulary.long_words import LongWords, stretches
from tests.tokens.strategies import any_text, code_like
from tests.tokens.vocabulary.test_encode import tokenizer


@cache
def whole() -> tuple[Tokenizer, fastokens.Tokenizer, dict[int, int]]:
    """What takes any text for one word: the definition, and the engine; and the bytes of each id."""
    description = json.loads(tokenizer(700, "single").to_str())
    text = json.dumps({**description, "pre_tokenizer": _ONE_WORD})
    reference = Tokenizer.from_str(text)
    reference.encode_special_tokens = True
    vocabulary = description["model"]["vocab"]
    return reference, fastokens.Tokenizer.from_json_str(text), {number: len(one) for one, number in vocabulary.items()}


class Counted:
    """Merges at once, and counts what it is given."""

    def __init__(self) -> None:
        self.given: list[int] = []

    def __call__(self, word: str) -> list[int]:
        self.given.append(len(word.encode()))
        ids: list[int] = whole()[1].encode_ordinary(word).ids
        return ids


letters = st.text("aeinorst", max_size=400)
runs = st.lists(st.tuples(st.sampled_from("a e=\n変é🙂\u0301"), st.integers(1, 90)), max_size=8).map(
    lambda pairs: "".join(one * count for one, count in pairs)
)


@settings(max_examples=300)
@given(letters | runs | any_text | code_like, st.sampled_from([4, 16, 64]))
def test_the_ids_are_those_of_merging_the_word_at_once(word: str, block: int) -> None:
    reference, _, lengths = whole()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK", block)
        found = LongWords(Counted(), lengths).encode(word)
    assert found == reference.encode_batch_fast([word], add_special_tokens=False)[0].ids


def _random(alphabet: str, length: int) -> str:
    return "".join(random.Random(3).choices(alphabet, k=length))


KINDS = {
    "letter": "a" * 300_000,
    "letters": _random("abcdefghijklmnopqrstuvwxyz", 300_000),
    "common": _random("etaoin", 300_000),
    "spaces": " " * 300_000,
    "newlines": "\n" * 300_000,
    "signs": _random("+-*/=<>()", 300_000),
    "line": "=" * 300_000,
    "digits": "7" * 300_000,
    "ideographs": _random("変数あいう漢字", 100_000),
    "emoji": "🙂" * 75_000,
    "combining": "\u0301" * 150_000,
    "pairs": "ab" * 150_000,
    "accented": "é" * 150_000,
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_work_grows_with_the_length_alone(kind: str) -> None:
    """Counted in bytes that are merged, none of them more than a block at once."""
    work = []
    for word in (KINDS[kind][: len(KINDS[kind]) // 4], KINDS[kind]):
        merge = Counted()
        ids = LongWords(merge, whole()[2]).encode(word)
        assert ids == whole()[1].encode_ordinary(word).ids
        assert max(merge.given) <= module.BLOCK
        work.append(sum(merge.given) / len(word.encode()))
    assert work[0] < 1.5
    assert work[1] < 1.1 * work[0]


def test_a_word_of_which_no_seam_holds_is_merged_at_once() -> None:
    asked: list[int] = []

    def merge(word: str) -> list[int]:
        asked.append(len(word))
        return [1] * len(word) if len(word) > 100 else [2]

    assert LongWords(merge, {1: 1, 2: 1}).encode("x" * 20_000) == [1] * 20_000
    assert asked[-1] == 20_000
    assert len(asked) < 4 * module.TRIES


def test_a_word_of_tokens_longer_than_blocks_is_merged_at_once() -> None:
    size = module.BLOCK // 2
    word = "x" * 10 * module.BLOCK
    assert LongWords(lambda one: [1] * (len(one) // size), {1: size}).encode(word) == [1] * 20


@pytest.mark.parametrize("length", [0, 1, 8191, 8192, 8193])
def test_short_words_are_merged_at_once(length: int) -> None:
    merge = Counted()
    LongWords(merge, whole()[2]).encode("a" * length)
    assert (merge.given == [length]) == (length <= 2 * module.BLOCK)


lines = st.lists(
    st.sampled_from(["x", " ", "\n", "\r\n", "\t", "\n\n", "  a\n", "=" * 9, "\x85", "\x1c", "\u2028", "1", "'s"])
    | st.sampled_from("a =\n é変").map(lambda one: one * 40),
    max_size=30,
).map("".join)


@settings(max_examples=300)
@given(lines | any_text, st.sampled_from(sorted(PATTERNS)), st.sampled_from([4, 8]))
def test_stretches_are_cut_into_the_same_words_and_hold_the_long_ones(text: str, digits: str, block: int) -> None:
    split = pre_tokenizers.Split(Regex(PATTERNS[digits]), behavior="isolated")
    words = [word for word, _ in split.pre_tokenize_str(text)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK", block)
        found = list(stretches(text))
    assert "".join(piece for piece, _ in found) == text
    assert [word for piece, _ in found for word, _ in split.pre_tokenize_str(piece)] == words
    plain = [word for piece, long in found if not long for word, _ in split.pre_tokenize_str(piece)]
    assert all(len(word) <= 4 * block + 2 for word in plain)


def test_ordinary_text_is_one_stretch() -> None:
    text = "def f(x):\n    return x + 1  # größe\n" * 2000
    assert list(stretches(text)) == [(text, False)]


def test_only_the_lines_around_a_long_word_are_handled_apart() -> None:
    line = "def f(x):\n    return x\n"
    found = list(stretches(line * 500 + "a" * 20_000 + " b\n" + line * 500))
    assert [long for _, long in found] == [False, True, False]
    assert found[1][0] == "a" * 20_000 + " b\n"
