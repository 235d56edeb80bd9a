from __future__ import annotations

import dataclasses
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ownlm.errors import ArtifactError, CorpusError
from ownlm.tokens.objectives.config import FillInTheMiddle, ObjectivesConfig
from ownlm.tokens.shards.batches import Batches, Sample, count_windows
from ownlm.tokens.shards.order import BLOCK, Permutation
from ownlm.tokens.shards.reader import ShardReader
from ownlm.tokens.shards.sizes import BatchSizes
from tests.tokens.corpora import pack_texts, small, train_vocabulary
from tests.tokens.strategies import code_like

_, VOCABULARY, SHARDS = small()
READER = ShardReader(SHARDS / "train")
STREAM = READER.tokens[:].astype(np.int64)
SPECIAL = VOCABULARY.special
PLAIN = ObjectivesConfig(fill_in_the_middle=None)


def fim(rate: float = 1.0, **shares: float) -> ObjectivesConfig:
    return ObjectivesConfig(fill_in_the_middle=FillInTheMiddle(rate=rate, **shares))


def batches(
    objectives: ObjectivesConfig = PLAIN,
    context: int = 64,
    batch: int | BatchSizes = 4,
    seed: int = 0,
    reader: ShardReader = READER,
) -> Batches:
    return Batches(reader, objectives, VOCABULARY, context, batch, seed)


def _rows(made: Batches, steps: int) -> np.ndarray:
    parts = [made.batch(step) for step in range(steps)]
    return np.concatenate([np.stack([p.tokens_BL, p.labels_BL, p.segments_BL], axis=1) for p in parts])


# --- next-token -----------------------------------------------------------------------------------------------------


