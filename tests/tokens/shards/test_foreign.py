"""MDS shards of others: written here column by column as the format's description says, and by MosaicML itself."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ownlm.errors import ArtifactError, InputError
from ownlm.tokens.objectives.config import ObjectivesConfig
from ownlm.tokens.shards.batches import Batches
from ownlm.tokens.shards.foreign import Foreign
from ownlm.tokens.shards.reader import ShardReader
from tests.tokens.corpora import small
from tests.tokens.shards.mds_golden.make import DOCUMENTS

GOLDEN = Path(__file__).parent / "mds_golden" / "shards"
VOCABULARY = small()[1]
CODES = {"uint8": 8, "int8": 9, "uint16": 16, "int16": 17, "uint32": 32, "int32": 33, "uint64": 64, "int64": 65}
SIZES = {"int": 8, "int64": 8, "uint8": 1, "float32": 4}
Columns = dict[str, str]


def value(encoding: str, given: Any) -> bytes:
    """One value, by the format's description."""
    kind, *said = encoding.split(":")
    if kind == "ndarray":
        array = np.asarray(given, said[0] if said else None)
        head = b"" if said else bytes([CODES[array.dtype.name]])
        if len(said) < 2:
            width = next(width for width in range(4) if max(array.shape) < 256 ** (1 << width))
            head += bytes([array.ndim << 2 | width]) + np.array(array.shape, f"<u{1 << width}").tobytes()
        return head + array.tobytes()
    if kind == "bytes":
        return bytes(given)
    return given.encode() if kind == "str" else np.array(given, {"int": "<i8"}.get(kind, kind)).tobytes()


def fixed(encoding: str) -> int | None:
    kind, *said = encoding.split(":")
    if kind == "ndarray" and len(said) == 2:
        return int(np.prod([int(axis) for axis in said[1].split(",")])) * np.dtype(said[0]).itemsize
    return SIZES.get(kind)


def write(
    path: Path,
    columns: Columns,
    samples: Sequence[dict[str, Any]],
    *,
    shard: int = 3,
    compression: str | None = None,
    hashes: Sequence[str] = (),
) -> Path:
    """A data set of MDS shards with `shard` samples each."""
    path.mkdir(parents=True)
    names = sorted(columns)
    encodings, sizes = [columns[name] for name in names], [fixed(columns[name]) for name in names]
    config = {"column_names": names, "column_encodings": encodings, "column_sizes": sizes, "format": "mds"}
    config |= {"compression": compression, "hashes": list(hashes), "size_limit": 1 << 26, "version": 2}
    head, shards = json.dumps(config, sort_keys=True).encode(), []
    for first in range(0, len(samples), shard):
        rows = []
        for sample in samples[first : first + shard]:
            values = [value(encoding, sample[name]) for name, encoding in zip(names, encodings, strict=True)]
            lengths = [len(one) for one, size in zip(values, sizes, strict=True) if size is None]
            rows.append(np.array(lengths, "<u4").tobytes() + b"".join(values))
        begin = 4 * (len(rows) + 2) + len(head)
        ends = np.cumsum([begin, *map(len, rows)]).astype("<u4")
        data = np.uint32(len(rows)).tobytes() + ends.tobytes() + head + b"".join(rows)
        raw = put(path, f"shard.{first // shard:05d}.mds", data, hashes)
        packed = None
        if compression:
            (path / raw["basename"]).unlink()
            packed = put(path, f"{raw['basename']}.{compression.split(':')[0]}", squeezed(compression, data), hashes)
        shards.append(config | {"raw_data": raw, "samples": len(rows), "zip_data": packed})
    (path / "index.json").write_text(json.dumps({"version": 2, "shards": shards}))
    return path


def put(path: Path, name: str, data: bytes, hashes: Sequence[str]) -> dict[str, Any]:
    (path / name).write_bytes(data)
    return {"basename": name, "bytes": len(data), "hashes": {one: hashlib.new(one, data).hexdigest() for one in hashes}}


def squeezed(compression: str, data: bytes) -> bytes:
    kind = compression.split(":", maxsplit=1)[0]
    if kind in ("gz", "bz2"):
        return {"gz": gzip.compress, "bz2": bz2.compress}[kind](data)
    return pa.compress(data, {"zstd": "zstd", "br": "brotli", "snappy": "snappy"}[kind], asbytes=True)


