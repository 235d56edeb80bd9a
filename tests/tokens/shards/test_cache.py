"""The cache of shards: one maker at a time, nothing half after a kill, eviction that spares what is open."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ownlm.errors import RecipeError, StorageError
from ownlm.tokens.shards.cache import ShardCache, cache_at

ROOT = Path(__file__).resolve().parents[3]


def content(key: str, size: int) -> bytes:
    return hashlib.shake_128(key.encode()).digest(size)


def maker(key: str, size: int, made: list[str] | None = None) -> Callable[[BinaryIO], None]:
    def make(out: BinaryIO) -> None:
        if made is not None:
            made.append(key)
        out.write(content(key, size))

    return make


def read(cache: ShardCache, key: str, size: int, made: list[str] | None = None) -> bytes:
    with cache.open(key, size, maker(key, size, made)) as stream:
        return stream.read()


def names(cache: ShardCache) -> list[str]:
    return sorted(file.name for file in cache.folder.iterdir())


def test_a_file_is_made_once(tmp_path: Path) -> None:
    cache, made = ShardCache(tmp_path / "new" / "folder", 10**6), []
    for _ in range(3):
        assert read(cache, "a", 100, made) == content("a", 100)
    assert made == ["a"]
    assert names(cache) == ["a"]


def test_what_failed_leaves_nothing_and_is_tried_again(tmp_path: Path) -> None:
    cache = ShardCache(tmp_path, 10**6)

    def broken(out: BinaryIO) -> None:
        out.write(b"half")
        raise StorageError("no more")

    with pytest.raises(StorageError, match="no more"):
        cache.open("a", 100, broken)
    assert names(cache) == []
    assert read(cache, "a", 100) == content("a", 100)


def test_a_file_that_was_cut_short_is_made_again(tmp_path: Path) -> None:
    cache, made = ShardCache(tmp_path, 10**6), []
    read(cache, "a", 100, made)
    (tmp_path / "a").write_bytes(b"short")
    assert read(cache, "a", 100, made) == content("a", 100)
    assert made == ["a", "a"]


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.booleans()), max_size=30), st.integers(0, 60))
def test_the_oldest_go_and_what_is_open_stays(
    tmp_path_factory: pytest.TempPathFactory, uses: list[tuple[str, bool]], limit: int
) -> None:
    """Against a list: least recently opened first, never one that is mapped, as few as needed."""
    cache = ShardCache(tmp_path_factory.mktemp("lru"), limit)
    sizes = {key: 7 + number for number, key in enumerate("abcdefgh")}
    recent: list[str] = []
    mapped: dict[str, np.ndarray] = {}
    for clock, (key, keep) in enumerate(uses):
        if key not in recent:
            for old in list(recent):
                if sum(sizes[one] for one in recent) + sizes[key] <= limit:
                    break
                if old not in mapped:
                    recent.remove(old)
        else:
            recent.remove(key)
        recent.append(key)
        with cache.open(key, sizes[key], maker(key, sizes[key])) as stream:
            if keep:
                mapped[key] = np.memmap(stream, dtype=np.uint8, mode="r")
        os.utime(cache.folder / key, ns=(clock, clock))  # two uses within a tick of the disk's clock
        assert names(cache) == sorted(recent)
    assert all(mapped[key].tobytes() == content(key, sizes[key]) for key in mapped)


def test_a_map_keeps_its_file_after_its_stream_was_closed(tmp_path: Path) -> None:
    cache = ShardCache(tmp_path, 100)
    with cache.open("a", 90, maker("a", 90)) as stream:
        held = np.memmap(stream, dtype=np.uint8, mode="r")
    read(cache, "b", 90)
    assert names(cache) == ["a", "b"]
    del held
    read(cache, "c", 90)
    assert names(cache) == ["c"]


def test_many_threads_make_a_file_once(tmp_path: Path) -> None:
    cache, made, found = ShardCache(tmp_path, 10**6), [], []
    ready = threading.Barrier(8)
    held = []

    def work() -> None:
        ready.wait()
        with cache.open("a", 1000, maker("a", 1000, made)) as stream:
            found.append(stream.read())
            held.append(np.memmap(stream, dtype=np.uint8, mode="r"))  # whoever waits must not wait for the map

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [content("a", 1000)] * 8
    assert made == ["a"]
    assert names(cache) == ["a"]


PROCESS = """
import sys
from pathlib import Path
from ownlm.tokens.shards.cache import ShardCache
folder, log, mode = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
def make(out):
    with log.open("a") as said:
        said.write("made\\n")
    out.write(b"x" * 500)
    out.flush()
    if mode == "die":
        print("half", flush=True)
        sys.stdin.read()
    out.write(b"x" * 500)
