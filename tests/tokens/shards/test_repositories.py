"""Packing by repository against a slow reference; then every part that reads what was packed."""

from __future__ import annotations

import hashlib
import random
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ownlm.data.lake import pool
from ownlm.data.lake.document import Document, documents_batch
from ownlm.data.lake.pool import map_row_groups
from ownlm.data.lake.table import partition_name
from ownlm.evaluate.documents import choose, open_splits, tokens_of, training_stream
from ownlm.pipeline.progress import SilentProgress
from ownlm.tokens.corpus import CorpusTable
from ownlm.tokens.objectives.config import UL2, FillInTheMiddle, ObjectivesConfig
from ownlm.tokens.shards import spill
from ownlm.tokens.shards.batches import Batches
from ownlm.tokens.shards.config import ShardsConfig
from ownlm.tokens.shards.dependencies.order import dependency_order, imports, references
from ownlm.tokens.shards.mixture import copies, share_of
from ownlm.tokens.shards.pack import pack_split
from ownlm.tokens.shards.provenance import StepOrigins
from ownlm.tokens.shards.reader import DocumentSpan, ShardReader
from ownlm.tokens.shards.report import write_report
from tests.tokens.corpora import program, small
from tests.tokens.strategies import any_text, code_like

_, VOCABULARY, _ = small()
SPECIAL, TABLE = VOCABULARY.special, VOCABULARY.token_bytes


def project(seed: int, files: int = 12) -> list[Document]:
    """A repository of Python files that import each other, some JavaScript, and a README."""
    draws = random.Random(seed)
    names = [f"pkg/m{number:02d}.py" for number in range(files)]
    made = [("README.md", "Markdown", f"# Project {seed}\n")]
    for name in names:
        chosen = draws.sample(names, draws.randrange(3))
        lines = [f"from .{other[4:-3]} import *\n" for other in chosen]
        made.append((name, "Python", "".join(lines) + program(draws.randrange(10**6), 1)))
    made += [("web/a.js", "JavaScript", "import './b';\n"), ("web/b.js", "JavaScript", f"let x = {seed};\n")]
    return [Document("code", f"me/p{seed % 7}", "", path, language, text) for path, language, text in made]


PROJECTS = [document for seed in range(4) for document in project(seed)]


def write(folder: Path, documents: Sequence[Document], *, groups: int = 1, draws: random.Random | None = None) -> Path:
    """A split: files of one language each, rows as they come, or in any order."""
    by_language: dict[str, list[Document]] = defaultdict(list)
    for document in documents if draws is None else draws.sample(documents, len(documents)):
        by_language[document.language].append(document)
    for language, held in by_language.items():
        path = folder / partition_name(language) / "part-00000.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_batches([documents_batch(held)]), path, row_group_size=-(-len(held) // groups))
    return folder


def pack(
    folder: Path,
    documents: Sequence[Document],
    *,
    weights: Mapping[str, float] | None = None,
    workers: int = 1,
    groups: int = 1,
    draws: random.Random | None = None,
    **shards: Any,
) -> ShardReader:
    config = ShardsConfig(pack="repositories", **shards)
    table = CorpusTable(write(folder / "table", documents, groups=groups, draws=draws))
    mapping = partial(map_row_groups, workers=workers)
    pack_split(table, folder / "split", VOCABULARY, config, SilentProgress(), weights or {}, mapping)
    reader = ShardReader(folder / "split")
    reader.verify()
    return reader


def reference(
    documents: Sequence[Document], weights: Mapping[str, float], limit: float, names: float
) -> Iterator[tuple[Document, list[int], int, bool]]:
    """Slow and obvious: (document, tokens, header, opens a stretch), pass after pass."""
    identity = {document: hashlib.sha256(document.content.encode()).hexdigest() for document in documents}
    for number in range(10):
        for source, repo in sorted({(d.source, d.repo) for d in documents}):
            files = [d for d in documents if (d.source, d.repo) == (source, repo)]
            files = [d for d in files if copies(weights.get(source, 1.0), identity[d])]
            files.sort(key=lambda d: (d.path, d.language, identity[d]))
            said: dict[str, tuple[str, list[str]]] = {}
            for d in files:
                language, found = said.get(d.path, (d.language, []))
                said[d.path] = (language, found + references(d.language, d.content))
            order = dependency_order(said, imports(repo, said))
            files.sort(key=lambda d: order.index(d.path))
            held, stretch, opens = 0, 0, True
            for d in files:
                if number >= copies(weights.get(source, 1.0), identity[d]):
                    continue
                header: list[int] = []
                named = share_of(f"{source}\0{repo}\0{stretch}\0{number}") < names
                if opens:
                    header += [SPECIAL.end_of_text]
                    header += [SPECIAL.repo_name, *VOCABULARY.encode(repo)] if named else []
                if named:
                    header += [SPECIAL.file_sep, *VOCABULARY.encode(d.path + "\n")]
                elif not opens:
                    header += [SPECIAL.file_sep]
                yield d, header + VOCABULARY.encode(d.content), len(header), opens
                held, opens = held + len(d.content.encode()), False
                if held >= limit * 1e6:
                    held, stretch, opens = 0, stretch + 1, True