ids = st.lists(st.integers(0, 127), min_size=1, max_size=400)
encodings = st.sampled_from(["ndarray", "ndarray:uint16", "ndarray:int8", "ndarray:uint32", "ndarray:int64", "bytes"])


@given(st.lists(ids, min_size=1, max_size=8), encodings, st.sampled_from(["a", "n", "z"]), st.integers(1, 4))
def test_any_row_of_ids_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[int]], encoding: str, name: str, shard: int
) -> None:
    """Wherever its column lies between others of fixed and of variable size."""
    folder = tmp_path_factory.mktemp("foreign")
    columns = {"b": "str", "c": "int", "m": "str", "o": "uint8", "p": "str", name: encoding}
    others = {"b": "größe", "c": 7, "m": "", "o": 3, "p": "\x80\x04no pickle"}
    given = [np.array(row, "<i8") if encoding == "bytes" else row for row in rows]
    if encoding == "ndarray":
        given = [np.asarray(row) for row in rows]
    path = write(folder / "x", columns, [others | {name: one} for one in given], shard=shard)
    # Pickles are never opened: this one is none.
    index = json.loads((path / "index.json").read_text())
    for one in index["shards"]:
        one["column_encodings"][one["column_names"].index("p")] = "pkl"
    (path / "index.json").write_text(json.dumps(index))
    reader = ShardReader(path, cache=folder)
    flat = [token for row in rows for token in row]
    assert reader.tokens[:].tolist() == flat
    assert reader.lengths().tolist() == [len(row) for row in rows]
    middle = len(flat) // 2
    assert reader.tokens[middle // 2 : middle].tolist() == flat[middle // 2 : middle]


def test_documents_are_called_by_shard_and_number(tmp_path: Path) -> None:
    samples = [{"tokens": [number, number]} for number in range(5)]
    path = write(tmp_path / "x", {"tokens": "ndarray:uint16"}, samples)
    reader = ShardReader(path, cache=tmp_path)
    assert [reader.document(n).id for n in range(5)] == [
        "shard.00000.mds/0",
        "shard.00000.mds/1",
        "shard.00000.mds/2",
        "shard.00001.mds/0",
        "shard.00001.mds/1",
    ]
    assert (reader.form, reader.documents, reader.total_tokens, reader.vocabulary) == ("mds", 5, 10, "")
    assert reader.document_at(9).start == 8


def test_a_fixed_shape_has_nothing_before_its_values(tmp_path: Path) -> None:
    samples = [{"tokens": [number] * 8, "text": "x"} for number in range(4)]
    path = write(tmp_path / "x", {"tokens": "ndarray:int32:8", "text": "str"}, samples)
    assert ShardReader(path, cache=tmp_path).tokens[:].tolist() == [n for n in range(4) for _ in range(8)]


@pytest.mark.parametrize("compression", ["zstd", "zstd:7", "gz", "bz2", "br"])
@pytest.mark.parametrize("hashes", [(), ("sha256",), ("sha1", "xxh64")])
def test_compressed_shards_of_others(tmp_path: Path, compression: str, hashes: Sequence[str]) -> None:
    known = [one for one in hashes if one in hashlib.algorithms_available]
    samples = [{"tokens": list(range(number, 300))} for number in range(7)]
    path = write(tmp_path / "x", {"tokens": "ndarray:uint16"}, samples, compression=compression, hashes=known)
    reader = ShardReader(path, cache=tmp_path / "cache")
    assert reader.tokens[:].tolist() == [token for sample in samples for token in sample["tokens"]]
    reader.verify()
    name = f"shard.00001.mds.{compression.split(':', maxsplit=1)[0]}"
    data = bytearray((path / name).read_bytes())
    data[len(data) // 2] ^= 16
    (path / name).write_bytes(data if known else data[:-1])  # without checksums only its size tells
    with pytest.raises(ArtifactError, match=name):
        ShardReader(path, cache=tmp_path / "other").tokens[:]


def test_a_bomb_is_stopped_where_its_index_says(tmp_path: Path) -> None:
    path = write(tmp_path / "x", {"tokens": "ndarray:uint16"}, [{"tokens": [1, 2]}], compression="zstd")
    index = json.loads((path / "index.json").read_text())
    packed = index["shards"][0]["zip_data"]
    bomb = squeezed("zstd", bytes(50 << 20))
    (path / packed["basename"]).write_bytes(bomb)
    packed["bytes"] = len(bomb)
    (path / "index.json").write_text(json.dumps(index))
    with pytest.raises(ArtifactError, match="more than the"):
        ShardReader(path, cache=tmp_path / "cache")
    assert not list((tmp_path / "cache/shards").iterdir())


def test_batches_are_made_of_them(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    samples = [{"input_ids": rng.integers(0, 500, 129).astype("<i8")} for _ in range(40)]
    path = write(tmp_path / "x", {"input_ids": "bytes", "mask": "bytes"}, [s | {"mask": b"1"} for s in samples])
    with pytest.raises(ArtifactError, match="another vocabulary"):
        Batches(ShardReader(path, cache=tmp_path), ObjectivesConfig(), VOCABULARY, 64, 4, 0)
    reader = ShardReader(path, cache=tmp_path, foreign=Foreign(vocabulary=VOCABULARY.content))
    batch = Batches(reader, ObjectivesConfig(fill_in_the_middle=None), VOCABULARY, 64, 4, 0).batch(0)
    stream = np.concatenate([sample["input_ids"] for sample in samples])
    windows = np.lib.stride_tricks.sliding_window_view(stream, 64)
    for row in batch.tokens_BL:
        assert (windows == row).all(axis=1).any()


def test_what_mosaicml_wrote_is_read(tmp_path: Path) -> None:
    reader = ShardReader(GOLDEN, cache=tmp_path)
    assert [reader.tokens[reader.document(n).start : reader.document(n).stop].tolist() for n in range(3)] == [
        document["tokens"] for document in DOCUMENTS
    ]
    reader.verify()


@pytest.mark.parametrize(
    ("columns", "sample", "foreign", "words"),
    [
        ({"text": "str"}, {"text": "hello"}, Foreign(), "text (str)"),
        ({"image": "ndarray:float32"}, {"image": [0.5]}, Foreign(), "image (ndarray:float32)"),
        ({"a": "bytes", "b": "bytes"}, {"a": b"12345678", "b": b"12345678"}, Foreign(), "a (bytes), b (bytes)"),
        ({"tokens": "ndarray:uint16"}, {"tokens": [1]}, Foreign(column="other"), "tokens (ndarray:uint16)"),
        ({"tokens": "bytes"}, {"tokens": b"12345678"}, Foreign(dtype="float64"), "integers"),
    ],
)
def test_what_holds_no_token_ids_is_refused(
    tmp_path: Path, columns: Columns, sample: dict[str, Any], foreign: Foreign, words: str
) -> None:
    path = write(tmp_path / "x", columns, [sample])
    with pytest.raises(InputError) as caught:
        ShardReader(path, cache=tmp_path, foreign=foreign)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("encoding", "given", "words"),
    [
        ("bytes", b"123", "sample 1 has a 'tokens' that is no row of int64"),
        ("bytes", b"", "sample 1 has a 'tokens' that is no row of int64"),
        ("bytes", np.array([-5], "<i8").tobytes(), "sample 1 holds -5 to -5"),
        ("bytes", np.arange(8, dtype="<u2").tobytes(), "no token ids"),
        ("ndarray:uint16", [[1, 2], [3, 4]], "not one row of ids"),
    ],
)
def test_what_are_no_token_ids_is_named(tmp_path: Path, encoding: str, given: Any, words: str) -> None:
    good = np.array([1], "<i8").tobytes() if encoding == "bytes" else [1]
    path = write(tmp_path / "x", {"tokens": encoding}, [{"tokens": good}, {"tokens": given}])
    with pytest.raises(ArtifactError) as caught:
        ShardReader(path, cache=tmp_path)
    assert words in str(caught.value)
    assert "shard.00000.mds" in str(caught.value)


@pytest.mark.parametrize("name", ["../x.mds", "/etc/passwd", "a//b.mds", ".", ""])
def test_an_index_cannot_reach_out_of_its_folder(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "x", {"tokens": "ndarray:uint16"}, [{"tokens": [1]}])
    index = json.loads((path / "index.json").read_text())
    index["shards"][0]["raw_data"]["basename"] = name
    (path / "index.json").write_text(json.dumps(index))
    with pytest.raises(ArtifactError, match="not the name of a file"):
        ShardReader(path, cache=tmp_path)
