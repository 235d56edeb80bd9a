"""Tokenizers of others beside those who made them: the same ids, the same places in the text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest
import tiktoken
import tiktoken.load
from hypothesis import given
from tokenizers import Tokenizer

from ownlm.errors import InputError
from ownlm.tokens.vocabulary import rivals
from ownlm.tokens.vocabulary.compare import ENCODINGS, RivalConfig
from ownlm.tokens.vocabulary.rivals import Coder, load_rival, own, read_ranks
from tests.tokens.corpora import program, small
from tests.tokens.strategies import any_text
from tests.tokens.vocabulary.rivals_on_disk import (
    SPECIAL,
    byte_level,
    sentence_pieces,
    word_pieces,
    write_folder,
    write_ranks,
)

WORDS = ENCODINGS["cl100k_base"].pattern
HOSTILE = f"def f(x):\n\treturn x  # {SPECIAL} größe 🙂 \u0301\r\n\n\n    if  x:  pass"


@cache
def folder() -> Path:
    return Path(mkdtemp(prefix="ownlm-tokens-"))


@cache
def rival(name: str) -> Coder:
    path = folder() / name
    if name == "ranks":
        file = write_ranks(path.with_suffix(".tiktoken"), WORDS)
        return load_rival(RivalConfig(path=str(file), pattern="cl100k_base"))
    made: dict[str, Callable[[], Tokenizer]] = {
        "byte_level": byte_level,
        "sentence_pieces": sentence_pieces,
        "word_pieces": word_pieces,
    }
    path.mkdir()
    made[name]().save(str(path / "tokenizer.json"))
    return load_rival(RivalConfig(path=str(path)))


@pytest.mark.slow
def test_a_folder_of_transformers_has_the_ids_of_transformers(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    path = write_folder(tmp_path / "gpt", byte_level())
    theirs = AutoTokenizer.from_pretrained(path)
    ours = load_rival(RivalConfig(path=str(path)))
    found = [*map(program, range(5)), HOSTILE, ""]
    expected = [theirs.encode(text, add_special_tokens=False, split_special_tokens=True) for text in found]
    assert ours.encode(found) == expected
    assert (ours.name, ours.kind, ours.size) == ("gpt", "huggingface", len(theirs))


def test_a_file_of_ranks_has_the_ids_of_tiktoken(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, file = rival("ranks"), folder() / "ranks.tiktoken"
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "")  # else tiktoken keeps a copy, and reads that from then on
    ranks = tiktoken.load.load_tiktoken_bpe(str(file))
    assert read_ranks(file) == ranks
    assert len(ranks) == ours.size == 300
    theirs = tiktoken.Encoding("theirs", pat_str=WORDS, mergeable_ranks=ranks, special_tokens={SPECIAL: 300})
    found = [*map(program, range(5)), HOSTILE, ""]
    assert ours.encode(found) == [theirs.encode(text, disallowed_special=()) for text in found]


def test_a_changed_file_of_ranks_is_read_anew(tmp_path: Path) -> None:
    file = write_ranks(tmp_path / "own.tiktoken", WORDS)
    before = read_ranks(file)
    file.write_bytes(file.read_bytes() + b"cXhxeA== 300\n")
    assert read_ranks(file) == before | {b"qxqx": 300}


@pytest.mark.parametrize("name", ["byte_level", "sentence_pieces", "word_pieces", "ranks"])
def test_special_text_is_text_and_nothing_is_cut_off_or_padded(name: str) -> None:
    coder = rival(name)
    text = program(3) * 5
    (ids,), (special,) = coder.encode([text]), coder.encode([SPECIAL])
    assert len(ids) > 200
    assert len(special) > 1
    assert coder.encode([text, "x"])[0] == ids, "whatever else is in the batch"


@pytest.mark.parametrize(
    ("name", "returns"), [("byte_level", True), ("sentence_pieces", True), ("word_pieces", False), ("ranks", True)]
)
def test_text_comes_back_where_it_can(name: str, returns: bool) -> None:
    coder = rival(name)
    assert (coder.decode(coder.encode([HOSTILE])[0]).strip() == HOSTILE.strip()) == returns


def test_what_cannot_be_expressed_is_counted_as_unknown() -> None:
    coder = rival("word_pieces")
    assert coder.encode(["\u4e00"])[0] == [coder.unknown]
    assert rival("byte_level").unknown is None


@pytest.mark.parametrize("name", ["byte_level", "sentence_pieces", "ranks", "own"])
@given(text=any_text)
def test_tokens_cover_the_text_from_end_to_end(name: str, text: str) -> None:
    coder = own(small()[1]) if name == "own" else rival(name)
    starts, ends = (places.tolist() for places in coder.spans(text))
    assert len(starts) == len(coder.encode([text])[0])
    assert starts == sorted(starts)
    assert ends == sorted(ends)
    covered = {place for start, end in zip(starts, ends, strict=True) for place in range(start, end)}
    assert covered == set(range(len(text.encode())))


def test_spans_are_those_of_the_tokens_bytes() -> None:
    vocabulary = small()[1]
    text = program(7)
    starts, ends = own(vocabulary).spans(text)
    data = text.encode()
    cut = [data[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
    assert cut == [vocabulary.token_bytes[token] for token in vocabulary.encode(text)]


def test_a_long_text_is_given_to_tiktoken_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A million spaces make it panic; a piece's end costs a token at most."""
    coder = rival("ranks")
    (ids,) = coder.encode([" " * 1_000_001])
    assert coder.decode(ids) == " " * 1_000_001
    text = "\n".join(map(program, range(9)))
    whole = len(coder.encode([text])[0])
    monkeypatch.setattr(rivals, "PIECE", 100)
    assert whole <= len(coder.encode([text])[0]) <= whole + 2 * (len(text) // 100 + 1)


def _damaged() -> Iterator[tuple[str, bytes, str]]:
    yield "no base64", b"!!!! 0\n", "line 1 is not a token"
    yield "no rank", b"YQ==\n", "line 1 is not a token"
    yield "no number", b"YQ== a\n", "line 1 is not a token"
    yield "no bytes", b"YWI= 0\n", "no token for byte 0x00"
    yield "empty", b"", "no token for byte 0x00"


@pytest.mark.parametrize(("content", "said"), [case[1:] for case in _damaged()], ids=[case[0] for case in _damaged()])
def test_damaged_ranks_are_refused(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "own.tiktoken"
    file.write_bytes(content)
    with pytest.raises(InputError, match=said):
        load_rival(RivalConfig(path=str(file), pattern="."))


def test_ranks_that_two_tokens_share_are_refused(tmp_path: Path) -> None:
    file = write_ranks(tmp_path / "own.tiktoken", WORDS)
    file.write_bytes(file.read_bytes() + b"cXhxeA== 299\n")
    with pytest.raises(InputError, match="the same rank"):
        read_ranks(file)


def test_a_pattern_that_is_none_is_refused() -> None:
    rival("ranks")
    with pytest.raises(InputError, match="Words cannot be cut"):
        load_rival(RivalConfig(path=str(folder() / "ranks.tiktoken"), pattern="(", name="own"))


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff", b'{"model": {"type": "BPE"}}'])
def test_a_damaged_tokenizer_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(InputError, match="cannot be read"):
        load_rival(RivalConfig(path=str(tmp_path)))
