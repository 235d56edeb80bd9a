"""The sample the vocabulary is learned from: what is in it, how often, and that nothing but the documents decides."""

from __future__ import annotations

import random
from collections import Counter
from fractions import Fraction
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ownlm.data.lake.document import SCHEMA
from ownlm.tokens import corpus
from ownlm.tokens.corpus import CorpusTable
from ownlm.tokens.shards.mixture import copies
from ownlm.tokens.vocabulary import sample as module
from ownlm.tokens.vocabulary.sample import DocumentSample, Weights, draw_sample, languages_in
from tests.tokens.corpora import program, rows, write_table

TEXTS = [program(seed, functions=1 + seed % 4) for seed in range(200)]


def _reference(texts: list[str], seed: int, budget: int) -> list[str]:
    """Sort all documents by number, take them while they fit."""
    numbered = sorted((module._number(seed, str(row["id"])), str(row["content"])) for row in rows(texts))
    chosen, total = [], 0
    for _, text in numbered:
        total += len(text.encode())
        if total > budget:
            break
        chosen.append(text)
    return sorted(chosen)


@pytest.mark.parametrize("budget", [0, 1, 500, 10_000, 50_000, 10**9])
@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize("compact_at", [1, 10, 65_536])
def test_it_is_the_obvious_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, budget: int, seed: int, compact_at: int
) -> None:
    monkeypatch.setattr(module, "_COMPACT_AT", compact_at)
    monkeypatch.setattr(corpus, "ROWS_AT_ONCE", 16)
    drawn = draw_sample(CorpusTable(write_table(tmp_path, TEXTS)), seed, budget)
    texts = sorted(drawn)
    assert texts == _reference(TEXTS, seed, budget)
    assert drawn.documents == len(texts)
    assert drawn.bytes == sum(len(text.encode()) for text in texts) <= budget


def test_order_and_files_do_not_matter(tmp_path: Path) -> None:
    shuffled = TEXTS[:]
    random.Random(1).shuffle(shuffled)
    one = draw_sample(CorpusTable(write_table(tmp_path / "one", TEXTS)), 3, 30_000)
    other = draw_sample(CorpusTable(write_table(tmp_path / "other", shuffled, files=7)), 3, 30_000)
    assert sorted(one) == sorted(other)
    assert (one.documents, one.bytes, one.limit) == (other.documents, other.bytes, other.limit)


def test_another_seed_is_another_sample(tmp_path: Path) -> None:
    table = CorpusTable(write_table(tmp_path, TEXTS))
    assert sorted(draw_sample(table, 0, 30_000)) != sorted(draw_sample(table, 1, 30_000))


def test_equal_contents_are_in_or_out_together(tmp_path: Path) -> None:
    table = CorpusTable(write_table(tmp_path, TEXTS * 3))
    texts = list(draw_sample(table, 0, 50_000))
    assert texts
    assert all(texts.count(text) == 3 for text in set(texts))


def test_no_documents(tmp_path: Path) -> None:
    drawn = draw_sample(CorpusTable(tmp_path / "nothing"), 0, 100)
    assert (list(drawn), drawn.documents, drawn.bytes) == ([], 0, 0)


LANGUAGES, SOURCES = ("C", "JSON", "Python"), ("mine", "theirs")
weight = st.sampled_from([0.0, 0.1, 0.5, 1.0, 2.0, 2.3, 7.0]) | st.floats(0.01, 10)
weightings = st.builds(
    Weights,
    sources=st.dictionaries(st.sampled_from(SOURCES), weight.filter(bool)),
    languages=st.dictionaries(st.sampled_from(LANGUAGES), weight),
)


def _documents(count: int) -> list[dict[str, object]]:
    """Documents of all languages and sources in turn, of 10 to 40 bytes."""
    found = rows([f"{number:06d} {'x' * (number % 31)}" + "\n" for number in range(count)])
    for number, row in enumerate(found):
        row["language"], row["source"] = LANGUAGES[number % 3], SOURCES[number % 5 % 2]
    return found


class _Table(CorpusTable):
    """Rows in memory, a few at a time: what a table on disk would give."""

    def __init__(self, documents: list[dict[str, object]]) -> None:
        self.rows = pa.Table.from_pylist(documents, schema=SCHEMA)

    def batches(self, columns):  # type: ignore[no-untyped-def]
        yield from self.rows.select(columns).to_batches(max_chunksize=16)


def _weighted_reference(documents: list[dict[str, object]], seed: int, budget: int, weights: Weights) -> list[str]:
    """All copies of all documents by their numbers, as fractions; taken while they fit."""
    numbered = []
    for row in documents:
        identity, own = str(row["id"]), weights.sources.get(str(row["source"]), 1.0)
        total = copies(own, identity) * Fraction(weights.languages.get(str(row["language"]), 1.0))
        start, copy = Fraction(module._number(seed, identity), 2**64), 0
        while copy + start < total:
            numbered.append(((copy + start) / total, str(row["content"])))
            copy += 1
    chosen, held = [], 0
    for _, text in sorted(numbered):
        held += len(text.encode())
        if held > budget:
            break
        chosen.append(text)
    return sorted(chosen)


