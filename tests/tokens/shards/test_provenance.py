"""Every token of every row against the documents' own texts."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ownlm.data.lake.document import SCHEMA
from ownlm.errors import InputError
from ownlm.tokens.corpus import CorpusTable
from ownlm.tokens.objectives.config import UL2, FillInTheMiddle, ObjectivesConfig
from ownlm.tokens.shards.batches import Batches
from ownlm.tokens.shards.provenance import StepOrigins, Stretch, reading_order, revisions
from ownlm.tokens.shards.reader import ShardReader
from ownlm.tokens.shards.sizes import BatchSizes
from ownlm.tokens.shards.writer import ShardWriter
from tests.tokens.corpora import pack_texts, program, rows, small

_, VOCABULARY, SHARDS = small()
READER = ShardReader(SHARDS / "train")
SPECIAL, TABLE = VOCABULARY.special, VOCABULARY.token_bytes
CONTENTS = [program(seed).encode() for seed in range(120)]
SIZES, STEPS, CONTEXT = BatchSizes([(0, 3), (300, 6)]), 1000, 64


def made(
    rate: float = 0.5, seed: int = 0, reader: ShardReader = READER, ul2: float = 0.0, **middle: Any
) -> tuple[Batches, StepOrigins]:
    objectives = ObjectivesConfig(
        fill_in_the_middle=FillInTheMiddle(rate=rate, **middle) if rate else None, ul2=UL2(rate=ul2) if ul2 else None
    )
    batches = Batches(reader, objectives, VOCABULARY, CONTEXT, SIZES, seed)
    return batches, StepOrigins(reader, batches, VOCABULARY, objectives, STEPS)


def read(batches: Batches, step: int) -> np.ndarray:
    """The rows a training loop reads in a step, as it reads them."""
    return batches.batch(step - 1).tokens_BL


def stored(stretch: Stretch) -> list[int]:
    start = stretch.document.start
    ids: list[int] = READER.tokens[start + stretch.tokens[0] : start + stretch.tokens[1]].tolist()
    return ids


@settings(max_examples=40)
@given(st.integers(1, STEPS), st.integers(0, 2**40), st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([0.0, 0.4]))
def test_stretches_are_the_rows_and_their_bytes_are_the_documents(
    step: int, seed: int, rate: float, ul2: float
) -> None:
    batches, origins = made(min(rate, 1.0 - ul2), seed, ul2=ul2)
    tokens = read(batches, step)
    stretches = origins.stretches(step)
    assert [s.row for s in stretches if s.columns[0] == 0] == list(range(SIZES.at(step - 1)))
    for before, after in pairwise(stretches):
        assert after.columns[0] == (before.columns[1] if before.row == after.row else 0)
    for stretch in stretches:
        assert stretch.columns[1] - stretch.columns[0] == stretch.tokens[1] - stretch.tokens[0]
        assert stretch.bytes is not None
        content = CONTENTS[stretch.document.index]
        text = b"".join(TABLE[token] for token in stored(stretch))
        assert content[slice(*stretch.bytes)] == text
        assert stretch.bytes[0] == len(
            b"".join(TABLE[t] for t in VOCABULARY.encode(content.decode())[: max(0, stretch.tokens[0] - 1)])
        )
        if stretch.objective == "next_token":
            assert tokens[stretch.row, slice(*stretch.columns)].tolist() == stored(stretch)


@pytest.mark.parametrize(("rate", "ul2"), [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)])
@pytest.mark.parametrize("step", [1, 400])
def test_every_token_of_every_row_has_its_bytes(step: int, rate: float, ul2: float) -> None:
    batches, origins = made(rate, ul2=ul2)
    tokens, known = read(batches, step), 0
    for row in range(SIZES.at(step - 1)):
        for column in range(CONTEXT):
            place = origins.place(step, row, column)
            assert (place.token, place.column) == (tokens[row, column], column)
            assert place.stretch.columns[0] <= column < place.stretch.columns[1]
            content = CONTENTS[place.stretch.document.index]
            if place.stretch.objective == "next_token":
                assert place.offset is not None
                assert READER.tokens[place.stretch.document.start + place.offset :][0] == place.token
                assert place.bytes is not None
            else:
                assert place.offset is None
                assert place.bytes is None or place.token >= SPECIAL.count
            if place.bytes is not None:
                known += 1
                assert content[slice(*place.bytes)] == TABLE[place.token]
    assert known > 0.8 * tokens.size, "markers, padding and repeated text only are left out"


@settings(max_examples=25)
@given(st.integers(1, STEPS), st.integers(0, 2), st.integers(0, 2**40), st.booleans())
def test_a_laid_out_pieces_tokens_abut_in_the_order_of_the_text(step: int, row: int, seed: int, ul2: bool) -> None:
    batches, origins = made(0.0 if ul2 else 1.0, seed, ul2=float(ul2))
    tokens = read(batches, step)
    for stretch in origins.stretches(step, row):
        if stretch.objective == "next_token":
            continue
        ids = tokens[row, slice(*stretch.columns)].tolist()
        order = reading_order(ids, SPECIAL)
        places = [origins.place(step, row, stretch.columns[0] + column).bytes for column in order]
        told = [place for place in places if place is not None]
        assert len(told) in (0, len(places)), "all of a piece or nothing"
        assert len(told) == len(places) or stretch.dropped
        assert all(one[1] == other[0] for one, other in pairwise(told))
        assert stretch.bytes is not None
        assert not told or stretch.bytes[0] <= told[0][0] <= told[-1][1] <= stretch.bytes[1]
        missing = stretch.bytes[1] - stretch.bytes[0] - (told[-1][1] - told[0][0] if told else 0)
        assert not told or stretch.dropped or missing <= 6, "only characters cut in two at the ends"


def test_a_document_cut_as_a_whole_is_named_as_a_whole() -> None:
    batches, origins = made(1.0, level="document")
    whole = 0
    for step in range(1, 30):
        tokens = read(batches, step)
        for stretch in origins.stretches(step):
            span, ids = stretch.document, tokens[stretch.row, slice(*stretch.columns)].tolist()
            if stretch.objective == "next_token":
                assert ids == stored(stretch)
                continue
            assert (stretch.tokens, stretch.bytes) == ((0, span.length), (0, span.bytes))
            for part in texts_between_markers(ids):
                assert part in CONTENTS[span.index]
            whole += 1
            place = origins.place(step, stretch.row, stretch.columns[0])
            assert place.bytes is None or len(ids) == span.length
    assert whole > 50


def texts_between_markers(ids: list[int]) -> list[bytes]:
    parts: list[bytes] = [b""]
    for token in ids:
        if token < SPECIAL.count:
            parts.append(b"")
        else:
            parts[-1] += TABLE[token]
    return parts


def test_one_row_is_that_row_of_all() -> None:
    _, origins = made()
    whole = origins.stretches(9)
    for row in range(SIZES.at(9 - 1)):
        assert origins.stretches(9, row) == [stretch for stretch in whole if stretch.row == row]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((0, None), ["no step 0", "from 1 to 1000"]),
        ((1001, None), ["no step 1001", "from 1 to 1000"]),
        ((-3, 0), ["no step -3"]),
        ((1, 3), ["no row 3", "from 0 to 2"]),
        ((301, 6), ["no row 6", "from 0 to 5"]),
        ((301, -1), ["no row -1"]),
        ((1, 0, 64), ["no column 64", "from 0 to 63"]),
        ((1, 0, -1), ["no column -1"]),
    ],
)
def test_what_is_not_there_is_refused(arguments: tuple[int, ...], words: list[str]) -> None:
    _, origins = made()
    with pytest.raises(InputError) as caught:
        (origins.place if len(arguments) == 3 else origins.stretches)(*arguments)
    for word in words:
        assert word in str(caught.value)


def test_bytes_are_left_out_where_tokens_do_not_stand_for_the_content(tmp_path: Path) -> None:
    with ShardWriter(
        tmp_path, vocabulary_size=VOCABULARY.size, vocabulary=VOCABULARY.content, shard_bytes=10**6
    ) as writer:
        for number in range(40):
            row = {"id": str(number), "source": "s", "repo": "r", "path": str(number), "language": "Python"}
            ids = VOCABULARY.encode(program(number))
            writer.add(row, [0, *ids], len(program(number).encode()) + number % 2)
    _, origins = made(0.0, reader=ShardReader(tmp_path))
    for stretch in origins.stretches(3):
        assert (stretch.bytes is None) == (stretch.document.index % 2 == 1)
        place = origins.place(3, stretch.row, stretch.columns[0])
        assert (place.bytes is None) == (stretch.bytes is None)


def test_text_that_repeats_is_not_guessed(tmp_path: Path) -> None:
    """A piece of one repeated letter whose ends were dropped: where the rest stood cannot be told."""
    reader = pack_texts(tmp_path, ["z" * 4000], VOCABULARY)
    _, origins = made(1.0, reader=reader)
    step = next(step for step in range(1, 6) if any(s.dropped for s in origins.stretches(step)))
    stretch = next(s for s in origins.stretches(step) if s.dropped)
    assert stretch.bytes is not None, "the stretch is known"
    places = [origins.place(step, stretch.row, column) for column in range(*stretch.columns)]
    assert all(place.bytes is None for place in places)


@pytest.mark.parametrize(
    ("ids", "order"),
    [
        ([], []),
        ([200, 201], []),
        ([1, 200], []),
        ([4, 4], []),
        ([1, 200, 2, 201, 3, 202, 203, 4, 4], [1, 5, 6, 3]),
        ([1, 2, 201, 3, 200, 202], [4, 5, 2]),
        ([1, 2, 3, 200], [3]),
        # UL2: mode, a S0 b S1 c, S0 d e S1 f
        ([106, 200, 9, 201, 10, 202, 9, 203, 204, 10, 205, 4], [1, 7, 8, 3, 10, 5]),
        ([107, 200, 201, 9, 9, 202], [1, 2, 5]),
        ([106, 9, 201, 9, 200], [4, 2]),
    ],
)
def test_layouts_are_put_back_in_the_order_of_the_text(ids: list[int], order: list[int]) -> None:
    assert reading_order(ids, SPECIAL) == order


def test_revisions_are_found_by_content_and_place(tmp_path: Path) -> None:
    documents = rows(["a = 1\n", "b = 2\n", "c = 3\n"])
    documents[0]["revision"], documents[1]["revision"] = "f00d", "beef"
    copy = documents[0] | {"path": "elsewhere.py", "revision": "cafe"}
    folder = tmp_path / "language=Python"
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist([*documents, copy], schema=SCHEMA), folder / "part-00000.parquet")
    reader = pack_texts(tmp_path / "shards", ["a = 1\n", "c = 3\n"], VOCABULARY)
    spans = [reader.document(0), reader.document(1)]
    # The packed copies have the repository "repo-Python-0" here, the table "repo-0".
    assert revisions(CorpusTable(tmp_path), spans) == {}
    for document in documents:
        document["repo"] = spans[0].repo
    documents[2]["path"] = spans[1].path
    pq.write_table(pa.Table.from_pylist([*documents, copy], schema=SCHEMA), folder / "part-00000.parquet")
    assert revisions(CorpusTable(tmp_path), spans) == {(spans[0].id, spans[0].repo, spans[0].path): "f00d"}
    assert revisions(CorpusTable(tmp_path / "gone"), spans) == {}
