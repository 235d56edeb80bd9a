"""Shards in an S3 storage: the same tokens as from a folder, through a cache; faults of the server and of the bytes."""

from __future__ import annotations

import json
import os
import pickle
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ownlm.errors import ArtifactError, DependencyError, RecipeError, ServerError
from ownlm.pipeline.progress import SilentProgress
from ownlm.tokens.objectives.config import ObjectivesConfig
from ownlm.tokens.shards.batches import Batches
from ownlm.tokens.shards.prefetch import Prefetcher
from ownlm.tokens.shards.push import push
from ownlm.tokens.shards.reader import ShardReader
from ownlm.tokens.shards.storage import Bucket
from ownlm.tokens.shards.workers import Workers
from ownlm.tokens.shards.writer import ShardWriter
from tests.tokens.corpora import pack_texts, program, small
from tests.tokens.shards import s3

pytest.importorskip("s3fs")
VOCABULARY = small()[1]
TEXTS = [program(seed) for seed in range(60)]
FORMS = {
    "tokens": {"format": "tokens"},
    "mds": {"format": "mds"},
    "zstd": {"format": "mds", "compression": "zstd"},
}
STORED = {"tokens": "tokens-00001.bin", "mds": "shard.00001.mds", "zstd": "shard.00001.mds.zstd"}


@pytest.fixture(scope="module")
def server() -> Iterator[s3.Server]:
    with s3.serving() as server:
        yield server


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> ShardReader:
    return pack_texts(tmp_path_factory.mktemp("local"), TEXTS, VOCABULARY, shard_mb=0.005)


