"""A registry in a folder, in memory and in S3: durable, audited, no change lost, damage survived."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from ownlm.errors import ArtifactError, BusyError, RecipeError, ServerError, StorageError
from ownlm.live.rollout import changes
from ownlm.live.rollout.folder_log import FolderLog
from ownlm.live.rollout.log import file_name
from ownlm.live.rollout.registry import Registry, open_registry
from ownlm.live.rollout.state import GuardRails
from tests.live.rollout.made import overtaken, to
from tests.tokens.shards.s3 import serving


@pytest.fixture(params=["folder", "memory", "s3"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "folder":
        yield str(tmp_path / "registry")
    elif request.param == "memory":
        yield f"memory://{uuid.uuid4().hex}/registry"
    else:
        pytest.importorskip("moto.server")
        with serving():
            yield "s3://shards/registry"


def test_what_was_changed_is_there_for_everybody(where):
    registry, other = open_registry(where), open_registry(where)
    assert other.read().revision == 0
    assert not other.log.news(0)
    registry.change(to("v1"), why="first")
    assert other.log.news(0)
    registry.change(to("v2", percent=10), why="a tenth of you", who="ann@laptop")
    found = other.read()
    assert (found.revision, found.last, found.problem) == (2, 2, None)
    assert found.state.channels["everyone"].stage is not None
    assert not other.log.news(found.last)
    (second, newest), (first, oldest) = other.history()
    assert (second, newest.who, newest.why, newest.action) == (2, "ann@laptop", "a tenth of you", "to")
    assert (newest.before, newest.after) == ("v1", "v2 (10 %)")
    assert (first, oldest.base, oldest.why) == (1, 0, "first")
    assert oldest.who.count("@") == 1


def test_a_change_that_came_between_is_not_lost(where):
    """Somebody is faster between reading and writing: the change is made again, from what is there now."""
    registry, other = open_registry(where), open_registry(where)
    registry.change(to("v0"), why="")
    assert overtaken(registry, other) == [{"everyone"}, {"everyone", "staff"}]
    assert set(registry.read().state.channels) == {"everyone", "staff", "dev"}
    assert [record.why for _, record in registry.history()] == ["slower", "faster", ""]


def test_who_is_always_slower_is_told(where):
    registry, other = open_registry(where), open_registry(where)
    number = iter(range(100))

    def slow(state, now):
        other.change(to("v1", channel=f"c{next(number)}"), why="faster")
        return to("v1", channel="dev")(state, now)

    with pytest.raises(BusyError, match="somebody else"):
        registry.change(slow, why="slower")
    assert "dev" not in registry.read().state.channels


def test_two_writers_at_once_lose_nothing(tmp_path):
    """Each adds channels of its own, from the same state; the loser of a round makes its change anew."""
    first = open_registry(tmp_path)
    first.change(to("v0"), why="")
    barrier = threading.Barrier(2)
    failed: list[BaseException] = []

    def write(name: str) -> None:
        registry = open_registry(tmp_path)
        try:
            for number in range(6):
                barrier.wait()
                registry.change(to("v1", channel=f"{name}{number}"), why=name)
        except BaseException as error:
            failed.append(error)
            barrier.abort()

    writers = [threading.Thread(target=write, args=(name,)) for name in "ab"]
    for one in writers:
        one.start()
    for one in writers:
        one.join()
    assert not failed
    added = {f"{name}{number}" for name in "ab" for number in range(6)}
    assert set(first.read().state.channels) == {"everyone", *added}
    assert [number for number, _ in first.history()] == list(range(13, 0, -1))


def test_a_number_that_is_taken_is_refused(where):
    registry = open_registry(where)
    registry.change(to("v1"), why="")
    with pytest.raises(BusyError):
        registry.log.append(1, b"other")


def test_a_damaged_revision_is_told_and_the_one_before_holds(tmp_path):
    registry = Registry(FolderLog(tmp_path))
    registry.change(to("v1"), why="")
    registry.change(to("v2"), why="")
    path = tmp_path / file_name(2)
    data = path.read_bytes()
    for broken in (data[:-10], data.replace(b'"v2"', b'"v3"', 1), b"", b"\xff", b"[1]", b'{"record": 1, "sha256": 2}'):
        path.write_bytes(broken)
        found = registry.read()
        assert (found.revision, found.last) == (1, 2)
        assert found.state.channels["everyone"].version == "v1"
        assert found.problem is not None
        with pytest.raises(ArtifactError, match="damaged"):
            registry.change(to("v3"), why="")
    assert [type(record).__name__ for _, record in registry.history()] == ["ArtifactError", "Record"]
    registry.mend(why="the disk lost it")
    found = registry.read()
    assert (found.revision, found.last, found.problem) == (3, 3, None)
    registry.change(to("v3"), why="")
    assert registry.read().state.channels["everyone"].version == "v3"
    with pytest.raises(ArtifactError, match="nothing is damaged"):
        registry.mend(why="again")


def test_a_revision_of_a_later_version_of_ownlm_is_not_guessed_at(tmp_path):
    registry = Registry(FolderLog(tmp_path))
    registry.change(to("v1"), why="")
    record = registry.record(1).model_copy(update={"format": 2, "base": 1})
    registry.log.append(2, record.encode())
    assert "format 2" in str(registry.read().problem)


def test_the_key_is_made_once_and_hidden_from_others(where, tmp_path):
    assert open_registry(where).key() == open_registry(where).key()
    key = tmp_path / "registry" / "bucket.key"
    if key.exists():
        assert key.stat().st_mode & 0o077 == 0


def test_what_a_change_refuses_is_not_written(where):
    registry = open_registry(where)
    with pytest.raises(RecipeError):
        registry.change(lambda state, now: changes.guard(state, "nobody", GuardRails()), why="")
    assert registry.read().last == 0


def test_a_registry_that_cannot_be_reached_says_so(tmp_path):
    gone = Registry(FolderLog(tmp_path / "registry"))
    gone.change(to("v1"), why="")
    (tmp_path / "registry").rename(tmp_path / "elsewhere")
    with pytest.raises(StorageError):
        gone.log.news(1)
    (tmp_path / "registry").write_text("a file")
    with pytest.raises(StorageError, match="cannot be used"):
        gone.change(to("v2"), why="")


def test_an_unreachable_address_says_so_without_credentials(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLEEXAMPLE00")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    registry = open_registry("s3://bucket/registry")
    registry.log._system.retries = 1  # type: ignore[attr-defined]
    with pytest.raises(ServerError, match="does not answer") as error:
        registry.log.news(0)
    assert "a-secret" not in str(error.value)
    with pytest.raises(RecipeError, match="credentials"):
        open_registry("s3://key:a-secret@bucket/registry")


def test_a_full_disk_refuses_a_change_and_leaves_nothing_behind(tmp_path):
    """A file-size limit of the kernel, as a full disk would: the write itself fails."""
    registry = Registry(FolderLog(tmp_path))
    registry.change(to("v1"), why="")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(StorageError, match="cannot be used"):
            registry.change(to("v2"), why="")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert [path.name for path in tmp_path.iterdir()] == [file_name(1)]
    registry.change(to("v2"), why="there is space again")
    assert registry.read().revision == 2


KILLED = """
import os, sys
from ownlm.live.rollout.folder_log import FolderLog
from ownlm.live.rollout.registry import Registry
from pathlib import Path
from tests.live.rollout.made import to

