"""kill -9 under load: nothing that was acknowledged is lost, nothing is there twice, whoever is killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ownlm.errors import StorageError
from ownlm.live.feedback.open import open_feedback, open_store
from ownlm.live.feedback.store import Store
from ownlm.serve.feedback import FeedbackConfig
from tests.live.feedback.gateway import THREADS
from tests.live.feedback.made import event, served, told
from tests.live.feedback.postgres_server import PostgresServer

ROOT = Path(__file__).resolve().parents[3]
ENOUGH = 200


def killed_after(acknowledged: int, url: str, home: Path) -> list[tuple[str, str]]:
    """What a gateway that is killed under load had acknowledged."""
    command = [sys.executable, "-m", "tests.live.feedback.gateway", url, str(home)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as gateway:
        assert gateway.stdout is not None
        lines = [gateway.stdout.readline() for _ in range(acknowledged)]
        gateway.kill()
        lines += gateway.stdout.readlines()
    whole = [line.decode().split() for line in lines if line.endswith(b"\n")]
    return [(name, kind) for name, kind in whole]


def stored(store: Store) -> list[tuple[str, str]]:
    sql = "SELECT c.id, kind FROM ownlm_events AS e LEFT JOIN ownlm_completions AS c ON c.number = e.completion"
    return [(name, kind) for name, kind in store.database.query(sql)]


def test_a_killed_gateway(settings: FeedbackConfig, tmp_path: Path) -> None:
    acknowledged = killed_after(ENOUGH, settings.url, tmp_path)
    assert len(acknowledged) >= ENOUGH
    store = open_store(settings, tmp_path)
    there = stored(store)
    assert len(there) == len(set(there))
    assert set(acknowledged) <= set(there)
    # What was on its way may be there without having been acknowledged: one event of each client at most.
    assert len(there) - len(acknowledged) <= THREADS
    # The clients tell again what they are not sure of, and a little more.
    assert set(store.append([], [told(name, kind) for name, kind in acknowledged])) == {"stored"}
    assert sorted(stored(store)) == sorted(there)
    store.close()


@pytest.mark.slow
def test_a_server_that_loses_power(postgres: PostgresServer, tmp_path: Path) -> None:
    """The gateway lives on: what it cannot store is refused, and stored when the server is back."""
    settings = FeedbackConfig(url=postgres.new_database("power"))
    feedback = open_feedback(settings, tmp_path)
    try:
        feedback.served(served("before"))
        feedback.event(event("before"))
        postgres.crash()
        feedback.served(served("during"))
        with pytest.raises(StorageError, match="not stored"):
            feedback.event(event("during"))
        postgres.start()
        feedback.event(event("during"))
    finally:
        feedback.close()
    assert feedback.counts.dropped == 0
    store = open_store(settings, tmp_path)
    assert sorted(stored(store)) == [("before", "view"), ("during", "view")]
    store.close()
