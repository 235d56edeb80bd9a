"""The fast encoder gives the ids of `tokenizers`, whatever the text; where it might not, it steps aside."""

from __future__ import annotations

import json
import pickle
import random
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from types import SimpleNamespace
from typing import Any

import fastokens
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from ownlm.errors import InputError
from ownlm.pipeline.progress import SilentProgress
from ownlm.tokens.vocabulary.config import VocabularyConfig
from ownlm.tokens.vocabulary.encode import PATTERNS, byte_characters, fast_encoder, obstacle, reference_encoder
from ownlm.tokens.vocabulary.load import Vocabulary
from ownlm.tokens.vocabulary.special import SpecialTokens
from ownlm.tokens.vocabulary.train import train_tokenizer
from tests.tokens.corpora import SHARED, program
from tests.tokens.strategies import any_text, code_like

DIGITS = ("single", "triple")
SIZES = (420, 700, 1500)
_SPACES = " \t\n\r\x0b\x0c\x85\xa0\u1680\u2003\u2028\u3000\x1c\x1f\u200b\ufeff"
spaces = st.text(_SPACES + "a1.'", max_size=60)
numbers = st.text("0123456789٣²Ⅷ a_.-", max_size=60)
contractions = st.text("'sStTrReEvVmMlLdDſK’ ", max_size=40)
letters = st.text("aeinorst", max_size=300)
texts = any_text | code_like | spaces | numbers | contractions | letters


class _Texts(list[str]):
    """As much of a sample as training needs."""

    bytes = 1


@cache
def tokenizer(size: int, digits: str) -> Tokenizer:
    """A tokenizer trained on code, whitespace, digits and other scripts."""
    random_ = random.Random(7)
    samples = [program(seed) for seed in range(60)]
    samples += ["".join(random_.choices("etaoin shrdlu\n", k=400)) for _ in range(40)]
    samples += ["   " * n + "größe = 変数['x'] * 100200300\r\n\t\treturn it's don't" for n in range(30)]
    made = train_tokenizer(
        _Texts(samples),  # type: ignore[arg-type]
        VocabularyConfig(size=size, digits=digits),  # type: ignore[arg-type]
        SilentProgress(),
    )
    made.encode_special_tokens = True
    return made


@cache
def encoders(size: int, digits: str) -> tuple[Callable[[str], list[int]], Callable[[str], list[int]]]:
    """(fast, reference); the fast one is not the reference again."""
    made = tokenizer(size, digits)
    assert obstacle(json.loads(made.to_str())) is None
    return fast_encoder(made), reference_encoder(made)


@cache
def _vocabulary(size: int, digits: str) -> Vocabulary:
    return Vocabulary(tokenizer(size, digits), SpecialTokens(), "content")


@pytest.mark.parametrize("digits", DIGITS)
@pytest.mark.parametrize("size", SIZES)
def test_the_ids_are_those_of_tokenizers(size: int, digits: str) -> None:
    fast, reference = encoders(size, digits)

    @settings(max_examples=250)
    @given(texts)
    def check(text: str) -> None:
        assert fast(text) == reference(text)

    check()


@pytest.mark.parametrize("digits", DIGITS)
@given(st.data())
def test_special_text_never_becomes_a_token(digits: str, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(SpecialTokens().names))
    text = data.draw(any_text) + name + data.draw(any_text)
    ids = _vocabulary(700, digits).encode(text)
    assert min(ids) >= SpecialTokens().count
    assert ids == encoders(700, digits)[1](text)


@pytest.mark.slow
def test_every_character_is_cut_alike() -> None:
    """Both engines bring tables of Unicode: letters, numbers, white space and case must be the same ones."""
    fast, reference = encoders(420, "triple")
    codes = [*range(0xD800), *range(0xE000, 0x33480), *range(0x33480, 0x110000, 61)]  # behind: planes without letters
    for start in range(0, len(codes), 8192):
        text = "\n".join(f"'{one}{one}1 {one}" for one in map(chr, codes[start : start + 8192]))
        assert fast(text) == reference(text), f"from U+{codes[start]:04X}"


