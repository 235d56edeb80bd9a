"""Stores of both kinds, each test its own."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ownlm.live.feedback.open import open_store
from ownlm.live.feedback.store import Store
from ownlm.serve.feedback import FeedbackConfig
from tests.live.feedback.postgres_server import PostgresServer, postgres_server

Opened = Callable[[], Store]


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def settings(request: pytest.FixtureRequest) -> FeedbackConfig:
    """Of an empty store."""
    if request.param == "sqlite":
        return FeedbackConfig()
    server: PostgresServer = request.getfixturevalue("postgres")
    return FeedbackConfig(url=server.new_database(uuid.uuid4().hex))


@pytest.fixture
def opened(settings: FeedbackConfig, tmp_path: Path) -> Iterator[Opened]:
    """Opens the store, once more each time."""
    stores: list[Store] = []

    def open_once() -> Store:
        stores.append(open_store(settings, tmp_path, create=True))
        return stores[-1]

    yield open_once
    for one in stores:
        one.close()


@pytest.fixture
def store(opened: Opened) -> Store:
    return opened()
