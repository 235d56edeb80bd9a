"""MDS shards: the bytes MosaicML's own writer makes, read back like our own format, damage named.

`mds_golden/` holds files made with mosaicml-streaming 0.13. With STREAMING_PYTHON set to a Python in which that
package can be imported (it cannot live beside our torch: see docs/shards.md), it reads what we write, too.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ownlm.errors import ArtifactError, CorpusError
from ownlm.pipeline.artifact import sha256_file
from ownlm.tokens.objectives.config import ObjectivesConfig
from ownlm.tokens.shards.batches import Batches
from ownlm.tokens.shards.config import ShardsConfig, ShardsStage
from ownlm.tokens.shards.mds import encode_sample
from ownlm.tokens.shards.pack import pack
from ownlm.tokens.shards.reader import ShardReader
from ownlm.tokens.shards.writer import ShardWriter
from tests.context import make_context
from tests.tokens.corpora import pack_texts, program, small
from tests.tokens.shards.mds_golden.make import DOCUMENTS, SIZE_LIMIT

GOLDEN = Path(__file__).parent / "mds_golden" / "shards"
CORPUS, VOCABULARY, SHARDS = small()
TEXTS = [program(seed) for seed in range(60)]
COLUMNS = ("id", "source", "repo", "path", "language")


def write(path: Path, documents: list[dict[str, Any]], shard_bytes: int, size: int = 2**16) -> ShardReader:
    with ShardWriter(
        path, vocabulary_size=size, vocabulary=VOCABULARY.content, shard_bytes=shard_bytes, form="mds"
    ) as writer:
        for document in documents:
            writer.add({name: document[name] for name in COLUMNS}, document["tokens"], 1)
    return ShardReader(path)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[ShardReader, ShardReader]:
    """The same documents in both formats, in several shards each."""
    folder = tmp_path_factory.mktemp("both")
    tokens = pack_texts(folder / "tokens", TEXTS, VOCABULARY, shard_mb=0.005)
    mds = pack_texts(folder / "mds", TEXTS, VOCABULARY, shard_mb=0.005, format="mds")
    assert (tokens.form, mds.form) == ("tokens", "mds")
    assert len(list(mds.path.glob("shard.*.mds"))) > 3
    return tokens, mds


# --- the format -----------------------------------------------------------------------------------------------------


def test_the_bytes_are_those_of_the_real_writer(tmp_path: Path) -> None:
    reader = write(tmp_path, DOCUMENTS, SIZE_LIMIT)
    assert (tmp_path / "shard.00000.mds").read_bytes() == (GOLDEN / "shard.00000.mds").read_bytes()
    ours, theirs = (json.loads((folder / "index.json").read_text()) for folder in (tmp_path, GOLDEN))
    assert {"ownlm": ours["ownlm"], **theirs} == ours
    assert [reader.tokens[reader.document(n).start : reader.document(n).stop].tolist() for n in range(3)] == [
        document["tokens"] for document in DOCUMENTS
    ]


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=600), st.text(st.characters(codec="utf-8")))
def test_a_sample_can_be_taken_apart(ids: list[int], text: str) -> None:
    """By the format's description: sizes, then values; an array has its kind and length before it."""
    row = dict.fromkeys(COLUMNS, text)
    sample = encode_sample(row, np.array(ids, dtype="<u4"))
    sizes = np.frombuffer(sample, "<u4", count=6).tolist()
    ends = np.cumsum([24, *sizes]).tolist()
    values = [sample[begin:end] for begin, end in pairwise(ends)]
    assert ends[-1] == len(sample)
    assert [value.decode() for value in values[:5]] == [text] * 5
    kind, width = values[5][0], 1 if len(ids) < 256 else 2
    assert (kind >> 2, kind & 3) == (1, width - 1)
    assert int.from_bytes(values[5][1 : 1 + width], "little") == len(ids)
    assert np.frombuffer(values[5][1 + width :], "<u4").tolist() == ids


def test_wide_tokens_and_long_documents(tmp_path: Path) -> None:
    documents = [dict.fromkeys(COLUMNS, "x") | {"tokens": list(range(length))} for length in (70_000, 3, 256)]
    reader = write(tmp_path, documents, 100_000, size=2**16 + 1)
    assert reader.tokens.dtype == np.uint32
    assert len(list(tmp_path.glob("*.mds"))) == 2
    assert reader.tokens[:].tolist() == [token for document in documents for token in document["tokens"]]
    assert not list(tmp_path.glob("*.unfinished"))


def test_a_shard_ends_below_the_largest_offset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ownlm.tokens.shards.mds.LARGEST", 3000)
    documents = [dict.fromkeys(COLUMNS, "x") | {"tokens": list(range(400))} for _ in range(7)]
    reader = write(tmp_path, documents, 10**9)
    assert [file.stat().st_size < 3000 for file in sorted(tmp_path.glob("*.mds"))] == [True] * 3
    assert reader.tokens[:].tolist() == list(range(400)) * 7
    with pytest.raises(CorpusError, match="too large") as caught:
        write(tmp_path / "more", [dict.fromkeys(COLUMNS, "x") | {"tokens": list(range(2000))}], 10**9)
    assert "x/x" in str(caught.value)


# --- the same as our own format -------------------------------------------------------------------------------------


@given(st.integers(-40, 30_000), st.integers(-40, 30_000))
def test_any_slice_is_the_same(both: tuple[ShardReader, ShardReader], start: int, stop: int) -> None:
    tokens, mds = both
    assert mds.tokens[start:stop].tolist() == tokens.tokens[start:stop].tolist()
    assert mds.tokens[start:stop].dtype == tokens.tokens.dtype


