from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings

from ownlm.data.lake import pool
from ownlm.errors import ArtifactError, CorpusError, InputError
from ownlm.pipeline.progress import SilentProgress
from ownlm.tokens.corpus import SPLITS, CorpusTable
from ownlm.tokens.shards import pack as module
from ownlm.tokens.shards.config import ShardsConfig, ShardsStage
from ownlm.tokens.shards.mixture import copies
from ownlm.tokens.shards.pack import pack
from ownlm.tokens.shards.reader import ShardReader
from ownlm.tokens.shards.writer import ShardWriter
from tests.context import make_context
from tests.tokens.corpora import pack_texts, program, small, write_corpus
from tests.tokens.strategies import documents

CORPUS, VOCABULARY, SHARDS = small()
FOLDER = SHARDS.parent / "vocabulary"


def _run(
    tmp_path: Path,
    corpus: Path,
    name: str = "shards",
    *,
    workers: int = 1,
    weights: Mapping[str, float] | None = None,
    **shards: object,
) -> tuple[Path, Mapping[str, object]]:
    settings = {"context": 64, "shard_mb": 0.01} | shards
    stage = ShardsStage(shards=ShardsConfig.model_validate(settings), weights=dict(weights or {}))
    context = make_context(tmp_path, stage, {"corpus": corpus, "vocabulary": FOLDER}, name=name, workers=workers)
    return context.out, pack(context)