ONE_KIND = {
    "letter": "a",
    "digit": "7",
    "space": " ",
    "tab": "\t",
    "newline": "\n",
    "windows": "\r\n",
    "blank_lines": " \n",
    "accented": "é",
    "ideograph": "変",
    "emoji": "🙂",
    "combining": "\u0301",
    "no_break": "\u00a0",
    "sign": "=",
    "pair": "ab",
    "contraction": "'s",
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ONE_KIND)
def test_a_megabyte_of_one_kind(kind: str) -> None:
    """Anything quadratic would not come back before the test's time is over."""
    fast, reference = encoders(700, "single")
    text = ONE_KIND[kind] * (1_000_000 // len(ONE_KIND[kind].encode()))
    assert fast(f"x {text}y") == reference(f"x {text}y")


@pytest.mark.slow
@pytest.mark.parametrize("alphabet", ["etaoin", "+-*/=<>", "あいうえお"])
def test_a_megabyte_without_a_break(alphabet: str) -> None:
    fast, reference = encoders(1500, "single")
    text = "".join(random.Random(3).choices(alphabet, k=1_000_000 // len(alphabet[0].encode())))
    assert fast(text) == reference(text)


@pytest.mark.parametrize("digits", DIGITS)
@settings(max_examples=150)
@given(st.lists(texts | st.sampled_from("a =\n \t変é\u0301").map(lambda one: one * 90), max_size=4).map("".join))
def test_long_runs_change_no_id(digits: str, text: str) -> None:
    """With blocks so short that nearly every run is long."""
    fast, reference = encoders(700, digits)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ownlm.tokens.vocabulary.encode.BLOCK", 8)
        patch.setattr("ownlm.tokens.vocabulary.long_words.BLOCK", 8)
        assert fast(text) == reference(text)


@pytest.mark.slow
@pytest.mark.parametrize("digits", DIGITS)
def test_a_document_of_megabytes_is_not_cut_elsewhere(digits: str) -> None:
    """Engines divide long texts among threads."""
    fast, reference = encoders(1500, digits)
    text = "".join(program(seed) for seed in range(2000)) + "\r\n" * 9 + "x = 1  # größe\n" * 20_000
    assert fast(text) == reference(text)


def test_threads_share_an_encoder() -> None:
    fast, reference = encoders(700, "single")
    given_ = [program(seed) + "<|fim_prefix|>" for seed in range(40)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(fast, given_ * 5))
    assert found == [reference(text) for text in given_] * 5


def test_lone_surrogates_and_what_is_no_text_are_refused() -> None:
    vocabulary = _vocabulary(420, "single")
    with pytest.raises(InputError, match=r"lone surrogate \(U\+DC80\) at character 3"):
        vocabulary.encode("abc\udc80")
    with pytest.raises(InputError, match=r"lone surrogate \(U\+D800\) at character 20000"):
        vocabulary.encode("a" * 20_000 + "\ud800")
    with pytest.raises(InputError, match="bytes instead of text"):
        vocabulary.encode(b"abc")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="NoneType instead of text") as caught:
        vocabulary.encode_batch(["fine", None])  # type: ignore[list-item]
    assert "text 1 of 2" in str(caught.value)


@pytest.mark.parametrize("digits", DIGITS)
def test_a_vocabulary_travels_to_other_processes(digits: str) -> None:
    vocabulary = _vocabulary(700, digits)
    copy = pickle.loads(pickle.dumps(vocabulary))
    text = program(3) + "<|end_of_text|>"
    assert copy.encode(text) == vocabulary.encode(text)
    assert (copy.content, copy.size, copy.special) == (vocabulary.content, vocabulary.size, vocabulary.special)


def _by_hand(merges: list[tuple[str, str]]) -> Tokenizer:
    """A tokenizer of the 256 bytes and the results of these merges, each result once."""
    results = list(dict.fromkeys(first + second for first, second in merges))
    vocabulary = {text: number for number, text in enumerate([*sorted(byte_characters()), *results])}
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    cut = pre_tokenizers.Split(pattern_of("single"), behavior="isolated")
    made.pre_tokenizer = pre_tokenizers.Sequence([cut, pre_tokenizers.ByteLevel(False, use_regex=False)])
    made.decoder = decoders.ByteLevel()
    return made


def pattern_of(digits: str) -> Any:
    from tokenizers import Regex

    return Regex(PATTERNS[digits])


@pytest.mark.parametrize(
    ("merges", "reason"),
    [
        ([("a", "b"), ("b", "c"), ("a", "bc")], "not what its bytes become"),
        ([("a", "b"), ("b", "c"), ("ab", "c"), ("a", "bc")], "not the results of the merges"),
    ],
)
def test_a_token_that_merges_cannot_reach_is_left_to_tokenizers(merges: list[tuple[str, str]], reason: str) -> None:
    made = _by_hand(merges)
    assert reason in str(obstacle(json.loads(made.to_str())))
    fast, reference = fast_encoder(made), reference_encoder(made)
    for text in ("abc", "aabcbc", "abcabc bc", "xbc"):
        assert fast(text) == reference(text)


def _change(*path: str, to: object) -> Callable[[dict[str, Any]], None]:
    def change(description: dict[str, Any]) -> None:
        for key in path[:-1]:
            description = description[int(key)] if isinstance(description, list) else description[key]
        description[path[-1]] = to

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_change("model", "byte_fallback", to=True), "no plain byte-level BPE"),
        (_change("model", "dropout", to=0.1), "no plain byte-level BPE"),
        (_change("model", "continuing_subword_prefix", to="##"), "no plain byte-level BPE"),
        (_change("normalizer", to={"type": "NFC"}), "not cut into words in one of the two"),
        (_change("pre_tokenizer", to=None), "not cut into words in one of the two"),
        (_change("pre_tokenizer", "pretokenizers", "1", "add_prefix_space", to=True), "not cut into words"),
        (_change("pre_tokenizer", "pretokenizers", "0", "pattern", to={"String": " "}), "not cut into words"),
        (lambda description: description["model"]["merges"].reverse(), "not the results of the merges"),
        (lambda description: description["added_tokens"].pop(), "not the 256 bytes"),
    ],
)
def test_another_kind_of_tokenizer_is_an_obstacle(change: Callable[[dict[str, Any]], None], reason: str) -> None:
    description = json.loads(tokenizer(420, "triple").to_str())
    assert obstacle(description) is None
    change(description)
    assert reason in str(obstacle(description))