def check(reader: ShardReader, expected: Sequence[tuple[Document, list[int], int, bool]]) -> None:
    spans = [reader.document(number) for number in range(reader.documents)]
    assert [(s.source, s.repo, s.path, s.language) for s in spans] == [
        (d.source, d.repo, d.path, d.language) for d, *_ in expected
    ]
    assert [reader.tokens[s.start : s.stop].tolist() for s in spans] == [tokens for _, tokens, _, _ in expected]
    assert [(s.header, s.opens) for s in spans] == [(header, opens) for *_, header, opens in expected]
    assert [s.bytes for s in spans] == [len(d.content.encode()) for d, *_ in expected]
    assert reader.header_tokens == sum(header for *_, header, _ in expected)
    assert reader.total_tokens == sum(len(tokens) for _, tokens, _, _ in expected)


@pytest.mark.parametrize("weights", [{}, {"code": 2.5}, {"code": 0.4}])
@pytest.mark.parametrize(("limit", "names"), [(1.0, 1.0), (0.002, 0.5), (0.000_001, 0.0)])
def test_packed_as_the_reference_does(tmp_path: Path, weights: dict[str, float], limit: float, names: float) -> None:
    reader = pack(tmp_path, PROJECTS, weights=weights, repository_mb=limit, repository_names=names)
    check(reader, list(reference(PROJECTS, weights, limit, names)))


_PATHS = st.sampled_from(
    ["a.py", "b.py", "lib/c.py", "x.js", "README", "a\nb.py", "<|file_sep|>.py", "größe.rs", "z\0.c"]
)
_DOCUMENTS = st.builds(
    Document,
    source=st.sampled_from(["one", "two"]),
    repo=st.sampled_from(["r", "r/s", "<|repo_name|>", ""]),
    revision=st.just(""),
    path=_PATHS,
    language=st.sampled_from(["Python", "JavaScript", "Text"]),
    content=code_like | any_text,
)


@settings(max_examples=40, deadline=None)
@given(st.lists(_DOCUMENTS, min_size=1, max_size=12, unique=True), st.randoms(use_true_random=False), st.booleans())
def test_any_documents_in_any_order(documents: list[Document], draws: random.Random, heavy: bool) -> None:
    weights = {"one": 1.5} if heavy else {}
    with tempfile.TemporaryDirectory() as folder:
        reader = pack(Path(folder), documents, weights=weights, groups=3, draws=draws, repository_mb=0.0001)
        check(reader, list(reference(documents, weights, 0.0001, 0.5)))
        found = Counter(reader.document(number).id for number in range(reader.documents))
    expected: Counter[str] = Counter()
    for document in documents:
        identity = hashlib.sha256(document.content.encode()).hexdigest()
        expected[identity] += copies(weights.get(document.source, 1.0), identity)
    assert found == expected, "every document once a copy"


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "split").iterdir())}


@pytest.mark.parametrize("form", ["tokens", "mds"])
def test_the_same_bytes_for_any_workers_rows_and_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: Literal["tokens", "mds"]
) -> None:
    settings: dict[str, Any] = {"weights": {"code": 1.5}, "format": form, "shard_mb": 0.005}
    pack(tmp_path / "one", PROJECTS, **settings)
    expected = _bytes(tmp_path / "one")
    assert len(expected) > 3
    assert not any("unfinished" in name for name in expected), "what was spilled is gone"
    monkeypatch.setattr(pool, "_BYTES_PER_WORKER", 1)
    monkeypatch.setattr(spill, "RUN_BYTES", 1)
    pack(tmp_path / "two", PROJECTS, workers=2, groups=5, draws=random.Random(1), **settings)
    assert _bytes(tmp_path / "two") == expected