@pytest.fixture(scope="module")
def urls(server: s3.Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The same documents in every form, pushed."""
    found = {}
    for name, settings in FORMS.items():
        folder = tmp_path_factory.mktemp(name)
        packed = pack_texts(folder, TEXTS, VOCABULARY, shard_mb=0.005, **settings)
        found[name], _ = push(packed.path, f"s3://shards/{name}", SilentProgress())
    return found


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, server: s3.Server) -> Iterator[None]:
    monkeypatch.setattr("ownlm.tokens.shards.fetch.WAIT_S", 0.0)
    server.requests.clear()
    yield
    server.faults.clear()


@pytest.mark.parametrize("form", FORMS)
def test_a_url_gives_the_same_tokens_and_documents(
    form: str, urls: dict[str, str], local: ShardReader, tmp_path: Path
) -> None:
    reader = ShardReader(urls[form], cache=tmp_path)
    assert reader.tokens[:].tolist() == local.tokens[:].tolist()
    assert [reader.document(n) for n in range(60)] == [local.document(n) for n in range(60)]
    assert (reader.where, reader.form) == (urls[form], "tokens" if form == "tokens" else "mds")
    one, other = (Batches(r, ObjectivesConfig(), VOCABULARY, 64, 4, 3) for r in (reader, local))
    for step in (0, 7, 300):
        assert np.array_equal(one.batch(step).tokens_BL, other.batch(step).tokens_BL)
    reader.verify()


@pytest.mark.parametrize("form", FORMS)
def test_a_shard_is_fetched_when_it_is_touched_and_only_once(
    form: str, urls: dict[str, str], server: s3.Server, tmp_path: Path
) -> None:
    reader = ShardReader(urls[form], cache=tmp_path)
    assert server.count("GET", STORED[form]) == 0
    assert len(list((tmp_path / "shards").iterdir())) == 1, "the documents table"
    ends = [0, *np.cumsum([shard.count for shard in reader._split.shards])]
    if form == "tokens":
        first, last = int(ends[1]), int(ends[2]) - 1
    else:
        first, last = reader.document(int(ends[1])).start, reader.document(int(ends[2]) - 1).start
    for position in (first, last, first):
        assert len(reader.tokens[position : position + 1]) == 1
    assert len(list((tmp_path / "shards").iterdir())) == 2
    assert server.count("GET", STORED[form]) == 1
    again = ShardReader(urls[form], cache=tmp_path)
    assert again.tokens[first : first + 1].tolist() == reader.tokens[first : first + 1].tolist()
    assert server.count("GET", STORED[form]) == 1


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("fault", [s3.failing, s3.truncated, s3.flipped])
def test_a_fault_is_tried_again(
    form: str, fault: s3.Fault, urls: dict[str, str], server: s3.Server, local: ShardReader, tmp_path: Path
) -> None:
    server.faults[STORED[form]] = [fault]
    reader = ShardReader(urls[form], cache=tmp_path)
    assert reader.tokens[:].tolist() == local.tokens[:].tolist()
    assert server.faults[STORED[form]] == []
    assert server.count("GET", STORED[form]) == 2


@pytest.mark.parametrize("form", FORMS)
def test_a_shard_that_stays_damaged_is_named_and_nothing_of_it_is_kept(
    form: str, urls: dict[str, str], server: s3.Server, tmp_path: Path
) -> None:
    """On the way, where botocore finds it, and in the storage, where only the index knows."""
    system, damaged = fsspec.filesystem("s3"), f"s3://shards/damaged-{form}"
    system.copy(urls[form], damaged, recursive=True)
    with system.open(f"{damaged}/{STORED[form]}", "rb") as stream:
        body = stream.read()
    system.pipe_file(f"{damaged}/{STORED[form]}", s3.flipped(body))
    for url, fault in ((urls[form], [s3.flipped] * 20), (damaged, [])):
        server.faults[STORED[form]] = list(fault)
        reader = ShardReader(url, cache=tmp_path)
        with pytest.raises(ArtifactError) as caught:
            reader.tokens[:]
        assert f"{url}/{STORED[form]}" in str(caught.value)
        assert "what to do" in str(caught.value)
        assert not list((tmp_path / "shards").glob("*.part"))
        with pytest.raises(ArtifactError, match=STORED[form]):
            reader.verify()


def test_a_missing_shard_and_a_missing_split_are_named(urls: dict[str, str], tmp_path: Path) -> None:
    system = fsspec.filesystem("s3")
    system.copy(urls["tokens"], "s3://shards/gone", recursive=True)
    system.rm("s3://shards/gone/tokens-00002.bin")
    reader = ShardReader("s3://shards/gone", cache=tmp_path)
    with pytest.raises(ArtifactError, match=r"s3://shards/gone/tokens-00002\.bin"):
        reader.tokens[:]
    with pytest.raises(ArtifactError, match=r"s3://shards/never/index\.json"):
        ShardReader("s3://shards/never", cache=tmp_path)


@pytest.mark.parametrize("form", FORMS)
def test_a_wrong_index_is_named(form: str, urls: dict[str, str], tmp_path: Path) -> None:
    """Cut short, of shards that are others, and of a documents table that is another."""
    system, wrong = fsspec.filesystem("s3"), f"s3://shards/wrong-{form}"
    system.copy(urls[form], wrong, recursive=True)
    text = system.cat_file(f"{wrong}/index.json").decode()
    system.pipe_file(f"{wrong}/index.json", text[:-9].encode())
    with pytest.raises(ArtifactError, match=f"{wrong}/index.json"):
        ShardReader(wrong, cache=tmp_path)
    index = json.loads(text)
    shard = index["shards"][1]
    stored = shard if form == "tokens" else shard["zip_data"] or shard["raw_data"]
    for place, key, value in (
        (stored.get("hashes", stored), "sha256", "0" * 64),
        (stored, "size" if form == "tokens" else "bytes", 7),
        (index if form == "tokens" else index["ownlm"], "table", {"size": 7, "sha256": "0" * 64, "row_groups": [60]}),
    ):
        right, place[key] = place[key], value
        system.pipe_file(f"{wrong}/index.json", json.dumps(index).encode())
        place[key] = right
        name = "documents.parquet" if key == "table" else STORED[form]
        with pytest.raises(ArtifactError, match=f"{wrong}/{name}"):
            ShardReader(wrong, cache=tmp_path / key).tokens[:]


def test_worker_processes_open_the_same_url(urls: dict[str, str], local: ShardReader, tmp_path: Path) -> None:
    reader = pickle.loads(pickle.dumps(ShardReader(urls["mds"], cache=tmp_path)))
    assert reader.tokens[:100].tolist() == local.tokens[:100].tolist()
    assert (tmp_path / "shards").is_dir()


def test_a_longer_file_is_not_read_to_its_end(urls: dict[str, str], server: s3.Server, tmp_path: Path) -> None:
    system = fsspec.filesystem("s3")
    system.copy(urls["tokens"], "s3://shards/long", recursive=True)
    with system.open("s3://shards/long/tokens-00000.bin", "wb") as stream:
        stream.write(bytes(20 << 20))
    with pytest.raises(ArtifactError, match="more than the"):
        ShardReader("s3://shards/long", cache=tmp_path).tokens[:1]
    assert server.count("GET", "long/tokens-00000.bin") == 4, "one block at each try"


def test_all_of_an_epoch_is_fetched_ahead(urls: dict[str, str], server: s3.Server, tmp_path: Path) -> None:
    reader = ShardReader(urls["tokens"], cache=tmp_path)
    batches = Batches(reader, ObjectivesConfig(fill_in_the_middle=None), VOCABULARY, 64, 4, 0)
    folder, shards = tmp_path / "shards", len(reader._split.shards)
    ready = {shard.file.key for shard in reader._split.shards}
    with batches.fetched_ahead(5), Prefetcher(batches, 5, 6) as data:
        assert next(iter(data)).tokens_BL.shape == (4, 64)
        for thread in (one for one in threading.enumerate() if one.name == "fetch"):
            thread.join(60)
    assert ready <= {file.name for file in folder.iterdir()}
    assert sum(server.count("GET", f"tokens-{n:05d}.bin") for n in range(shards)) == shards


@pytest.mark.slow
def test_worker_processes_read_through_the_same_cache(
    urls: dict[str, str], local: ShardReader, server: s3.Server, tmp_path: Path
) -> None:
    away, near = (
        Batches(reader, ObjectivesConfig(), VOCABULARY, 64, 4, 3)
        for reader in (ShardReader(urls["tokens"], cache=tmp_path), local)
    )
    with Workers(away, 0, 12, workers=2) as data:
        for step, batch in enumerate(data):
            assert np.array_equal(batch.tokens_BL, near.batch(step).tokens_BL)
    assert server.count("GET", STORED["tokens"]) == 1
    assert away.batch(0).tokens_BL.shape == (4, 64)
    assert server.count("GET", STORED["tokens"]) == 1


def test_a_push_again_sends_nothing_and_one_that_was_interrupted_goes_on(
    server: s3.Server, local: ShardReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent_names: list[str] = []
    put = Bucket.put

    def interrupted(self: Bucket, file: Path, name: str) -> None:
        if len(sent_names) == 2:
            raise KeyboardInterrupt
        sent_names.append(name)
        put(self, file, name)

    with monkeypatch.context() as patch:
        patch.setattr(Bucket, "put", interrupted)
        with pytest.raises(KeyboardInterrupt):
            push(local.path, "s3://shards/again", SilentProgress())
    system = fsspec.filesystem("s3")
    system.invalidate_cache()
    there = {name.split("/")[-1] for name in system.find("s3://shards/again")}
    assert there == {"tokens-00000.bin", "tokens-00001.bin"}
    server.requests.clear()
    url, sent = push(local.path, "s3://shards/again", SilentProgress())
    assert server.count("PUT", "tokens-00000.bin") == 0
    assert server.count("PUT", "tokens-00002.bin") == 1
    assert sent > 0
    server.requests.clear()
    assert push(local.path, "s3://shards/again/", SilentProgress()) == (url, 0)
    assert not [one for one in server.requests if one[0] in ("PUT", "POST")]


def test_a_damaged_shard_is_not_pushed(tmp_path: Path, server: s3.Server) -> None:
    packed = pack_texts(tmp_path, TEXTS, VOCABULARY, shard_mb=0.005).path
    file = packed / "tokens-00001.bin"
    data = bytearray(file.read_bytes())
    data[7] ^= 1
    file.write_bytes(data)
    with pytest.raises(ArtifactError, match=r"tokens-00001\.bin"):
        push(packed, "s3://shards/damaged", SilentProgress())
    assert server.count("PUT", "tokens-00001.bin") == 0
    assert server.count("PUT", "index.json") == 0


@given(st.integers(0, 4000), st.integers(0, 4000), st.integers(1, 5))
def test_any_slice_through_a_small_cache(
    urls: dict[str, str], local: ShardReader, tmp_path_factory: pytest.TempPathFactory, a: int, b: int, times: int
) -> None:
    reader = _small_cache(urls["mds"], tmp_path_factory)
    start, stop = sorted((a * times, b * times))
    assert reader.tokens[start:stop].tolist() == local.tokens[start:stop].tolist()


_SMALL: dict[str, ShardReader] = {}


def _small_cache(url: str, tmp_path_factory: pytest.TempPathFactory) -> ShardReader:
    """One that holds two shards of six."""
    if url not in _SMALL:
        os.environ["OWNLM_SHARD_CACHE_GB"] = "0.000012"
        try:
            _SMALL[url] = ShardReader(url, cache=tmp_path_factory.mktemp("small"))
        finally:
            del os.environ["OWNLM_SHARD_CACHE_GB"]
    return _SMALL[url]


# --- addresses and credentials --------------------------------------------------------------------------------------


def test_no_message_shows_a_secret(urls: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for url in (
        "s3://ann:hidden-word@shards/x",
        "https://example.org/x?X-Amz-Signature=hidden-word",
        "s3://a/b#hidden-word",
    ):
        with pytest.raises(RecipeError) as caught:
            ShardReader(url, cache=tmp_path)
        assert "hidden-word" not in str(caught.value)
        assert "credentials" in str(caught.value)
    import s3fs

    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(ServerError) as refused:
        ShardReader(urls["tokens"], cache=tmp_path)
    s3fs.S3FileSystem.clear_instance_cache()
    said = str(refused.value)
    assert "environment" in said
    assert not any(secret in said for secret in s3.KEYS.values())


def test_a_missing_package_is_said_with_its_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "s3", raising=False)
    with pytest.raises(DependencyError, match=r"ownlm\[s3\]"):
        ShardReader("s3://shards/x", cache=tmp_path)


def test_an_unknown_kind_of_address(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="gopher"):
        ShardReader("gopher://host/x", cache=tmp_path)


def test_memory_and_file_addresses(local: ShardReader, tmp_path: Path) -> None:
    url, _ = push(local.path, "memory://somewhere/else", SilentProgress())
    assert ShardReader(url, cache=tmp_path).tokens[:].tolist() == local.tokens[:].tolist()
    url, _ = push(local.path, f"file://{tmp_path}/pushed", SilentProgress())
    assert not list(tmp_path.rglob("*.part"))
    assert ShardReader(url).tokens[:].tolist() == local.tokens[:].tolist()


def test_a_plain_web_server(local: ShardReader, tmp_path: Path) -> None:
    """One that knows no ranges of bytes, with a shard larger than a block."""
    folder = tmp_path / "served"
    documents = [{"id": "", "source": "", "repo": "", "path": "", "language": ""}] * 3
    with ShardWriter(folder, vocabulary_size=2**16, vocabulary="", shard_bytes=1 << 30) as writer:
        for number, document in enumerate(documents):
            writer.add(dict(document), np.arange(3_000_000, dtype=np.uint32) % (number + 7), 1)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    try:
        reader = ShardReader(f"http://127.0.0.1:{http.server_port}", cache=tmp_path)
        assert np.array_equal(reader.tokens[:], ShardReader(folder).tokens[:])
        with pytest.raises(ArtifactError, match="nothing"):
            ShardReader(f"http://127.0.0.1:{http.server_port}/nothing", cache=tmp_path)
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