with ShardCache(folder, 10**6).open("a", 1000, make) as stream:
    assert stream.read() == b"x" * 1000
"""


def start(folder: Path, log: Path, mode: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROCESS, str(folder), str(log), mode]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def test_processes_wait_for_each_other_and_a_kill_leaves_nothing_half(tmp_path: Path) -> None:
    folder, log = tmp_path / "cache", tmp_path / "log"
    with start(folder, log, "die") as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "half\n"
        assert [file.name for file in folder.iterdir()] == ["a.part"]
        others = [start(folder, log, "live") for _ in range(2)]
        first.send_signal(signal.SIGKILL)
    for other in others:
        with other:
            assert other.wait(60) == 0
    assert log.read_text() == "made\n" * 2, "the one that was killed, and one of the two that waited"
    assert [file.name for file in folder.iterdir()] == ["a"]
    assert (folder / "a").read_bytes() == b"x" * 1000


def test_what_a_kill_left_makes_room(tmp_path: Path) -> None:
    cache = ShardCache(tmp_path, 100)
    (tmp_path / "old.part").write_bytes(bytes(90))
    read(cache, "a", 50)
    assert names(cache) == ["a"]


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ownlm.tokens.shards.cache.free_bytes", lambda folder: 99)
    with pytest.raises(StorageError, match="no room") as caught:
        read(ShardCache(tmp_path, 10**6), "a", 100)
    assert "OWNLM_SHARD_CACHE" in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be used") as caught:
        read(ShardCache(tmp_path / "file", 10**6), "a", 100)
    assert str(tmp_path / "file") in str(caught.value)


def test_adopted_files_need_not_be_made(tmp_path: Path) -> None:
    cache, made = ShardCache(tmp_path / "cache", 150), []
    for key, kept in (("a", True), ("b", True)):
        (tmp_path / key).write_bytes(content(key, 100))
        cache.adopt(tmp_path / key, key)
        assert (tmp_path / key).exists() is not kept
    assert names(cache) == ["b"]
    assert read(cache, "b", 100, made) == content("b", 100)
    assert made == []
    (tmp_path / "c").write_bytes(bytes(200))
    cache.adopt(tmp_path / "c", "c")
    assert "c" not in names(cache)


def test_the_environment_says_where_and_how_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_at(tmp_path).folder == tmp_path / "shards"
    assert cache_at(tmp_path).limit == 200 * 10**9
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_at(None).folder == tmp_path / "xdg/ownlm/shards"
    monkeypatch.setenv("OWNLM_SHARD_CACHE", str(tmp_path / "other"))
    monkeypatch.setenv("OWNLM_SHARD_CACHE_GB", "1.5")
    assert (cache_at(tmp_path).folder, cache_at(None).limit) == (tmp_path / "other", 1_500_000_000)
    for wrong in ("much", "-1", "nan"):
        monkeypatch.setenv("OWNLM_SHARD_CACHE_GB", wrong)
        with pytest.raises(RecipeError, match="OWNLM_SHARD_CACHE_GB"):
            cache_at(None)
