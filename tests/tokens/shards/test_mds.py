"""MDS shards: the bytes MosaicML's own writer makes, read back like our own format, damage named.

`mds_golden/` holds files made with mosaicml-streaming 0.13. Where scripts/test could set that package up (in
`.venv-streaming`: it cannot live beside our numpy), or STREAMING_PYTHON names a Python that has it, it reads what we
write, and we what it writes.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
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


# --- compressed -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def squeezed(tmp_path_factory: pytest.TempPathFactory) -> ShardReader:
    folder = tmp_path_factory.mktemp("squeezed")
    path = pack_texts(folder, TEXTS, VOCABULARY, shard_mb=0.005, format="mds", compression="zstd").path
    return ShardReader(path, cache=folder / "cache")


def test_compressed_shards_are_read_like_others(
    squeezed: ShardReader, both: tuple[ShardReader, ShardReader], tmp_path: Path
) -> None:
    files = {file.name: file.stat().st_size for file in squeezed.path.glob("shard.*")}
    assert files
    assert all(name.endswith(".mds.zstd") for name in files)
    raw = {file.name: file.read_bytes() for file in sorted(both[1].path.glob("shard.*"))}
    assert sum(files.values()) < sum(map(len, raw.values()))
    index = json.loads((squeezed.path / "index.json").read_text())
    for shard, data in zip(index["shards"], raw.values(), strict=True):
        packed = (squeezed.path / shard["zip_data"]["basename"]).read_bytes()
        found = pa.Codec("zstd").decompress(packed, shard["raw_data"]["bytes"], asbytes=True)
        assert hashlib.sha256(found).hexdigest() == shard["raw_data"]["hashes"]["sha256"]
        samples, same = (one[int.from_bytes(one[4:8], "little") :] for one in (found, data))
        assert samples == same, "all but the configuration, which says that it is compressed"
    assert squeezed.tokens[:].tolist() == both[0].tokens[:].tolist()
    assert [squeezed.document(n) for n in range(60)] == [both[0].document(n) for n in range(60)]
    squeezed.verify()


def test_the_frame_says_its_size(squeezed: ShardReader) -> None:
    """MosaicML's reader asks for it: bits 5 to 7 of the frame header's first byte, RFC 8878, 3.1.1.1."""
    for file in squeezed.path.glob("*.zstd"):
        data = file.read_bytes()
        assert data[:4] == bytes.fromhex("28b52ffd")
        assert data[4] >> 5, "single segment, or a size of 2, 4 or 8 bytes"


@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
def test_a_damaged_compressed_shard_is_named(squeezed: ShardReader, tmp_path: Path, damage: str) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(squeezed.path, copy)
    file = copy / "shard.00002.mds.zstd"
    if damage == "flip":
        _flip(file, file.stat().st_size // 2)
    elif damage == "cut":
        file.write_bytes(file.read_bytes()[:-1])
    else:
        file.unlink()
    with pytest.raises(ArtifactError) as caught:
        ShardReader(copy, cache=tmp_path / "cache").tokens[:]
    assert str(file) in str(caught.value)
    if damage == "flip":
        with pytest.raises(ArtifactError, match="checksum") as caught:
            ShardReader(copy, cache=tmp_path / "cache").verify()
        assert str(file) in str(caught.value)


# --- the real package -----------------------------------------------------------------------------------------------

REAL = """
import json, sys
import numpy as np
from streaming import MDSWriter, StreamingDataset
from streaming.base.util import clean_stale_shared_memory
clean_stale_shared_memory()
given = json.loads(sys.argv[1])
for folder, column, encoding, compression, hashes in given["write"]:
    with MDSWriter(out=folder, columns={column: encoding, "text": "str", "n": "int"}, compression=compression,
                   hashes=hashes, size_limit=2000) as writer:
        for number in range(1, 30):
            row = np.arange(number * 7, number * 8 + 7)
            kind = (encoding.split(":") + ["int32"])[1]
            value = row.astype("<i8").tobytes() if encoding == "bytes" else row.astype(kind)
            writer.write({column: value, "text": "x" * number, "n": number})
read = []
for folder in given["read"]:
    data = StreamingDataset(local=folder, batch_size=1, shuffle=False, validate_hash="sha256")
    rows = [data[number] for number in range(len(data))]
    read.append([row | {"tokens": row["tokens"].tolist()} for row in rows])
print(json.dumps(read))
"""
WRITTEN = [
    ("tokens", "ndarray:uint16", None, []),
    ("tokens", "ndarray", "zstd:7", ["sha1"]),
    ("input_ids", "bytes", "gz", ["sha256"]),
    ("ids", "ndarray:int32", "br", ["sha256", "xxh64"]),
    ("tokens", "ndarray:int64", "bz2", ["xxh64"]),
]


def streaming_python() -> Path | None:
    """A Python that has mosaicml-streaming: named in STREAMING_PYTHON, or made by scripts/test."""
    made = Path(__file__).resolve().parents[3] / ".venv-streaming"
    named = os.environ.get("STREAMING_PYTHON")
    return Path(named) if named else made / "bin/python" if (made / ".ready").exists() else None


@pytest.mark.slow
@pytest.mark.skipif(streaming_python() is None, reason="no mosaicml-streaming here: scripts/test sets it up")
def test_the_real_package_reads_what_we_write_and_we_what_it_writes(
    packed: Path, squeezed: ShardReader, tmp_path: Path
) -> None:
    long = [dict.fromkeys(COLUMNS, "long") | {"tokens": list(range(70_000))}]
    copy = tmp_path / "copy"
    shutil.copytree(squeezed.path, copy)  # it decompresses beside the files
    ours = [
        ShardReader(packed),
        ShardReader(copy, cache=tmp_path / "cache"),
        write(tmp_path / "long", long, 10**9, size=2**17),
    ]
    folders = [str(tmp_path / f"theirs-{number}") for number in range(len(WRITTEN))]
    asked = {
        "write": [(folder, *how) for folder, how in zip(folders, WRITTEN, strict=True)],
        "read": [str(reader.path) for reader in ours],
    }
    command = [str(streaming_python()), "-c", REAL, json.dumps(asked)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    for reader, read in zip(ours, json.loads(done.stdout.splitlines()[-1]), strict=True):
        assert len(read) == reader.documents
        for number, row in enumerate(read):
            span = reader.document(number)
            assert {name: row[name] for name in COLUMNS} == {name: getattr(span, name) for name in COLUMNS}
            assert row["tokens"] == reader.tokens[span.start : span.stop].tolist()
    rows = [list(range(number * 7, number * 8 + 7)) for number in range(1, 30)]
    for folder in folders:
        theirs = ShardReader(folder, cache=tmp_path / "cache")
        assert len(theirs._split.shards) > 1
        assert theirs.tokens[:].tolist() == [token for row in rows for token in row]
        assert theirs.lengths().tolist() == [len(row) for row in rows]
        theirs.verify()