def test_documents_and_totals_are_the_same(both: tuple[ShardReader, ShardReader]) -> None:
    tokens, mds = both
    assert len(mds.tokens) == mds.total_tokens == tokens.total_tokens
    assert (mds.documents, mds.total_bytes, mds.vocabulary) == (60, tokens.total_bytes, tokens.vocabulary)
    assert [mds.document(n) for n in range(60)] == [tokens.document(n) for n in range(60)]
    mds.verify()
    with pytest.raises(ValueError, match="steps of one"):
        mds.tokens[::2]


def test_batches_are_the_same(both: tuple[ShardReader, ShardReader]) -> None:
    one, other = (Batches(reader, ObjectivesConfig(), VOCABULARY, 64, 4, 3) for reader in both)
    for step in (0, 1, 50, 1000):
        first, second = one.batch(step), other.batch(step)
        for name in ("tokens_BL", "labels_BL", "segments_BL"):
            assert np.array_equal(getattr(first, name), getattr(second, name))
        assert one.documents_of(step) == other.documents_of(step)


def test_the_stage_writes_it_and_the_same_bytes_again(tmp_path: Path) -> None:
    config = ShardsConfig(context=64, shard_mb=0.01, format="mds")
    made = []
    for name in ("one", "two"):
        inputs = {"corpus": CORPUS, "vocabulary": SHARDS.parent / "vocabulary"}
        context = make_context(tmp_path, ShardsStage(shards=config), inputs, name=name)
        pack(context)
        files = [file for file in sorted(context.out.glob("*/*")) if file.parent.name != "report"]
        made.append({file.relative_to(context.out).as_posix(): sha256_file(file) for file in files})
        assert ShardReader(context.out / "train").tokens[:].tolist() == ShardReader(SHARDS / "train").tokens[:].tolist()
    assert made[0] == made[1]
    assert "train/shard.00002.mds" in made[0]


def test_an_empty_split_opens(tmp_path: Path) -> None:
    reader = pack_texts(tmp_path, [], VOCABULARY, format="mds")
    assert (reader.total_tokens, reader.documents, len(reader.tokens)) == (0, 0, 0)
    assert reader.tokens[:10].tolist() == []
    reader.verify()


# --- damage ---------------------------------------------------------------------------------------------------------


def _flip(file: Path, place: int) -> None:
    data = bytearray(file.read_bytes())
    data[place] ^= 1
    file.write_bytes(data)


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    return pack_texts(tmp_path, TEXTS, VOCABULARY, shard_mb=0.005, format="mds").path


@pytest.mark.parametrize("damage", [Path.unlink, lambda file: file.write_bytes(file.read_bytes()[:-1])])
def test_a_shard_of_the_wrong_size_is_named(packed: Path, damage: Callable[[Path], object]) -> None:
    damage(packed / "shard.00001.mds")
    with pytest.raises(ArtifactError) as caught:
        ShardReader(packed)
    assert str(packed / "shard.00001.mds") in str(caught.value)


@pytest.mark.parametrize("place", [5, 600, -1])
def test_verify_names_the_shard_with_one_flipped_bit(packed: Path, place: int) -> None:
    _flip(packed / "shard.00002.mds", place)
    with pytest.raises(ArtifactError, match="checksum") as caught:
        ShardReader(packed).verify()
    assert str(packed / "shard.00002.mds") in str(caught.value)


@pytest.mark.parametrize(("place", "words"), [(0, "does not hold"), (4 + 3, "sample 0"), (12 + 3, "sample 1")])
def test_damaged_offsets_are_found_when_a_shard_is_opened(packed: Path, place: int, words: str) -> None:
    _flip(packed / "shard.00001.mds", place)
    with pytest.raises(ArtifactError, match=words) as caught:
        ShardReader(packed)
    assert str(packed / "shard.00001.mds") in str(caught.value)


def test_a_damaged_index_is_named(packed: Path) -> None:
    index = packed / "index.json"
    whole = json.loads(index.read_text())
    for text in ('{"version": 2}', '{"version": 2, "shards": [3], "ownlm": {}}', json.dumps(whole)[:-3]):
        index.write_text(text)
        with pytest.raises(ArtifactError) as caught:
            ShardReader(packed)
        assert str(index) in str(caught.value)
    whole["shards"].pop()
    index.write_text(json.dumps(whole))
    with pytest.raises(ArtifactError, match="do not belong together"):
        ShardReader(packed)


# --- the real package -----------------------------------------------------------------------------------------------

READ = """
import json, sys
from streaming import StreamingDataset
from streaming.base.util import clean_stale_shared_memory
clean_stale_shared_memory()
data = StreamingDataset(local=sys.argv[1], batch_size=1, shuffle=False, validate_hash="sha256")
rows = [data[number] for number in range(len(data))]
print(json.dumps([row | {"tokens": row["tokens"].tolist()} for row in rows]))
"""


@pytest.mark.skipif("STREAMING_PYTHON" not in os.environ, reason="STREAMING_PYTHON names no Python")
def test_the_real_package_reads_what_we_write(packed: Path, tmp_path: Path) -> None:
    long = [dict.fromkeys(COLUMNS, "long") | {"tokens": list(range(70_000))}]
    for reader in (ShardReader(packed), write(tmp_path / "long", long, 10**9, size=2**17)):
        command = [os.environ["STREAMING_PYTHON"], "-c", READ, str(reader.path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        read = json.loads(done.stdout.splitlines()[-1])
        assert len(read) == reader.documents
        for number, row in enumerate(read):
            span = reader.document(number)
            assert {name: row[name] for name in COLUMNS} == {name: getattr(span, name) for name in COLUMNS}
            assert row["tokens"] == reader.tokens[span.start : span.stop].tolist()