def _hashes(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "metrics.jsonl")
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(documents)
def test_unpacking_gives_the_documents_back(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    reader = pack_texts(tmp_path_factory.mktemp("pack"), texts, VOCABULARY, shard_mb=0.0001)
    spans = [reader.document(number) for number in range(reader.documents)]
    stored = [reader.tokens[span.start : span.stop].tolist() for span in spans]
    assert [ids[0] for ids in stored] == [VOCABULARY.special.end_of_text] * len(texts)
    assert [VOCABULARY.decode_bytes(ids[1:]).decode() for ids in stored] == texts
    assert [span.id for span in spans] == [hashlib.sha256(text.encode()).hexdigest() for text in texts]
    assert [span.bytes for span in spans] == [len(text.encode()) for text in texts]
    assert spans[0].start == 0
    assert [span.start for span in spans[1:]] == [span.stop for span in spans[:-1]]
    assert spans[-1].stop == reader.total_tokens
    reader.verify()


def test_every_split_is_packed_and_counted(tmp_path: Path) -> None:
    out, metrics = _run(tmp_path, CORPUS)
    readers = {split: ShardReader(out / split) for split in SPLITS}
    assert metrics["train_tokens"] == readers["train"].total_tokens
    assert metrics["heldout_repos_tokens"] == readers["heldout_repos"].total_tokens > 0
    assert metrics["windows"] == (readers["train"].total_tokens - 64) // 64
    assert [readers[split].documents for split in SPLITS] == [120, 6, 6]
    page = (out / "report/index.html").read_text(encoding="utf-8")
    assert "Training tokens" in page
    assert "heldout_repos" in page
    assert "Packed by document" in page
    assert "Written as token files." in page


def test_shards_end_at_documents(tmp_path: Path) -> None:
    reader = ShardReader(SHARDS / "train")
    index = json.loads((SHARDS / "train/index.json").read_text())
    starts = {reader.document(number).start for number in range(reader.documents)}
    ends = np.cumsum([shard["tokens"] for shard in index["shards"]])
    assert all(int(end) in starts for end in ends[:-1])
    assert all(shard["size"] >= 10_000 for shard in index["shards"][:-1])
    assert all(shard["size"] < 10_000 + 2 * max(reader.lengths()) for shard in index["shards"])


def test_the_same_bytes_again_from_other_files_and_groups(tmp_path: Path) -> None:
    first, _ = _run(tmp_path, CORPUS, "first")
    second, _ = _run(tmp_path, write_corpus(tmp_path / "corpus", files=7), "second")
    assert _hashes(first) == _hashes(second) == _hashes(SHARDS)


def _make_workers_cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as are asked for, however little there is to do."""
    monkeypatch.setattr(pool, "_BYTES_PER_WORKER", 1)
    monkeypatch.setattr(module, "BYTES_OF_WORKER", 1)


def test_a_worker_is_started_for_32_mb(tmp_path: Path) -> None:
    """Fewer would cost more time than they save; there is always one, for an empty table too."""
    table = CorpusTable(CORPUS / "train")
    group = table.row_groups()[0]
    for held, workers in ((0, 1), (63 << 20, 1), (64 << 20, 2), (1 << 40, 6)):
        table.row_groups = lambda held=held: [replace(group, bytes=held)]  # type: ignore[method-assign,misc]
        context = make_context(tmp_path, ShardsStage(), workers=6)
        mapping = module._mapping(context, table)
        assert mapping.args[0].workers == workers  # type: ignore[attr-defined]


@pytest.mark.parametrize("workers", [3])
def test_the_same_bytes_whatever_the_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    """Seven files, so seven row groups a split; with weights, each pass of documents in processes of its own."""
    _make_workers_cheap(monkeypatch)
    corpus = write_corpus(tmp_path / "corpus", files=7)
    assert _hashes(_run(tmp_path, corpus, "many", workers=workers)[0]) == _hashes(SHARDS)


@pytest.mark.parametrize("workers", [1, 2])
def test_weights_do_not_depend_on_the_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    _make_workers_cheap(monkeypatch)
    out, _ = _run(tmp_path, write_corpus(tmp_path / "corpus", files=3), workers=workers, weights={"test": 1.4})
    reader = ShardReader(out / "train")
    spans = [reader.document(number) for number in range(reader.documents)]
    once = [span.id for span in spans[:120]]
    chosen = [identity for identity in once if copies(1.4, identity) == 2]
    assert [span.id for span in spans] == once + chosen
    assert 20 < len(chosen) < 80
    for span, first in zip(spans[120:], [spans[once.index(identity)] for identity in chosen], strict=True):
        assert reader.tokens[span.start : span.stop].tolist() == reader.tokens[first.start : first.stop].tolist()


def test_an_error_of_a_worker_is_the_error_of_the_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _make_workers_cheap(monkeypatch)
    corpus = write_corpus(tmp_path / "corpus", files=3)
    file = sorted((corpus / "train").rglob("*.parquet"))[1]
    table = pq.read_table(file)
    pq.write_table(table.set_column(table.schema.get_field_index("content"), "content", [[1] * len(table)]), file)
    with pytest.raises(InputError, match="int instead of text"):
        _run(tmp_path, corpus, workers=2)
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(ArtifactError) as caught:
        _run(tmp_path, corpus, workers=2)
    assert str(file) in str(caught.value)


def _write(path: Path, documents: list[list[int]], size: int = 540) -> None:
    with ShardWriter(path, vocabulary_size=size, vocabulary="x", shard_bytes=100) as writer:
        for ids in documents:
            writer.add(dict.fromkeys(("id", "source", "repo", "path", "language"), "x"), ids, 2)


@pytest.mark.parametrize(("size", "dtype"), [(540, "<u2"), (65_536, "<u2"), (65_537, "<u4")])
def test_tokens_are_as_wide_as_the_vocabulary_needs(tmp_path: Path, size: int, dtype: str) -> None:
    ids = [0, size - 1, 300]
    _write(tmp_path, [ids], size)
    assert np.fromfile(tmp_path / "tokens-00000.bin", dtype=dtype).tolist() == ids
    assert ShardReader(tmp_path).tokens[:].tolist() == ids


def test_a_failure_leaves_no_index(tmp_path: Path) -> None:
    """Without an index there are no shards: a half-written split can't be taken for a whole one."""
    with pytest.raises(OverflowError):
        _write(tmp_path, [[0, 1], [0, 70_000]])
    with pytest.raises(ArtifactError, match="cannot be read"):
        ShardReader(tmp_path)


def test_a_corpus_too_small_for_the_context_says_how_small(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus", {"train": [program(1)] * 3})
    with pytest.raises(CorpusError, match=r"3 training documents have \d+ tokens; a context of 256 needs") as caught:
        _run(tmp_path, corpus, context=256)
    tokens = ShardReader(tmp_path / "shards/train").total_tokens
    assert f"have {tokens} tokens" in str(caught.value)
    assert "needs at least 2304" in str(caught.value)
    assert f"set shards.context to {tokens // 9} or less" in str(caught.value)
    _run(tmp_path, corpus, "smaller", context=tokens // 9)


def test_an_empty_training_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="0 training documents have 0 tokens") as caught:
        _run(tmp_path, write_corpus(tmp_path / "corpus", {"train": []}))
    assert "shards.context" not in str(caught.value)


def test_empty_held_out_splits_are_fine(tmp_path: Path) -> None:
    out, metrics = _run(tmp_path, write_corpus(tmp_path / "corpus", {"train": [program(n) for n in range(40)]}))
    assert metrics["heldout_files_tokens"] == 0
    assert ShardReader(out / "heldout_files").documents == 0


def test_progress_counts_all_bytes(tmp_path: Path) -> None:
    counted = _Counted()
    module.pack_split(CorpusTable(CORPUS / "train"), tmp_path / "train", VOCABULARY, ShardsConfig(), counted, {})
    assert counted.total == counted.done == ShardReader(SHARDS / "train").total_bytes


class _Counted(SilentProgress):
    """Remembers what it was told."""

    total = done = 0.0

    def task(self, label: str, total: float | None = None, unit: str = "") -> object:  # type: ignore[override]
        self.total = total or 0.0
        return self

    def __enter__(self) -> _Counted:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def advance(self, amount: float = 1) -> None:
        self.done += amount


def test_the_document_table_is_plain_parquet() -> None:
    table = pq.read_table(SHARDS / "train/documents.parquet")
    assert table.column_names == ["index", "id", "source", "repo", "path", "language", "start", "length", "bytes"]
    assert table.num_rows == 120