@given(st.integers(0, 5000), st.integers(0, 2**40), st.sampled_from([8, 64, 100]))
def test_a_next_token_row_is_the_stream_and_the_stream_shifted_by_one(index: int, seed: int, context: int) -> None:
    sample = batches(context=context, seed=seed).sample(index)
    start = sample.pieces[0].position
    assert sample.tokens_L.tolist() == STREAM[start : start + context].tolist()
    assert sample.labels_L.tolist() == STREAM[start + 1 : start + context + 1].tolist()
    owners = READER.document_index(start, start + context)
    assert (sample.segments_L // 2).tolist() == (owners - owners[0]).tolist()
    assert not (sample.segments_L % 2).any(), "no padding"


@settings(max_examples=15)
@given(st.lists(st.integers(0, 30), min_size=40, max_size=80), st.integers(0, 20), st.sampled_from([8, 50]))
def test_next_token_batches_are_copied_as_their_samples_are_made(lengths: list[int], step: int, context: int) -> None:
    """Batches of next-token alone take a shorter way; documents here are down to nothing but their end of text."""
    with tempfile.TemporaryDirectory() as folder:
        texts = ["x = 1\n" * length for length in [*lengths, 300]]
        made = batches(context=context, reader=pack_texts(Path(folder), texts, VOCABULARY))
        batch, samples = made.batch(step), [made.sample(index) for index in made.samples_of(step)]
    assert batch.tokens_BL.tolist() == [sample.tokens_L.tolist() for sample in samples]
    assert batch.labels_BL.tolist() == [sample.labels_L.tolist() for sample in samples]
    assert batch.segments_BL.tolist() == [sample.segments_L.tolist() for sample in samples]
    assert [array.dtype for array in vars(batch).values()] == [np.int64, np.int64, np.int32]


@pytest.mark.parametrize("context", [8, 64, 333])
def test_an_epoch_sees_every_window_once_and_all_but_two_contexts_of_tokens(context: int) -> None:
    made = batches(context=context, batch=1)
    for epoch in range(3):
        indices = range(epoch * made.windows, (epoch + 1) * made.windows)
        starts = sorted(made.sample(index).pieces[0].position for index in indices)
        assert set(np.diff(starts).tolist()) == {context}
        assert 0 <= starts[0] < context
        assert len(STREAM) - 2 * context <= starts[-1] + context < len(STREAM)


def test_epochs_differ_in_order_and_offset() -> None:
    made = batches()
    starts = [[made.sample(e * made.windows + i).pieces[0].position for i in range(20)] for e in range(5)]
    assert len({tuple(row) for row in starts}) == 5
    assert len({row[0] % 64 for row in starts}) > 2


def test_a_batch_may_span_two_epochs() -> None:
    made = batches(batch=7)
    assert made.windows % 7
    step = made.windows // 7
    tokens = made.batch(step).tokens_BL
    assert tokens.tolist() == [made.sample(index).tokens_L.tolist() for index in range(step * 7, step * 7 + 7)]


# --- what holds for every mix ---------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(0, 2**63), st.floats(0, 1), st.sampled_from([8, 20, 64, 256]))
def test_every_sample_is_well_formed(index: int, seed: int, rate: float, context: int) -> None:
    sample = batches(fim(rate), context=context, seed=seed).sample(index)
    assert (sample.tokens_L.dtype, sample.labels_L.dtype) == (np.int64, np.int64)
    assert sample.segments_L.dtype == np.int32
    assert sample.tokens_L.shape == sample.labels_L.shape == sample.segments_L.shape == (context,)
    assert np.all((sample.tokens_L >= 0) & (sample.tokens_L < VOCABULARY.size))
    assert np.all((sample.labels_L == -100) | ((sample.labels_L >= 0) & (sample.labels_L < VOCABULARY.size)))
    assert np.all(np.diff(sample.segments_L) >= 0), "segments are stretches"
    assert not np.isin(
        sample.labels_L, [SPECIAL.fim_prefix, SPECIAL.fim_suffix, SPECIAL.fim_middle, SPECIAL.fim_pad]
    ).any()
    padding = sample.tokens_L == SPECIAL.fim_pad
    assert np.array_equal(padding, sample.segments_L % 2 == 1), "padding has segments of its own"
    assert np.all(sample.labels_L[padding] == -100)
    assert sample.pieces[0].start == 0
    assert sample.pieces[-1].stop == context
    for number, piece in enumerate(sample.pieces):
        _check_labels(sample, number, piece.start, piece.stop)


def _check_labels(sample: Sample, number: int, start: int, stop: int) -> None:
    """Inside a segment each label is the next input or, before a marker, absent."""
    inside = np.flatnonzero(sample.segments_L == 2 * number)
    assert inside[0] == start
    assert inside[-1] < stop
    for column in inside[:-1]:
        following = sample.tokens_L[column + 1]
        marker = following in (SPECIAL.fim_suffix, SPECIAL.fim_middle)
        assert sample.labels_L[column] == (-100 if marker else following)
    assert sample.labels_L[inside[-1]] >= 0, "the last one is predicted too"


def test_a_document_never_sees_another() -> None:
    made = batches(fim(0.5))
    for index in range(200):
        sample = made.sample(index)
        owners = [READER.document_at(piece.position).index for piece in sample.pieces]
        assert owners == list(range(owners[0], owners[0] + len(owners)))
        for number, piece in enumerate(sample.pieces):
            assert set(sample.segments_L[piece.start : piece.stop].tolist()) <= {2 * number, 2 * number + 1}


@settings(max_examples=20)
@given(st.integers(0, 400), st.integers(0, 2**63))
def test_any_step_is_reached_without_the_ones_before(step: int, seed: int) -> None:
    """Resume: a fresh object asked for a late step first gives what an uninterrupted one gives."""
    fresh = batches(fim(0.5), seed=seed).batch(step)
    running = batches(fim(0.5), seed=seed)
    for earlier in range(max(0, step - 3), step):
        running.batch(earlier)
    again = running.batch(step)
    for name in ("tokens_BL", "labels_BL", "segments_BL"):
        assert np.array_equal(getattr(fresh, name), getattr(again, name))


@pytest.mark.parametrize("batch", [1, 3, 12])
def test_the_batch_size_only_groups(batch: int) -> None:
    assert np.array_equal(_rows(batches(fim(0.5), batch=batch), 24 // batch), _rows(batches(fim(0.5), batch=24), 1))


@settings(max_examples=40)
@given(st.data(), st.integers(0, 200), st.integers(0, 2**63))
def test_some_rows_are_those_of_the_whole_batch(data: st.DataObject, step: int, seed: int) -> None:
    """In any order and repeated, also where a batch spans epochs."""
    made = batches(fim(0.5), batch=7, seed=seed)
    rows = data.draw(st.lists(st.integers(0, 6), max_size=9))
    some, whole = made.rows(step, rows), made.batch(step)
    for name in ("tokens_BL", "labels_BL", "segments_BL"):
        found, expected = getattr(some, name), getattr(whole, name)[rows]
        assert found.dtype == expected.dtype
        assert np.array_equal(found, expected.reshape(len(rows), 64))


def test_rows_out_of_order_where_a_batch_spans_two_epochs() -> None:
    made = batches(fim(0.5), batch=7)
    step = made.windows // 7
    crossing = made.windows - step * 7
    assert 0 < crossing < 7
    rows = [crossing, 0, 6, crossing - 1]
    assert np.array_equal(made.rows(step, rows).tokens_BL, made.batch(step).tokens_BL[rows])


@pytest.mark.parametrize("row", [-1, 7])
def test_other_rows_are_refused(row: int) -> None:
    with pytest.raises(IndexError, match=f"row {row} of step 3, which has 7"):
        batches(batch=7).rows(3, [0, row])


@pytest.mark.parametrize("step", [0, 10**9])
def test_a_late_step_costs_what_an_early_one_costs_and_some_rows_only_themselves(
    step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted, not timed: slices of the stream, tokens in them, and windows looked up in the order."""
    ordered, call = [], Permutation.__call__
    monkeypatch.setattr(Permutation, "__call__", lambda self, places: ordered.append(places.size) or call(self, places))
    reader = ShardReader(SHARDS / "train")
    reader.tokens = counted = CountingStream(reader.tokens)  # type: ignore[assignment]
    made = batches(batch=16, reader=reader)
    made.rows(step, [2, 9, 11])
    assert (counted.slices, counted.read) == (3, 3 * 65)
    made.batch(step)
    assert (counted.slices, counted.read) == (19, 19 * 65)
    assert sum(ordered) <= 2 * BLOCK


class CountingStream:
    def __init__(self, stream: object) -> None:
        self._stream, self.slices, self.read = stream, 0, 0

    def __getitem__(self, wanted: slice) -> np.ndarray:
        self.slices, self.read = self.slices + 1, self.read + wanted.stop - wanted.start
        return self._stream[wanted]  # type: ignore[index]


@pytest.mark.parametrize("batch", [BatchSizes([(0, 3), (4, 8), (9, 1)]), BatchSizes([(0, 2), (7, 5)])])
def test_sizes_that_change_over_steps_cut_the_same_samples(batch: BatchSizes) -> None:
    changing = batches(fim(0.5), batch=batch)
    assert changing.size == batch.largest()
    found = _rows(changing, 12)
    assert len(found) == sum(batch.at(step) for step in range(12))
    assert np.array_equal(found, _rows(batches(fim(0.5), batch=len(found)), 1))
    assert changing.samples_of(5) == batch.samples(5)
    assert len(changing.documents_of(5)) == batch.at(5)


def test_seed_and_settings_matter() -> None:
    made = [batches(fim(0.5)), batches(fim(0.5), seed=1), batches(fim(0.6)), batches(PLAIN)]
    assert len({_rows(one, 5).tobytes() for one in made}) == 4


def test_where_shards_are_cut_does_not_matter(tmp_path: Path) -> None:
    texts = [f"def f{number}():\n    return {number}\n" * 5 for number in range(60)]
    one = pack_texts(tmp_path / "one", texts, VOCABULARY)
    many = pack_texts(tmp_path / "many", texts, VOCABULARY, shard_mb=0.0003)
    assert len(list(many.path.glob("*.bin"))) > 10 > len(list(one.path.glob("*.bin")))
    assert np.array_equal(_rows(batches(fim(), reader=one), 20), _rows(batches(fim(), reader=many), 20))


# --- fill-in-the-middle ---------------------------------------------------------------------------------------------


def _read_back(sample: Sample, number: int) -> str | None:
    """The text a fill-in-the-middle piece was made of, from the sample alone; None for next-token pieces."""
    piece = sample.pieces[number]
    if piece.objective == "next_token":
        return None
    ids = sample.tokens_L[sample.segments_L == 2 * number].tolist()
    assert ids[0] == SPECIAL.fim_prefix
    at_suffix, at_middle = ids.index(SPECIAL.fim_suffix), ids.index(SPECIAL.fim_middle)
    suffix, rest = ids[at_suffix + 1 : at_middle], ids[at_middle + 1 :]
    # Suffix first: prefix and middle follow each other; prefix first: the prefix stands before the suffix.
    whole = rest + suffix if at_suffix == 1 else ids[1:at_suffix] + rest + suffix
    return VOCABULARY.decode_bytes(whole).decode("utf-8", errors="ignore")


def _original(sample: Sample, number: int) -> str:
    piece = sample.pieces[number]
    ids = STREAM[piece.position : piece.position + piece.stop - piece.start]
    return VOCABULARY.decode_bytes([token for token in ids.tolist() if token != 0]).decode("utf-8", errors="ignore")


@pytest.mark.parametrize("shares", [{"suffix_first": 0.0}, {"suffix_first": 1.0}, {"lines": 0.0}, {"lines": 1.0}, {}])
@pytest.mark.parametrize("context", [33, 256])
def test_the_text_can_be_read_back(shares: dict[str, float], context: int) -> None:
    made = batches(fim(**shares), context=context)
    asked = 0
    for index in range(150):
        sample = made.sample(index)
        for number, piece in enumerate(sample.pieces):
            text = _read_back(sample, number)
            if text is None:
                continue
            asked += 1
            original = _original(sample, number)
            assert text in original, "only far ends are missing"
            assert len(original.encode()) - len(text.encode()) <= piece.dropped * 12 + 6
    assert asked > 140


@settings(max_examples=30)
@given(st.lists(code_like, min_size=3, max_size=10), st.integers(0, 2**32))
def test_any_text_can_be_read_back(texts: list[str], seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        long = [*texts, "x = 1\n" * 200, "größe 🙂" * 60]
        reader = pack_texts(Path(folder), long, VOCABULARY)
        made = batches(fim(), context=40, seed=seed, reader=reader)
        stream = reader.tokens[:]
        for index in range(10):
            sample = made.sample(index)
            for number, piece in enumerate(sample.pieces):
                text = _read_back(sample, number)
                if text is not None:
                    ids = stream[piece.position : piece.position + piece.stop - piece.start].tolist()
                    raw = VOCABULARY.decode_bytes([token for token in ids if token])
                    assert text.encode() in raw


@pytest.mark.parametrize("rate", [0.0, 0.25, 0.5, 1.0])
def test_the_rate_is_kept(rate: float) -> None:
    made = batches(fim(rate), context=128)
    kinds = Counter(
        piece.objective for index in range(600) for piece in made.sample(index).pieces if piece.stop - piece.start >= 16
    )
    share = kinds["fill_in_the_middle"] / kinds.total()
    assert share == pytest.approx(rate, abs=0.04)


def test_short_pieces_stay_next_token() -> None:
    made = batches(fim(), context=64)
    pieces = [piece for index in range(300) for piece in made.sample(index).pieces]
    assert all(piece.objective == "next_token" for piece in pieces if piece.stop - piece.start < 16)
    assert any(piece.stop - piece.start < 16 for piece in pieces)


def test_the_same_window_is_cut_elsewhere_in_the_next_epoch() -> None:
    made = batches(fim(), context=64, batch=1)
    samples = [made.sample(index) for index in range(3 * made.windows)]
    texts = {VOCABULARY.decode(sample.tokens_L.tolist()) for sample in samples}
    assert len(texts) > 0.99 * len(samples)


# --- provenance and errors ------------------------------------------------------------------------------------------


def test_every_row_knows_its_documents() -> None:
    made = batches(fim(0.5))
    rows = made.documents_of(5)
    assert len(rows) == 4
    for row, index in zip(rows, range(20, 24), strict=True):
        assert [piece for _, piece in row] == list(made.sample(index).pieces)
        for span, piece in row:
            assert span.start <= piece.position
            assert piece.position + piece.stop - piece.start <= span.stop


def test_another_vocabulary_is_refused(tmp_path: Path) -> None:
    from ownlm.tokens.vocabulary.load import Vocabulary

    other = Vocabulary.load(train_vocabulary(tmp_path, small()[0], size=450))
    with pytest.raises(ArtifactError, match="another vocabulary"):
        Batches(READER, PLAIN, other, 64, 4, 0)


def test_too_few_tokens_are_refused_and_enough_are_not() -> None:
    largest = READER.total_tokens // 9
    assert batches(context=largest).windows == 8
    with pytest.raises(CorpusError, match=f"set shards.context to {largest} or less"):
        batches(context=largest + 1)


@given(st.integers(0, 10**6), st.integers(8, 5000))
def test_windows_fit_at_every_offset(tokens: int, context: int) -> None:
    windows = count_windows(tokens, context)
    if windows:
        assert (context - 1) + windows * context + 1 <= tokens
    assert (context - 1) + (windows + 1) * context + 1 > tokens


def test_batches_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        batches().batch(0).tokens_BL = np.zeros(1)  # type: ignore[misc]
