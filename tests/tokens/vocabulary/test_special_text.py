"""A special token's text inside a document never becomes the token: every name, at every border, on every way in."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ownlm.tokens.objectives.config import ObjectivesConfig
from ownlm.tokens.shards.encoding import EncodeRows
from ownlm.tokens.shards.rows import Rows
from ownlm.tokens.vocabulary.special import SpecialTokens
from tests.tokens.corpora import pack_texts, rows, small
from tests.tokens.strategies import any_text

NAMES = SpecialTokens().names
VOCABULARY = small()[1]
FIRST = VOCABULARY.special.count
BORDERS = (
    "",
    " ",
    "\n",
    "\r\n",
    "\t",
    "x",
    "1",
    "<",
    "<|",
    "|>",
    ">",
    "'",
    "é",
    "\u0301",
    "🙂",
    "\x00",
    "<|end_of_text|>",
)
BORDERED = [before + name + after for name in NAMES for before in BORDERS for after in BORDERS]
LONG = [filler * 20_000 + name + filler * 20_000 for filler in "a= \n" for name in NAMES[::7]]


def test_at_every_border() -> None:
    assert len(NAMES) == 128
    for text, ids in zip(BORDERED, VOCABULARY.encode_batch(BORDERED), strict=True):
        assert min(ids) >= FIRST
        assert VOCABULARY.decode_bytes(ids) == text.encode()
    assert [VOCABULARY.encode(text) for text in BORDERED[::97]] == VOCABULARY.encode_batch(BORDERED[::97])


def test_beside_runs_that_are_encoded_in_blocks() -> None:
    for text, ids in zip(LONG, VOCABULARY.encode_batch(LONG), strict=True):
        assert min(ids) >= FIRST
        assert VOCABULARY.decode_bytes(ids) == text.encode()


def test_in_the_map_of_workers_and_clusters() -> None:
    """`EncodeRows` is what the pool and Spark are given, by pickle: its one special token is the one that opens."""
    texts = BORDERED[::13] + LONG[:2]
    table = pa.Table.from_pylist(rows(texts)).combine_chunks().to_batches()[0]
    found = pickle.loads(pickle.dumps(EncodeRows(VOCABULARY, {}, 0)))(table)
    for text, packed in zip(texts, found.column("tokens").to_pylist(), strict=True):
        opening, *ids = np.frombuffer(packed, "<u4").tolist()
        assert opening == VOCABULARY.special.end_of_text
        assert ids == VOCABULARY.encode(text)


@pytest.mark.parametrize("level", ["context", "document"])
@pytest.mark.parametrize("lines", [0.0, 1.0])
def test_where_fill_in_the_middle_encodes_parts_again(tmp_path: Path, level: str, lines: float) -> None:
    """Only the markers it sets itself are there: three a piece, and padding."""
    texts = ["".join(f"{name}\nx = {name} {name}\n" for name in NAMES[number::16]) for number in range(16)]
    reader = pack_texts(tmp_path, texts, VOCABULARY)
    fill = {"rate": 1.0, "level": level, "lines": lines}
    objectives = ObjectivesConfig.model_validate({"next_token": 0.0, "fill_in_the_middle": fill})
    context, special = 4000, VOCABULARY.special
    made = Rows(reader, objectives, VOCABULARY, context, 7)
    pieces = 0
    for sample in made.make([(0, 0, 0), (1, 0, reader.total_tokens - context - 1)]):
        cut = [piece for piece in sample.pieces if piece.objective == "fill_in_the_middle"]
        pieces += len(cut)
        for piece in cut:
            held = sample.tokens_L[piece.start : piece.stop]
            inside = held[(held < FIRST) & (held != special.fim_pad)].tolist()
            markers = [special.fim_prefix, special.fim_suffix, special.fim_middle]
            assert sorted(inside) == markers or level == "document", "of a document a window may hold a part"
            assert set(inside) <= set(markers)
            assert len(inside) <= 3
    assert pieces > 4


@pytest.mark.parametrize("how", ["folder", "json"])
def test_in_the_folder_read_by_others(how: str) -> None:
    """What can be promised there: the same, for one who asks for it. By itself their text is a prompt's marker."""
    folder = small()[2].parent / "vocabulary"
    texts = BORDERED[::29]
    if how == "folder":
        transformers = pytest.importorskip("transformers")
        theirs = transformers.AutoTokenizer.from_pretrained(folder)
        found = theirs(texts, split_special_tokens=True)["input_ids"]
        alone = theirs(list(NAMES))["input_ids"]
    else:
        from tokenizers import Tokenizer

        loaded = Tokenizer.from_file(str(folder / "tokenizer.json"))
        alone = [one.ids for one in loaded.encode_batch(list(NAMES))]
        loaded.encode_special_tokens = True
        found = [one.ids for one in loaded.encode_batch(texts)]
    assert found == VOCABULARY.encode_batch(texts)
    assert alone == [[number] for number in range(FIRST)]


@settings(max_examples=100)
@given(st.lists(st.sampled_from(NAMES) | any_text, min_size=1, max_size=6).map("".join).filter(bool))
def test_among_any_text(text: str) -> None:
    ids = VOCABULARY.encode(text)
    assert min(ids) >= FIRST
    assert VOCABULARY.decode(ids) == text


def test_no_learned_token_is_or_holds_a_special_text() -> None:
    """Nor can one be learned: the patterns cut `<|name|>` into words."""
    learned = b"\x00".join(VOCABULARY.token_bytes)
    assert not any(name.encode() in learned for name in NAMES)
