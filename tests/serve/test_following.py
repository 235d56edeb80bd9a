"""Versions come and go while requests are answered: watched folders, corrupt ones, draining, health."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from ownlm.errors import ArtifactError, StorageError
from ownlm.serve.app import app_for
from ownlm.serve.call import Caller
from ownlm.serve.config import ServeConfig
from ownlm.serve.fetching import fetch
from ownlm.serve.following import Keeper
from ownlm.serve.gateway import Gateway
from ownlm.serve.loading import load_version
from ownlm.serve.model import ServedModel
from ownlm.serve.protocols.errors import ApiError
from ownlm.serve.scheduler import Scheduler
from ownlm.serve.server import running_server
from ownlm.serve.versions import Versions
from ownlm.serve.watch import FolderRouter, newest
from tests.serve.running import eventually
from tests.serve.scripted import ScriptedEngine


def copy_of(export: Path, to: Path) -> Path:
    shutil.copytree(export / "ctranslate2", to / "ctranslate2")
    return to


def point(folder: Path, target: Path) -> None:
    """Point `current` elsewhere, as a person would: ln -sfn."""
    aside = folder / "aside"
    aside.symlink_to(target)
    aside.replace(folder / "current")


class Folder:
    """A router whose folder is looked at when a test says so, with versions made from the tiny model."""

    def __init__(self, folder: Path, model: ServedModel) -> None:
        self.router = FolderRouter(folder, "tiny", interval_s=0.005)
        self.engines: dict[str, ScriptedEngine] = {}
        self.loads: list[str] = []
        self._model = model

    def load(
        self, export_dir: Path, config: ServeConfig, model_name: str | None = None, version: str | None = None
    ) -> ServedModel:
        """Each version says its folder's name."""
        assert version is not None
        self.loads.append(export_dir.name)
        if (export_dir / "broken").exists():
            raise ArtifactError("it is broken")
        engine = ScriptedEngine(self._model.vocabulary)
        engine.say(export_dir.name)
        self.engines[export_dir.name] = engine
        return replace(self._model, engine=engine, version=version)


Session = Callable[[Gateway, Keeper, Folder, Path], "asyncio.Future[None]"]


@contextmanager
def folders(tmp_path: Path) -> Iterator[tuple[Path, Path, Path]]:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
        (folder / "weights").write_text(folder.name)
    watched = tmp_path / "watched"
    watched.mkdir()
    point(watched, one)
    yield watched, one, two


def following(tmp_path: Path, model: ServedModel, session: Callable[..., object]) -> None:
    with folders(tmp_path) as (watched, one, two):
        source = Folder(watched, model)
        gateway = Gateway(Versions([]), ServeConfig(), Scheduler(1, 4), source.router)
        keeper = Keeper(gateway, source.router, source.load)

        async def main() -> None:
            task = asyncio.create_task(keeper.run())
            try:
                async with asyncio.timeout(20):
                    await session(gateway, keeper, source, (watched, one, two))  # type: ignore[misc]
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                gateway.scheduler.close()

        asyncio.run(main())


async def until(true: Callable[[], bool]) -> None:
    while not true():
        await asyncio.sleep(0.005)


def names(gateway: Gateway) -> list[str]:
    return [name.partition("@")[0] for name in gateway.versions.names()]


def test_a_new_version_replaces_the_one_before(tmp_path: Path, model: ServedModel) -> None:
    async def session(gateway: Gateway, keeper: Keeper, source: Folder, places: tuple[Path, Path, Path]) -> None:
        await until(lambda: names(gateway) == ["one"])
        point(places[0], places[2])
        await until(lambda: names(gateway) == ["two"])
        await until(lambda: hasattr(source.engines["one"], "closed"))
        assert not hasattr(source.engines["two"], "closed")

    following(tmp_path, model, session)