def test_a_normalizer_is_obeyed() -> None:
    description = json.loads(tokenizer(420, "single").to_str())
    description["normalizer"] = {"type": "Lowercase"}
    made = Tokenizer.from_str(json.dumps(description))
    assert fast_encoder(made)("ABC") == reference_encoder(made)("abc")


@pytest.mark.slow
@pytest.mark.parametrize("digits", DIGITS)
def test_documents_of_the_corpus(digits: str) -> None:
    """A slice of it; `benchmarks/encode.py --parts 0 1 2 3 4 5 6 7` compares all of it."""
    files = sorted((SHARED / "corpus").glob("*.parquet"))
    if not files:
        pytest.skip("../shared/corpus is not there")
    fast, reference = encoders(1500, digits)
    file = files[DIGITS.index(digits)]
    for text in pq.read_table(file, columns=["content"]).column(0).to_pylist()[::60]:
        assert fast(text) == reference(text)


@pytest.mark.parametrize("digits", DIGITS)
@pytest.mark.parametrize("broken", ["cut at 500 bytes", "one id", "special text"])
def test_a_fastokens_with_other_ids_is_not_used(broken: str, digits: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a later version might be: the text of a check at the start finds it, before anything is encoded."""
    made, build = tokenizer(700, digits), fastokens.Tokenizer.from_json_str

    class Broken:
        def __init__(self, description: str) -> None:
            self._whole = build(description)

        def encode_ordinary(self, text: str) -> Any:
            if broken == "cut at 500 bytes":
                parts = [text[at : at + 500] for at in range(0, len(text), 500)]
                return SimpleNamespace(ids=[one for part in parts for one in self._whole.encode_ordinary(part).ids])
            ids = self._whole.encode_ordinary(text).ids
            if broken == "one id":
                return SimpleNamespace(ids=[*ids[:-1], ids[-1] ^ 1])
            return SimpleNamespace(ids=ids if "<|end_of_text|>" not in text else ids[1:])

    monkeypatch.setattr(fastokens.Tokenizer, "from_json_str", Broken)
    with pytest.warns(RuntimeWarning, match="fastokens gives other ids"):
        encode = fast_encoder(made)
    text = "def f():\n    return 12345  # " + "ab" * 900 + "<|end_of_text|>"
    assert encode(text) == reference_encoder(made)(text)


_MADE_AGAIN = """
import sys
import psutil
from tokenizers import Tokenizer
from ownlm.tokens.vocabulary.encode import fast_encoder

text, size = sys.stdin.read(), lambda: psutil.Process().memory_info().rss
for times in (8, 16):
    before = size()
    for _ in range(times):
        fast_encoder(Tokenizer.from_str(text))("x")
print(size() - before)
"""


def test_an_encoder_that_is_gone_leaves_no_memory_behind() -> None:
    """A gateway makes one for every version it loads; `tokenizers` keeps words per thread (7 MB here, when it may)."""
    text = tokenizer(1500, "single").to_str()
    done = subprocess.run([sys.executable, "-c", _MADE_AGAIN], input=text, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 2e6
