"""Two real gateways that follow one registry, asked all the time while versions are switched."""

from __future__ import annotations

import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from ownlm.live.feedback.event import CompletionEvent, ServedCompletion
from ownlm.live.rollout import changes
from ownlm.live.rollout.registry import Registry, open_registry
from ownlm.live.rollout.router import ChannelRouter
from ownlm.live.rollout.state import ModelVersion
from ownlm.serve.config import ServeConfig
from ownlm.serve.server import running_server
from tests.serve.conftest import export_dir  # noqa: F401  a fixture

PATIENCE_S = 60.0
pytestmark = pytest.mark.slow  # a model is made and exported, and two gateways load three versions


@dataclass
class Told:
    """Remembers what a gateway served."""

    completions: list[ServedCompletion] = field(default_factory=list)

    def lost(self) -> int:
        return 0

    def served(self, completion: ServedCompletion) -> None:
        self.completions.append(completion)

    def event(self, event: CompletionEvent) -> None:
        raise AssertionError("nobody sends events here")


@dataclass
class Gateway:
    url: str
    told: Told

    def ask(self, user: str) -> str:
        """The version that answered."""
        body = {"model": "tiny", "prompt": "def fib(", "max_tokens": 2, "user": user}
        answer = httpx.post(f"{self.url}/v1/completions", json=body, trust_env=False, timeout=PATIENCE_S)
        answer.raise_for_status()
        return next(one.origin.version for one in self.told.completions if one.id == answer.json()["id"])

    def problems(self) -> list[str]:
        return httpx.get(f"{self.url}/health", trust_env=False).json()["rollout"]["problems"]


def eventually(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


@pytest.fixture
def models(tmp_path: Path, export_dir: Path) -> Path:  # noqa: F811
    for name in ("v1", "v2", "v3"):
        shutil.copytree(export_dir / "ctranslate2", tmp_path / "models" / name / "ctranslate2")
    (tmp_path / "models" / "v3" / "ctranslate2" / "model.bin").write_bytes(b"damaged")
    return tmp_path / "models"


@pytest.fixture
def registry(tmp_path: Path, models: Path) -> Registry:
    registry = open_registry(tmp_path / "registry")
    switch(registry, models, "v1")
    return registry


def switch(registry: Registry, models: Path, name: str, percent: float = 100.0) -> None:
    version = ModelVersion(source=str(models / name), model="tiny")
    registry.change(
        lambda state, now: changes.switch(state, "everyone", name, version, now=now, salt="salt", percent=percent),
        why="test",
    )


@pytest.fixture
def gateways(registry: Registry) -> Iterator[list[Gateway]]:
    with ExitStack() as stack:
        made = []
        for _ in range(2):
            told, router = Told(), ChannelRouter(open_registry(registry.log.where))
            server = running_server(None, ServeConfig(port=0), router=router, feedback=told)
            made.append(Gateway(stack.enter_context(server).url, told))
        yield made


def test_switched_under_load_no_request_is_lost_and_both_gateways_follow(registry, models, gateways):
    stop, failed = threading.Event(), []
    answered: Counter[str] = Counter()

    def load(gateway: Gateway, user: str) -> None:
        while not stop.is_set():
            try:
                answered[gateway.ask(user)] += 1
            except Exception as error:
                failed.append(error)

    askers = [threading.Thread(target=load, args=(one, f"u{number}")) for number, one in enumerate(gateways * 2)]
    eventually(lambda: all(httpx.get(f"{one.url}/health", trust_env=False).is_success for one in gateways))
    for one in askers:
        one.start()
    try:
        eventually(lambda: answered["v1"] > 4)
        switch(registry, models, "v2")
        for gateway in gateways:
            eventually(lambda gateway=gateway: gateway.ask("somebody") == "v2")
        switch(registry, models, "v3")
        for gateway in gateways:
            eventually(lambda gateway=gateway: bool(gateway.problems()))
            assert gateway.ask("somebody") == "v2", "a version that cannot be loaded changes nothing"
        eventually(lambda: sum(record.action == "note" for _, record in registry.history()) == 2)
        registry.change(lambda state, now: changes.back(state, "everyone", now=now), why="v3 is damaged")
        for gateway in gateways:
            eventually(lambda gateway=gateway: gateway.problems() == [])
            assert gateway.ask("somebody") == "v2"
    finally:
        stop.set()
        for one in askers:
            one.join()
    assert failed == []
    assert set(answered) == {"v1", "v2"}


def test_a_user_gets_the_same_version_from_every_gateway(registry, models, gateways):
    switch(registry, models, "v2", percent=50)
    users = [f"user-{number}" for number in range(12)]
    for gateway in gateways:
        eventually(lambda gateway=gateway: any(gateway.ask(user) == "v2" for user in users))
    one, other = ([gateway.ask(user) for user in users] for gateway in gateways)
    assert one == other
    assert set(one) == {"v1", "v2"}