def test_a_broken_version_is_refused_and_tried_again_when_its_folder_changes(
    tmp_path: Path, model: ServedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ownlm.serve.following.RETRY_S", 0.01)

    async def session(gateway: Gateway, keeper: Keeper, source: Folder, places: tuple[Path, Path, Path]) -> None:
        watched, _, two = places
        await until(lambda: names(gateway) == ["one"])
        (two / "broken").touch()
        point(watched, two)
        await until(lambda: list(keeper.refused.values()) == ["it is broken"])
        assert names(gateway) == ["one"]
        assert gateway.router.route(Caller(), "").version in gateway.versions.names()
        for _ in range(5):  # looked at again and again, and not loaded
            await keeper.settle()
        assert source.loads.count("two") == 1
        (two / "broken").unlink()
        await until(lambda: names(gateway) == ["two"])
        assert keeper.refused == {}

    following(tmp_path, model, session)


def test_a_version_in_use_is_closed_after_its_last_answer(tmp_path: Path, model: ServedModel) -> None:
    async def session(gateway: Gateway, keeper: Keeper, source: Folder, places: tuple[Path, Path, Path]) -> None:
        await until(lambda: names(gateway) == ["one"])
        route, lease = gateway.versions.routed(gateway.router.route(Caller(), "tiny"))
        point(places[0], places[2])
        await until(lambda: names(gateway) == ["two"])
        assert [name.partition("@")[0] for name in gateway.versions.leaving()] == ["one"]
        assert not hasattr(source.engines["one"], "closed")
        lease.release()
        lease.release()
        await until(lambda: hasattr(source.engines["one"], "closed"))
        assert gateway.versions.leaving() == []
        again, other = gateway.versions.routed(route)  # a route made before the switch goes to what there is
        assert again.version == gateway.versions.names()[0]
        other.release()

    following(tmp_path, model, session)


def test_what_a_folder_holds(tmp_path: Path) -> None:
    with folders(tmp_path) as (watched, one, two):
        first = newest(watched)
        assert first is not None
        assert (first[0].partition("@")[0], first[1]) == ("one", str(one))
        assert newest(one) == first  # an export itself
        (one / "weights").write_text("changed in place")
        changed = newest(watched)
        assert changed is not None
        assert changed[0] != first[0]
        (watched / "current").unlink()
        (watched / "current").write_text("../two\n")
        pointed = newest(watched)
        assert pointed is not None
        assert pointed[1] == str(two)
        (watched / "current").write_text("../nowhere")
        assert newest(watched) is None
        (watched / "current").write_bytes(b"\xff")
        assert newest(watched) is None
        assert newest(tmp_path / "nowhere") is None


def test_before_the_first_version_there_is_503(tmp_path: Path) -> None:
    router = FolderRouter(tmp_path, "tiny")
    with pytest.raises(ApiError, match="No model is ready"):
        router.route(Caller(), "")
    with pytest.raises(ApiError, match="No model is ready"):
        Versions([]).default  # noqa: B018

    async def ask() -> list[int]:
        app = app_for(None, ServeConfig(), router=router)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            body = {"model": "tiny", "prompt": "x"}
            answers = [await client.get("/health"), await client.post("/v1/completions", json=body)]
            answers += [await client.get("/live"), await client.get("/v1/models"), await client.get("/metrics")]
            return [answer.status_code for answer in answers]

    assert asyncio.run(ask())[:3] == [503, 503, 200]


def test_a_version_is_fetched_once(tmp_path: Path, export_dir: Path) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.put(str(export_dir / "ctranslate2"), "/bucket/export/ctranslate2", recursive=True)
    copies = tmp_path / "copies"
    folder = fetch("memory://bucket/export", "v1", copies)
    assert load_version(folder, ServeConfig(), version="v1").version == "v1"
    memory.rm("/bucket", recursive=True)
    assert fetch("memory://bucket/export", "v1", copies) == folder
    with pytest.raises(StorageError, match="fetched"):
        fetch("memory://bucket/export", "v2", copies)
    assert [entry.name for entry in copies.iterdir()] == ["v1"]
    assert fetch("file:///a%20b", "v") == Path("/a b")
    assert fetch("/a b", "v") == Path("/a b")


class Elsewhere(FolderRouter):
    """A folder router whose versions lie behind a URL."""

    def wanted(self) -> dict[str, str]:
        return {version: f"memory://{source}" for version, source in super().wanted().items()}


def test_a_gateway_keeps_fetched_versions_where_it_is_told(tmp_path: Path, export_dir: Path) -> None:
    import fsspec

    fsspec.filesystem("memory").put(str(export_dir / "ctranslate2"), f"{export_dir}/ctranslate2", recursive=True)
    router = Elsewhere(export_dir, "tiny")
    with running_server(None, ServeConfig(port=0), router=router, copies=tmp_path / "versions") as server:
        eventually(lambda: httpx.get(f"{server.url}/health").status_code == 200)
        assert [entry.name for entry in (tmp_path / "versions").iterdir()] == list(router.wanted())


@pytest.fixture
def bucket(tmp_path: Path) -> str:
    """A URL with a file behind it."""
    import fsspec

    (tmp_path / "bucket").mkdir()
    (tmp_path / "bucket" / "file").write_text("ours")
    fsspec.filesystem("memory").put(str(tmp_path / "bucket"), f"/{tmp_path.name}", recursive=True)
    return f"memory://{tmp_path.name}"


def test_copies_of_versions_are_this_users_alone(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.umask(0)
    try:
        assert fetch(bucket, "v1", tmp_path / "home" / "cache" / "versions").name == "v1"
    finally:
        os.umask(before)
    assert (tmp_path / "home" / "cache" / "versions").stat().st_mode & 0o777 == 0o700
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    assert fetch(bucket, "v1") == tmp_path / "user" / "ownlm" / "versions" / "v1"


@pytest.mark.parametrize("foreign", ["group", "others", "link", "owner", "file"])
def test_where_others_write_no_version_is_taken(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, foreign: str
) -> None:
    """Somebody has put a version there first: it is not served, and nothing is written beside it."""
    copies = tmp_path / "copies"
    (copies / "v1").mkdir(parents=True)
    if foreign == "link":
        copies.rename(tmp_path / "elsewhere")
        copies.symlink_to(tmp_path / "elsewhere")
    elif foreign == "owner":
        monkeypatch.setattr(os, "geteuid", lambda: copies.stat().st_uid + 1)
    elif foreign == "file":
        shutil.rmtree(copies)
        copies.write_text("")
    else:
        copies.chmod({"group": 0o770, "others": 0o707}[foreign])
    for version in ("v1", "v2"):
        with pytest.raises(StorageError, match="folder of fetched versions") as caught:
            fetch(bucket, version, copies)
        assert str(copies) in str(caught.value)
    assert foreign == "file" or [entry.name for entry in copies.iterdir()] == ["v1"]


@pytest.mark.parametrize("damage", ["cut", "gone", "tokenizer"])
def test_requests_go_on_through_swaps_and_corrupt_folders(tmp_path: Path, export_dir: Path, damage: str) -> None:
    """Real models behind a real socket: asked without a pause while `current` goes to another, a corrupt one, and back.

    Every answer must be one of the model's, and none may be missing.
    """
    one, two = copy_of(export_dir, tmp_path / "one"), copy_of(export_dir, tmp_path / "two")
    bad = copy_of(export_dir, tmp_path / "bad")
    if damage == "cut":
        weights = bad / "ctranslate2" / "model.bin"
        weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])
    elif damage == "gone":
        (bad / "ctranslate2" / "model.bin").unlink()
    else:
        (bad / "ctranslate2" / "tokenizer.json").write_text("{")
    watched = tmp_path / "watched"
    watched.mkdir()
    point(watched, one)
    answers: Counter[str] = Counter()
    stop = threading.Event()
    body = {"model": "tiny", "prompt": "def f(", "max_tokens": 3, "temperature": 0}

    def ask(url: str) -> None:
        with httpx.Client(base_url=url, timeout=20) as client:
            while not stop.is_set():
                answer = client.post("/v1/completions", json=body)
                answers[f"{answer.status_code} {json.dumps(answer.json().get('choices'))}"] += 1

    router = FolderRouter(watched, "tiny", interval_s=0.02)
    with running_server(None, ServeConfig(port=0, parallel=2), router=router) as server:
        health = lambda: httpx.get(f"{server.url}/health").json()  # noqa: E731
        ready = lambda name: [v for v, s in health()["versions"].items() if s["state"] == "ready" and name in v]  # noqa: E731
        eventually(lambda: bool(ready("one@")))
        threads = [threading.Thread(target=ask, args=(server.url,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            point(watched, two)
            eventually(lambda: bool(ready("two@")))
            point(watched, bad)
            eventually(lambda: any("bad@" in problem for problem in health()["problems"]))
            assert ready("two@")
            point(watched, one)
            eventually(lambda: bool(ready("one@")))
            assert health()["problems"] == []
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    assert len(answers) == 1, answers
    assert next(iter(answers)).startswith("200 ")


def test_a_gateway_says_why_it_has_nothing_to_serve(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    watched, broken = tmp_path / "watched", tmp_path / "broken"
    watched.mkdir()
    router = FolderRouter(watched, "tiny", interval_s=0.02)
    with running_server(None, ServeConfig(port=0), router=router) as server:
        health = lambda: httpx.get(f"{server.url}/health").json()  # noqa: E731
        assert (health()["status"], health()["problems"]) == ("not ready", ["there is no version to load yet"])
        broken.mkdir()
        (broken / "ownlm.json").write_text("{")
        point(watched, broken)
        eventually(lambda: any("description cannot be read" in problem for problem in health()["problems"]))
    (said,) = [record.getMessage() for record in caplog.records if record.name == "ownlm.serve"]
    assert "cannot be loaded: the model's description cannot be read" in said
