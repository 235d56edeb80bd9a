"""A real gateway with a real store: complete, look, accept by Tabby's protocol; then ask the report."""

from __future__ import annotations

from pathlib import Path

import httpx

from ownlm.live.feedback.open import open_feedback, open_store
from ownlm.live.feedback.query import sums
from ownlm.serve.config import ServeConfig
from ownlm.serve.feedback import FeedbackConfig
from ownlm.serve.server import running_server
from tests.serve.conftest import export_dir

__all__ = ["export_dir"]  # a fixture


def test_from_a_completion_to_the_report(export_dir: Path, tmp_path: Path) -> None:
    feedback = open_feedback(FeedbackConfig(), tmp_path)
    asked = {
        "language": "python",
        "segments": {"prefix": "def fib(n):\n    ", "suffix": "\n", "filepath": "src/fib.py"},
    }
    with (
        running_server(export_dir, ServeConfig(port=0), feedback=feedback) as server,
        httpx.Client(base_url=server.url, timeout=20, trust_env=False) as client,
    ):
        answer = client.post("/v1/completions", json={**asked, "user": "ada"})
        assert answer.status_code == 200, answer.text
        told = {"completion_id": answer.json()["id"], "choice_index": 0, "view_id": "v1", "elapsed": 900}
        for kind in ("view", "select", "select"):
            assert client.post("/v1/events", json={**told, "type": kind}).status_code == 200
        assert client.post("/v1/events", json={**told, "type": "view", "choice_index": 7}).status_code == 400
    feedback.close()
    store = open_store(FeedbackConfig(), tmp_path)
    groups = sums(store, ("language", "suffix", "protocol"))
    assert store.database.query("SELECT COUNT(*) FROM ownlm_events") == [(2,)]
    store.close()
    (((language, suffix, protocol), found),) = groups.items()
    assert (language, suffix, protocol) == ("Python", ".py", "tabby")
    assert (found.completions, found.shown, found.accepted) == (1, 1, 1)
    assert found.latency(0.5) is not None
    assert not any(b"def fib" in file.read_bytes() for file in (tmp_path / "feedback").iterdir())