def test_nothing_spilled_stays_behind_an_error(tmp_path: Path) -> None:
    table = CorpusTable(write(tmp_path / "table", PROJECTS))
    file = sorted((tmp_path / "table").rglob("*.parquet"))[-1]
    file.write_bytes(file.read_bytes()[:-30] + b"x" * 30)
    with pytest.raises(Exception, match="cannot be read"):
        pack_split(table, tmp_path / "split", VOCABULARY, ShardsConfig(pack="repositories"), SilentProgress(), {})
    assert not (tmp_path / "split/unfinished").exists()


def test_an_empty_table(tmp_path: Path) -> None:
    reader = pack(tmp_path, [])
    assert (reader.documents, reader.total_tokens, reader.header_tokens, reader.pack) == (0, 0, 0, "repositories")


# --- what reads it --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> ShardReader:
    return pack(tmp_path_factory.mktemp("repositories"), PROJECTS, repository_mb=0.004)


def _owners(reader: ShardReader) -> tuple[list[DocumentSpan], np.ndarray, np.ndarray]:
    """The documents; for every position the number of its document, and of its stretch."""
    spans = [reader.document(number) for number in range(reader.documents)]
    documents = np.repeat(np.arange(len(spans)), [span.length for span in spans])
    return spans, documents, np.cumsum([span.opens for span in spans])[documents]


def test_attention_stays_in_a_stretch_and_covers_it(reader: ShardReader) -> None:
    _, _, stretches = _owners(reader)
    made = Batches(reader, ObjectivesConfig(fill_in_the_middle=None), VOCABULARY, 100, 4, seed=3)
    several = 0
    for index in range(2 * made.windows):
        sample = made.sample(index)
        first = sample.pieces[0].position
        here = stretches[first : first + 100]
        assert ((sample.segments_L[:, None] == sample.segments_L) == (here[:, None] == here)).all()
        assert sample.tokens_L.tolist() == reader.tokens[first : first + 100].tolist()
        assert sample.labels_L.tolist() == reader.tokens[first + 1 : first + 101].tolist()
        several += len(set(here)) > 1
    assert several > 5