calls = 0
real = {name: getattr(os, name) for name in ("open", "fsync", "link", "unlink", "write")}
def dying(name):
    def call(*args, **kwargs):
        global calls
        calls += 1
        if calls == int(sys.argv[2]):
            os.kill(os.getpid(), 9)
        return real[name](*args, **kwargs)
    return call
registry = Registry(FolderLog(Path(sys.argv[1])))
registry.read()
for name in real:
    setattr(os, name, dying(name))
registry.change(to("v2"), why="killed")
print("done")
"""


def test_killed_anywhere_in_a_switch_it_is_made_or_not(tmp_path):
    """kill -9 before the first, second, ... system call of the write, until one comes through."""
    outcomes = []
    for call in range(1, 30):
        folder = tmp_path / str(call)
        registry = Registry(FolderLog(folder))
        registry.change(to("v1"), why="")
        done = subprocess.run(
            [sys.executable, "-c", KILLED, str(folder), str(call)], capture_output=True, cwd=Path.cwd(), check=False
        )
        found = registry.read()
        assert found.problem is None
        outcomes.append(found.state.channels["everyone"].version)
        registry.change(to("v3"), why="life goes on")
        assert registry.read().revision == found.revision + 1
        if b"done" in done.stdout:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert outcomes == sorted(outcomes), "not made up to some call, made from there on"
    assert {"v1", "v2"} == set(outcomes)
    assert call > 4
