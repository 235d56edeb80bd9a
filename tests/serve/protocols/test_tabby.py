"""Tabby's protocol: what its clients send, and events that are stored in a real store before they are acknowledged."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ownlm.errors import StorageError
from ownlm.live.feedback.event import CompletionEvent
from ownlm.live.feedback.open import open_feedback
from ownlm.live.feedback.recorder import Recorder
from ownlm.serve.app import app_for
from ownlm.serve.call import CodeContext, Snippet
from ownlm.serve.config import ServeConfig
from ownlm.serve.feedback import FeedbackConfig
from ownlm.serve.model import ServedModel
from ownlm.serve.protocols.tabby import FIRST_LINE
from ownlm.serve.protocols.tabby_request import TabbyRequest
from tests.serve.protocols import recorded
from tests.serve.protocols.asking import ask, asked_of, connected, engine_of, prompt_text

COMPLETIONS, EVENTS = "/v1/completions", "/v1/events"


def test_all_the_agent_can_send_is_understood() -> None:
    opened = [{"filepath": "main.py", "body": "area(3)", "score": 0.5}]
    body = recorded.tabby(relevant_snippets_from_recently_opened_files=opened, something_newer={"a": 1})
    assert TabbyRequest.model_validate_json(json.dumps(body)).context() == CodeContext(
        prefix="import math\n\ndef area(radius):\n    return math.pi",
        suffix="\n\ndef volume(radius):\n    return 4 / 3 * math.pi * radius**3\n",
        language="Python",
        path="geometry/area.py",
        repository="https://git.example/geometry",
        snippets=(
            Snippet("file:///usr/lib/math.py", "pi: float", "declaration"),
            Snippet("shapes.py", recorded.EXTRA["text"], "changed", 1.5),
            Snippet("main.py", "area(3)", "opened", 0.5),
            Snippet("", "radius**2", "clipboard"),
        ),
    )


def test_segments_tell_it_from_openais(scripted: ServedModel) -> None:
    engine_of(scripted).say(" * radius**2")
    answer = ask(scripted, "POST", COMPLETIONS, json=recorded.tabby())
    assert answer.status_code == 200
    said = answer.json()
    assert set(said) == {"id", "choices"}
    assert said["id"].startswith("cmpl-")
    assert said["choices"] == [{"index": 0, "text": " * radius**2"}]
    assert (asked_of(scripted).temperature, asked_of(scripted).seed) == (0.1, 7)
    assert "def area(radius):" in prompt_text(scripted)
    # The word in a prompt is not the field.
    openai = ask(scripted, "POST", COMPLETIONS, json={"model": "tiny", "prompt": '"segments"'})
    assert openai.json()["object"] == "text_completion"


@pytest.mark.parametrize("segments", [{"prefix": "x = "}, {"prefix": "", "suffix": None}, {"prefix": "", "suffix": ""}])
def test_little_is_needed(client: httpx.Client, segments: dict[str, Any]) -> None:
    answer = client.post(COMPLETIONS, json={"segments": segments})
    assert answer.status_code == 200
    assert isinstance(answer.json()["choices"][0]["text"], str)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"segments": None}, "segments"),
        ({"segments": {}}, "segments.prefix"),
        ({"segments": {"prefix": 1}}, "segments.prefix"),
        ({"segments": {"prefix": "a"}, "temperature": 3}, "temperature"),
        (recorded.tabby(declarations=[{"filepath": "a"}]), "segments.declarations.0.body"),
    ],
)
def test_bad_requests_are_refused(scripted: ServedModel, body: dict[str, Any], param: str) -> None:
    answer = ask(scripted, "POST", COMPLETIONS, json=body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_health_is_what_the_agent_takes_for_one(client: httpx.Client, method: str) -> None:
    said = client.request(method, "/v1/health").json()
    assert said["model"] == "tiny"
    assert said["device"] == "auto"
    assert said["chat_model"] is None
    assert said["cpu_count"] >= 1
    assert said["version"]["git_describe"].startswith("v0.21.0")


def test_clients_are_told_to_send_no_telemetry(client: httpx.Client) -> None:
    assert client.get("/v1beta/server_setting").json() == {"disable_client_side_telemetry": True}


# ---- events ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def feedback(tmp_path: Path) -> Iterator[Recorder]:
    recorder = open_feedback(FeedbackConfig(), tmp_path)
    yield recorder
    recorder.close()


def told(model: ServedModel, feedback: Any, *bodies: dict[str, Any]) -> tuple[list[httpx.Response], str]:
    """Answers to events about one completion (`completion_id` is put in where there is none), and the metrics."""

    async def tell() -> tuple[list[httpx.Response], str]:
        async with connected(app_for(model, ServeConfig(), feedback=feedback)) as client:
            number = (await client.post(COMPLETIONS, json=recorded.tabby())).json()["id"]
            answers = [await client.post(EVENTS, json={"completion_id": number, **body}) for body in bodies]
            return answers, (await client.get("/metrics")).text

    return asyncio.run(tell())


VIEW = {"type": "view", "choice_index": 0, "view_id": "v1"}


def test_events_are_stored_with_what_they_say(scripted: ServedModel, tmp_path: Path) -> None:
    feedback = open_feedback(FeedbackConfig(), tmp_path)
    answers, metrics = told(
        scripted,
        feedback,
        VIEW,
        VIEW,  # sent again: kept once
        {"type": "select", "choice_index": 0, "view_id": "v1", "elapsed": 1500},
        {"type": "survival", "choice_index": 0, "view_id": "v1", "after_s": 30, "retained": 4},
        {"type": "survival", "choice_index": 0, "view_id": "v1", "after_s": 120.0, "retained": 2},
        {"type": "dismiss", "choice_index": 0, "view_id": "v2", "elapsed": 0, "from_a_newer_client": []},
    )
    assert [(answer.status_code, answer.content) for answer in answers] == [(200, b"")] * 6
    assert 'ownlm_events_total{kind="survival"} 2.0' in metrics
    feedback.close()
    (file,) = tmp_path.rglob("*.sqlite3")
    with sqlite3.connect(file) as database:
        kept = database.execute("SELECT kind, view, elapsed_s, after_ms, retained FROM ownlm_events").fetchall()
    assert len(kept) == 5
    assert sorted(row[2] for row in kept if row[2] is not None) == [0.0, 1.5]
    assert sorted(row[4] for row in kept if row[4] is not None) == [2, 4]


@pytest.mark.parametrize(
    ("text", "line"), [("a\nb", "a"), ("\n    a = 1\nb", "\n    a = 1"), ("\n\n", "\n\n"), ("", ""), ("a\n", "a")]
)
def test_an_empty_first_line_is_taken_with_the_next(text: str, line: str) -> None:
    match = FIRST_LINE.match(text)
    assert match is not None
    assert match[0] == line


@pytest.mark.parametrize(
    ("text", "more", "taken"),
    [
        ("a + b\nreturn c", {"select_kind": "line"}, 5),
        ("a + b", {"select_kind": "line"}, 5),
        ("a + b\nreturn c", {}, None),
        ("a + b\nreturn c", {"select_kind": "line", "accepted": 3}, 3),
    ],
)
def test_a_line_that_was_taken_is_counted_as_a_line(
    scripted: ServedModel, feedback: Recorder, tmp_path: Path, text: str, more: dict[str, Any], taken: int | None
) -> None:
    engine_of(scripted).say(text)
    told(scripted, feedback, {"type": "select", "choice_index": 0, **more})
    (file,) = tmp_path.rglob("*.sqlite3")
    with sqlite3.connect(file) as database:
        assert database.execute("SELECT accepted FROM ownlm_events").fetchall() == [(taken,)]


@pytest.mark.parametrize(
    "body",
    [
        {**VIEW, "completion_id": "cmpl-nobody-knows"},
        {**VIEW, "choice_index": 9},
        {**VIEW, "type": "glance"},
        {**VIEW, "choice_index": -1},
        {**VIEW, "choice_index": "0"},
        {**VIEW, "elapsed": -5},
        {"type": "view"},
        {"type": "survival", "choice_index": 0, "retained": 3},
        {"type": "survival", "choice_index": 0, "after_s": 30},
    ],
    ids=str,
)
def test_events_about_nothing_are_400(scripted: ServedModel, feedback: Recorder, body: dict[str, Any]) -> None:
    (answer,), _ = told(scripted, feedback, body)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].endswith(".")


def test_without_a_store_events_are_refused_and_may_come_again(scripted: ServedModel) -> None:
    (answer,), metrics = told(scripted, None, VIEW)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert "keeps no feedback" in answer.json()["error"]["message"]
    assert "ownlm_events_total{" not in metrics


class FullDisk:
    """A store that works, on a disk that is full for a while."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self.full = True
        self.served, self.lost = recorder.served, recorder.lost

    def event(self, event: CompletionEvent) -> None:
        if self.full:
            self.full = False
            raise StorageError("the disk is full")
        self._recorder.event(event)


def test_an_event_that_found_the_disk_full_may_come_again(scripted: ServedModel, feedback: Recorder) -> None:
    answers, _ = told(scripted, FullDisk(feedback), VIEW, VIEW)
    assert [answer.status_code for answer in answers] == [503, 200]
    assert "retry-after" in answers[0].headers