@settings(max_examples=60)
@given(weightings, st.integers(0, 3), st.sampled_from([0, 40, 500, 2500, 10**9]), st.sampled_from([1, 9, 65_536]))
def test_weights_give_the_obvious_sample(weights: Weights, seed: int, budget: int, compact_at: int) -> None:
    documents = _documents(90)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_COMPACT_AT", compact_at)
        drawn = draw_sample(_Table(documents), seed, budget, weights)
    texts = sorted(drawn)
    assert texts == _weighted_reference(documents, seed, budget, weights)
    assert (drawn.documents, drawn.bytes) == (len(texts), sum(map(len, texts)))
    assert drawn.bytes <= budget


@given(weightings, st.randoms(use_true_random=False), st.integers(100, 2000))
def test_rows_of_a_weighted_sample_may_lie_anywhere(weights: Weights, order: random.Random, budget: int) -> None:
    documents = _documents(60)
    shuffled = documents[:]
    order.shuffle(shuffled)
    one, other = (draw_sample(_Table(rows_), 3, budget, weights) for rows_ in (documents, shuffled))
    assert sorted(one) == sorted(other)
    assert (one.documents, one.bytes, one.limit) == (other.documents, other.bytes, other.limit)


@given(st.sampled_from(LANGUAGES + SOURCES), st.integers(0, 3), st.integers(100, 2000))
def test_weights_of_one_are_no_weights(name: str, seed: int, budget: int) -> None:
    table = _Table(_documents(60))
    plain = draw_sample(table, seed, budget)
    for weights in (Weights(sources={name: 1.0}), Weights(languages={name: 1.0})):
        drawn = draw_sample(table, seed, budget, weights)
        assert (list(drawn), drawn.limit, drawn.documents) == (list(plain), plain.limit, plain.documents)


def _share(drawn: DocumentSample, column: str) -> dict[str, float]:
    """The share of bytes of each value of a column."""
    held: Counter[str] = Counter()
    for batch in drawn.batches([column, "size"]):
        for name, size in zip(batch.column(column).to_pylist(), batch.column("size").to_pylist(), strict=True):
            held[name] += size
    assert held.total() == drawn.bytes
    return {name: size / drawn.bytes for name, size in held.items()}


MANY = _Table(_documents(12_000))
"""300 kB, a third of it in each language; 7 of 15 documents from "theirs"."""


@pytest.mark.parametrize("budget", [30_000, 150_000, 10**9])
@pytest.mark.parametrize("weights", [{"Python": 2.0, "JSON": 0.1}, {"C": 0.0}, {"C": 5.0, "Python": 0.5}])
def test_a_language_has_its_share_of_bytes(weights: dict[str, float], budget: int) -> None:
    """Be the sample small or everything there is."""
    found = _share(draw_sample(MANY, 0, budget, Weights(languages=weights)), "language")
    total = sum(weights.get(name, 1.0) for name in LANGUAGES)
    for name in LANGUAGES:
        assert found.get(name, 0.0) == pytest.approx(weights.get(name, 1.0) / total, abs=0.035)


@pytest.mark.parametrize("own", [0.5, 3.0])
def test_a_source_has_its_share_of_bytes(own: float) -> None:
    found = _share(draw_sample(MANY, 1, 100_000, Weights(sources={"mine": own})), "source")
    mine = _share(draw_sample(MANY, 1, 10**9), "source")["mine"]
    assert found["mine"] == pytest.approx(own * mine / (own * mine + 1 - mine), abs=0.03)


def test_everything_is_what_the_model_is_trained_on() -> None:
    """A sample of all there is holds every copy that shards hold, and no document they leave out."""
    weights = {"mine": 0.4, "theirs": 2.5}
    drawn = Counter(draw_sample(MANY, 5, 10**9, Weights(sources=weights)))
    expected = {
        str(row["content"]): copies(weights[str(row["source"])], str(row["id"])) for row in MANY.rows.to_pylist()
    }
    assert drawn == +Counter(expected)


def test_no_document_comes_twice_while_others_of_its_kind_have_not_come() -> None:
    drawn = Counter(draw_sample(MANY, 0, 60_000, Weights(languages={"Python": 3.0})))
    assert len(drawn) == drawn.total()
    whole = Counter(draw_sample(MANY, 0, 10**9, Weights(languages={"Python": 2.5})))
    assert set(whole.values()) == {1, 2, 3}


def test_the_languages_of_a_table(tmp_path: Path) -> None:
    write_table(tmp_path, ["int x;"], language="C")
    assert languages_in(CorpusTable(write_table(tmp_path, ["x", "y"], files=2))) == {"C", "Python"}
    assert languages_in(CorpusTable(tmp_path / "nothing")) == set()
