"""Encoding as a map: what a row group becomes, in this process, in a worker of the pool and on a real Spark."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings

from ownlm.data.lake import pool
from ownlm.data.lake.config import EngineConfig
from ownlm.data.lake.engines.address import TOKEN_VARIABLE
from ownlm.data.lake.pool import map_row_groups
from ownlm.data.lake.table import read_row_group
from ownlm.tokens.corpus import CorpusTable
from ownlm.tokens.shards.config import ShardsConfig, ShardsStage
from ownlm.tokens.shards.encoding import COLUMNS, EncodeRows, encoded
from ownlm.tokens.shards.mixture import copies
from ownlm.tokens.shards.pack import pack
from ownlm.tokens.shards.reader import ShardReader
from tests.context import make_context
from tests.data.spark import SparkServer
from tests.tokens.corpora import program, small, write_corpus, write_table
from tests.tokens.strategies import documents

_, VOCABULARY, SHARDS = small()
FOLDER = SHARDS.parent / "vocabulary"
Row = tuple[dict[str, str], list[int], int]


def _rows(table: CorpusTable, weights: dict[str, float], workers: int = 1) -> list[Row]:
    found = encoded(table, VOCABULARY, weights, partial(map_row_groups, workers=workers))
    return [(row, tokens.tolist(), size) for row, tokens, size in found]


def _reference(table: CorpusTable, weights: dict[str, float]) -> Iterator[Row]:
    """Slow and obvious: every pass over every row, encoded alone."""
    names = [*COLUMNS, "content"]
    everything = [row for batch in table.batches(names) for row in batch.select(names).to_pylist()]
    for number in range(10):
        for row in everything:
            content = row["content"]
            if number < copies(weights.get(row["source"], 1.0), row["id"]):
                ids = [VOCABULARY.special.end_of_text, *VOCABULARY.encode(content)]
                yield {name: row[name] for name in COLUMNS}, ids, len(content.encode())


@pytest.mark.parametrize("weight", [None, 0.4, 2.0, 2.5])
def test_rows_are_those_of_the_reference(tmp_path: Path, weight: float | None) -> None:
    table = CorpusTable(write_table(tmp_path, [*(program(seed) for seed in range(30)), "", "größe 🙂"], files=3))
    weights = {} if weight is None else {"test": weight}
    assert _rows(table, weights) == list(_reference(table, weights)) != []


@settings(max_examples=40)
@given(documents)
def test_any_documents(texts: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        table = CorpusTable(write_table(Path(folder), texts, files=2))
        assert _rows(table, {}) == list(_reference(table, {}))


@pytest.mark.parametrize("workers", [2, 3])
def test_workers_do_not_change_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    monkeypatch.setattr(pool, "_BYTES_PER_WORKER", 1)
    table = CorpusTable(write_table(tmp_path, [program(seed) for seed in range(40)], files=5))
    assert _rows(table, {"test": 1.5}, workers) == _rows(table, {"test": 1.5})


def test_a_table_without_rows_asks_for_no_map(tmp_path: Path) -> None:
    def never(*_: object, **__: object) -> Iterator[pa.RecordBatch]:
        raise AssertionError("nothing to map")

    assert list(encoded(CorpusTable(tmp_path), VOCABULARY, {}, never)) == []


def test_row_groups_are_those_of_the_batches(tmp_path: Path) -> None:
    table = CorpusTable(write_table(write_table(tmp_path, ["b", "a"], files=2), ["c"], language="C#"))
    found = [text for group in table.row_groups() for text in read_row_group(group).column("content").to_pylist()]
    assert found == [text for batch in table.batches(["content"]) for text in batch.column(0).to_pylist()]
    assert sorted(found) == ["a", "b", "c"]


def test_a_map_is_the_same_after_a_journey(tmp_path: Path) -> None:
    """Workers get a pickled copy; tokens take four bytes each on the way."""
    table = CorpusTable(write_table(tmp_path, [program(1), ""]))
    batch = read_row_group(table.row_groups()[0])
    function = EncodeRows(VOCABULARY, {}, 0)
    there = pickle.loads(pickle.dumps(function))(batch)
    assert isinstance(there, pa.RecordBatch)
    assert there.equals(function(batch))
    assert np.frombuffer(there.column("tokens")[1].as_py(), "<u4").tolist() == [VOCABULARY.special.end_of_text]


@pytest.mark.slow
def test_a_real_spark_writes_the_same_bytes(
    classic_spark: SparkServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = write_corpus(tmp_path / "corpus", files=3)
    inputs = {"corpus": corpus, "vocabulary": FOLDER}
    plain = ShardsStage(shards=ShardsConfig(context=64, shard_mb=0.01))
    related = ShardsStage(shards=ShardsConfig(context=64, shard_mb=0.01, pack="repositories"))
    contexts = [
        make_context(tmp_path, plain, inputs, name="plain"),
        make_context(tmp_path, related, inputs, name="rel"),
    ]
    here = make_context(tmp_path, related, inputs, name="here")
    pack(here)
    monkeypatch.setenv(TOKEN_VARIABLE, classic_spark.token)
    for context in contexts:
        pack(replace(context, engine=EngineConfig(spark=classic_spark.address)))
    for context, expected in zip(contexts, (SHARDS, here.out), strict=True):
        for split in ("train", "heldout_repos", "heldout_files"):
            ShardReader(context.out / split).verify()
            names = sorted(path.name for path in (expected / split).iterdir())
            assert sorted(path.name for path in (context.out / split).iterdir()) == names
            for name in names:
                assert (context.out / split / name).read_bytes() == (expected / split / name).read_bytes()