def test_next_token_batches_are_copied_with_their_stretches(reader: ShardReader) -> None:
    """Batches of next-token alone take a shorter way."""
    made = Batches(reader, ObjectivesConfig(fill_in_the_middle=None), VOCABULARY, 100, 4, seed=3)
    for step in range(2 * made.windows // 4):
        batch, samples = made.batch(step), [made.sample(index) for index in made.samples_of(step)]
        assert batch.segments_BL.tolist() == [sample.segments_L.tolist() for sample in samples]
        assert batch.tokens_BL.tolist() == [sample.tokens_L.tolist() for sample in samples]


MIX = ObjectivesConfig(fill_in_the_middle=FillInTheMiddle(rate=0.5), ul2=UL2(rate=0.4))
WHOLE = ObjectivesConfig(fill_in_the_middle=FillInTheMiddle(rate=0.9, level="document"))
BY_SOURCE = ObjectivesConfig(fill_in_the_middle=FillInTheMiddle(rate=0.0, sources={"code": 1.0}))


@pytest.mark.parametrize("objectives", [MIX, WHOLE, BY_SOURCE], ids=["mix", "whole documents", "by source"])
def test_objectives_leave_headers_alone_and_stay_in_one_text(reader: ShardReader, objectives: ObjectivesConfig) -> None:
    spans, documents, stretches = _owners(reader)
    made = Batches(reader, objectives, VOCABULARY, 100, 4, seed=3)
    laid_out: Counter[str] = Counter()
    interrupted = 0
    for index in range(3 * made.windows):
        sample = made.sample(index)
        assert [piece.stop for piece in sample.pieces[:-1]] == [piece.start for piece in sample.pieces[1:]]
        for piece in sample.pieces:
            span, length = spans[documents[piece.position]], piece.stop - piece.start
            columns = slice(piece.start, piece.stop)
            held = sample.tokens_L[columns]
            if piece.objective == "next_token":
                assert held.tolist() == reader.tokens[piece.position : piece.position + length].tolist()
            else:
                laid_out[piece.objective] += 1
                assert span.text_start <= piece.position
                assert piece.position + length <= span.stop
                assert not {SPECIAL.file_sep, SPECIAL.repo_name, SPECIAL.end_of_text} & set(held.tolist())
            padded = held == SPECIAL.fim_pad
            assert ((sample.segments_L[columns] % 2 == 1) == padded).all()
        owners = stretches[sample.pieces[0].position : sample.pieces[0].position + 100]
        pads = np.cumsum(sample.tokens_L == SPECIAL.fim_pad)
        together = (owners[:, None] == owners) & (pads[:, None] == pads)
        text = np.flatnonzero(sample.tokens_L != SPECIAL.fim_pad)
        segments = sample.segments_L[text]
        assert ((segments[:, None] == segments) == together[text][:, text]).all(), "a stretch, but not across padding"
        assert (np.diff(sample.segments_L) >= 0).all(), "every segment is one run"
        interrupted += len(set(segments)) > len(set(owners))
    assert interrupted > 0 or objectives is not MIX
    assert laid_out["fill_in_the_middle"] > 20
    assert objectives.ul2 is None or laid_out["ul2"] > 20


@pytest.mark.parametrize("objectives", [MIX, WHOLE], ids=["mix", "whole documents"])
def test_every_token_of_every_row_is_traced(reader: ShardReader, objectives: ObjectivesConfig) -> None:
    texts = {hashlib.sha256(d.content.encode()).hexdigest(): d.content.encode() for d in PROJECTS}
    spans, documents, _ = _owners(reader)
    made = Batches(reader, objectives, VOCABULARY, 64, 3, seed=1)
    origins = StepOrigins(reader, made, VOCABULARY, objectives, 1000)
    headers = known = 0
    for step in (1, 5, 9, 14):
        tokens = made.batch(step - 1).tokens_BL
        for row in range(3):
            first = made.sample((step - 1) * 3 + row).pieces[0].position
            for column in range(64):
                place = origins.place(step, row, column)
                span = place.stretch.document
                assert span == spans[documents[first + column]], "markers and paths are the file's that they open"
                assert place.token == tokens[row, column]
                if place.offset is not None:
                    assert span.start + place.offset == first + column
                    header = place.offset < span.header
                    assert place.bytes is not None
                    assert texts[span.id][slice(*place.bytes)] == (b"" if header else TABLE[place.token])
                    headers += header
                elif place.bytes is not None:
                    assert texts[span.id][slice(*place.bytes)] == TABLE[place.token]
                    known += 1
    assert headers > 20
    assert known > 50 or objectives is WHOLE, "of a document cut before its windows, a row has parts"


def test_evaluation_reads_the_texts(tmp_path: Path) -> None:
    pack(tmp_path / "a", PROJECTS)
    (tmp_path / "shards").mkdir()
    (tmp_path / "a/split").rename(tmp_path / "shards/heldout_files")
    reader = open_splits(tmp_path / "shards")["heldout_files"]
    texts = {hashlib.sha256(d.content.encode()).hexdigest(): d.content for d in PROJECTS}
    chosen = choose(reader, 10**9, 10**9, seed=0)
    assert {found.span.id for found in chosen} == set(texts)
    for found in chosen:
        assert found.tokens.tolist() == VOCABULARY.encode(texts[found.span.id])
        assert tokens_of(reader, found.span).tolist() == found.tokens.tolist()
    for limit in (10**9, reader.total_tokens // 3):
        stream, starts = training_stream(reader, limit)
        assert set(stream[starts].tolist()) == {SPECIAL.end_of_text}
        assert np.flatnonzero(stream < SPECIAL.count).tolist() == starts.tolist(), "no other marker, no path"
        parts = [VOCABULARY.decode_bytes(part[1:].tolist()).decode() for part in np.split(stream, starts[1:])]
        assert set(parts) <= set(texts.values())
    assert len(parts) < len(PROJECTS)


def test_the_table_says_headers_and_stretches(reader: ShardReader) -> None:
    table = pq.read_table(reader.path / "documents.parquet")
    assert table.column_names[-2:] == ["header", "opens"]
    opening = [row for row in table.to_pylist() if row["opens"]]
    assert all(reader.tokens[row["start"] : row["start"] + 1].tolist() == [SPECIAL.end_of_text] for row in opening)
    stream = reader.tokens[:]
    assert (stream == SPECIAL.end_of_text).sum() == len(opening), "an end of text opens each stretch, and nothing else"


def test_the_page_says_how_it_is_packed_and_where_it_is(reader: ShardReader, tmp_path: Path) -> None:
    config = ShardsConfig(pack="repositories", format="mds", compression="zstd", store="s3://bucket/folder")
    write_report({"train": reader}, config, tmp_path / "index.html")
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert f"Packed by repository: {sum(reader.document(n).opens for n in range(reader.documents))} stretches" in page
    assert f"{reader.header_tokens / reader.total_tokens:.1%} of the training tokens are markers" in page
    assert "MDS, compressed with zstd, to s3://bucket/folder" in page
