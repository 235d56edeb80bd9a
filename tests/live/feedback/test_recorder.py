"""The writer behind a gateway: never in the way of completions, and honest about events."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from ownlm.errors import InputError, StorageError
from ownlm.live.feedback import recorder
from ownlm.live.feedback.open import key_path, open_feedback, open_store, sqlite_path
from ownlm.live.feedback.recorder import Recorder
from ownlm.live.feedback.rows import CompletionRow, EventRow
from ownlm.live.feedback.sqlite import SqliteDatabase
from ownlm.live.feedback.store import Store, Verdict
from ownlm.serve.feedback import FeedbackConfig
from tests.live.feedback.made import IDENTITY, event, served

TEXT = {"prefix": "def f():\n    ", "after": "\nf()", "path": "/home/ada/work/f.py"}


@pytest.fixture
def feedback(tmp_path: Path) -> Iterator[Recorder]:
    opened = open_feedback(FeedbackConfig(), tmp_path)
    yield opened
    opened.close()


def read(home: Path, sql: str) -> list[tuple[object, ...]]:
    store = open_store(FeedbackConfig(), home)
    rows = store.database.query(sql)
    store.close()
    return rows


class Slow(Store):
    """A store whose writer waits until the test lets it go on."""

    def __init__(self, path: Path) -> None:
        super().__init__(SqliteDatabase(path))
        self.go = threading.Event()
        self.begun = threading.Event()
        self.groups: list[int] = []

    def append(self, completions: Sequence[CompletionRow], events: Sequence[EventRow]) -> list[Verdict]:
        self.begun.set()
        assert self.go.wait(30)
        self.groups.append(len(events))
        return super().append(completions, events)


def test_an_event_is_stored_when_it_returns(feedback: Recorder, tmp_path: Path) -> None:
    feedback.served(served("a"))
    feedback.event(event("a", "select", accepted=2))
    assert read(tmp_path, "SELECT kind, accepted FROM ownlm_events") == [("select", 2)]
    feedback.event(event("a", "select", accepted=2))
    assert (feedback.counts.completions, feedback.counts.events) == (1, 2)
    assert len(read(tmp_path, "SELECT kind FROM ownlm_events")) == 1


def test_events_of_many_threads_share_a_flush(tmp_path: Path) -> None:
    store = Slow(tmp_path / "s.sqlite3")
    feedback = Recorder(store, IDENTITY, FeedbackConfig(), None)
    feedback.served(served("a", texts=tuple("x" * 40)))
    assert store.begun.wait(30)
    with ThreadPoolExecutor(20) as threads:
        events = [threads.submit(feedback.event, event("a", choice=choice)) for choice in range(20)]
        while len(feedback._events) < 20:
            time.sleep(0.001)
        assert not any(one.done() for one in events)
        store.go.set()
        for one in events:
            one.result()
    feedback.close()
    assert store.groups == [0, 20]


def test_served_does_not_wait_and_a_full_queue_drops(tmp_path: Path) -> None:
    store = Slow(tmp_path / "s.sqlite3")
    feedback = Recorder(store, IDENTITY, FeedbackConfig(queue=10), None)
    feedback.served(served("first"))
    assert store.begun.wait(30)  # the writer holds the first one and hangs
    for number in range(15):
        feedback.served(served(f"c{number}"))
    assert feedback.lost() == feedback.counts.dropped == 5
    store.go.set()
    feedback.event(event("c9"))
    with pytest.raises(InputError, match="no such completion"):
        feedback.event(event("c10"))
    feedback.close()
    assert (feedback.counts.completions, feedback.counts.refused) == (11, 1)


def test_the_queue_is_bounded_in_bytes_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "QUEUE_BYTES", 10_000)
    store = Slow(tmp_path / "s.sqlite3")
    feedback = Recorder(store, IDENTITY, FeedbackConfig(keep_text=True), lambda parts, _: list(parts))
    feedback.served(served("first"))
    assert store.begun.wait(30)
    feedback.served(served("large", prefix="x" * 20_000))
    feedback.served(served("small"))
    store.go.set()
    feedback.event(event("small"))
    feedback.close()
    assert feedback.counts.dropped == 1


def test_an_event_waits_for_its_completion(feedback: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "PATIENCE_S", 30.0)
    with ThreadPoolExecutor(1) as threads:
        early = threads.submit(feedback.event, event("streaming"))
        while not feedback._waiting:
            time.sleep(0.001)
        feedback.served(served("streaming"))
        early.result(30)


def test_an_event_finds_a_completion_of_another_gateway(feedback: Recorder, tmp_path: Path) -> None:
    other = open_feedback(FeedbackConfig(), tmp_path)
    with ThreadPoolExecutor(1) as threads:
        early = threads.submit(feedback.event, event("elsewhere"))
        other.served(served("elsewhere"))
        early.result(30)
    other.close()


def test_events_about_nothing_are_refused(feedback: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "PATIENCE_S", 0.0)
    feedback.served(served("a"))
    for wrong, what in (
        (event("unknown"), "no such completion"),
        (event("a", choice=1), "no such choice"),
        (event("a", "survival", after_s=30.0), "how many characters"),
        (event("a", "survival", retained=3, after_s=float("nan")), "how long after"),
        (event("a", view="v" * 300), "200 characters"),
    ):
        with pytest.raises(InputError, match=what):
            feedback.event(wrong)
    monkeypatch.setattr(recorder, "PATIENCE_S", 60.0)
    monkeypatch.setattr(recorder, "WAITING", 0)
    with pytest.raises(InputError, match="no such completion"):
        feedback.event(event("one too many to wait for"))


def test_a_full_disk_refuses_events_and_completions_go_on(
    feedback: Recorder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    feedback.served(served("before"))
    feedback.event(event("before"))
    database = feedback._store.database
    (pages,), *_ = database.query("PRAGMA page_count")
    database.query(f"PRAGMA max_page_count = {pages}")  # SQLite's own SQLITE_FULL, as write(2) with ENOSPC gives
    many = [f"c{number}" for number in range(200)]
    with caplog.at_level(logging.ERROR, "ownlm.feedback"):
        for name in many:
            feedback.served(served(name, user="ada"))
        for _ in range(3):
            with pytest.raises(StorageError, match="not stored"):
                feedback.event(event("c7"))
    assert len(caplog.records) == 1
    assert "ada" not in caplog.text
    database.query(f"PRAGMA max_page_count = {1 << 30}")
    feedback.event(event("c7"))
    feedback.event(event("c199"))
    assert feedback.counts.dropped == 0
    assert feedback.counts.failed == 3
    assert len(read(tmp_path, "SELECT id FROM ownlm_completions")) == 201


class Refusing(Store):
    """A store whose disk is full; counts what it was asked to write."""

    asked = 0

    def append(self, completions: Sequence[CompletionRow], events: Sequence[EventRow]) -> list[Verdict]:
        self.asked = max(self.asked, len(completions))
        raise StorageError("full")


def test_while_the_store_refuses_no_more_waits_than_the_queue_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "GROUP", 10)
    store = Refusing(SqliteDatabase(tmp_path / "s.sqlite3"))
    feedback = Recorder(store, IDENTITY, FeedbackConfig(queue=50), None)
    for number in range(200):
        feedback.served(served(f"c{number}"))
    with pytest.raises(StorageError, match=r"not stored\. full"):
        feedback.event(event("c1"))
    assert feedback.counts.dropped >= 200 - 50 - 10
    feedback.close()
    assert feedback.counts.dropped == 200
    assert store.asked <= 10


def test_a_row_that_no_database_takes_does_not_stop_the_others(feedback: Recorder) -> None:
    feedback.served(replace(served("bad"), prompt_tokens=1 << 80))
    with pytest.raises(StorageError):
        feedback.event(event("bad"))
    feedback.served(served("good"))
    feedback.event(event("good"))
    assert feedback.counts.dropped == 1


@pytest.mark.parametrize(
    ("settings", "changes", "kept"),
    [
        ({}, {}, False),
        ({"keep_text": True}, {}, True),
        ({"keep_text": True}, {"keep_text": False}, False),
        ({"keep_text": True, "no_text_of": ["ada"]}, {}, False),
        ({"keep_text": True, "no_text_of": ["bob"]}, {}, True),
    ],
)
def test_text_is_kept_with_consent_only(tmp_path: Path, settings: dict, changes: dict, kept: bool) -> None:
    config = FeedbackConfig(**settings)
    feedback = open_feedback(config, tmp_path)
    feedback.served(replace(served("a", texts=("return 1",), user="ada", suffix=".py", **TEXT), **changes))
    feedback.event(event("a", "select"))
    feedback.close()
    folder = sqlite_path(config, tmp_path).parent
    assert any(b"def f()" in file.read_bytes() for file in folder.iterdir()) == kept
    assert not any(b"ada" in file.read_bytes() for file in folder.iterdir())
    texts = read(tmp_path, "SELECT prefix, after, path, texts FROM ownlm_texts")
    assert texts == ([("def f():\n    ", "\nf()", "work/f.py", '["return 1"]')] if kept else [])
    assert read(tmp_path, "SELECT lengths, suffix FROM ownlm_completions, ownlm_origins") == [("8", ".py")]


def test_text_that_cannot_be_scrubbed_is_not_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def broken(parts: Sequence[str], language: str) -> list[str]:
        raise RuntimeError("about secret_text")

    store = Store(SqliteDatabase(tmp_path / "s.sqlite3"))
    feedback = Recorder(store, IDENTITY, FeedbackConfig(keep_text=True), broken)
    feedback.served(served("a", prefix="secret_text"))
    feedback.event(event("a"))
    feedback.close()
    assert feedback.counts.unscrubbed == 1
    assert "secret_text" not in caplog.text
    assert b"secret_text" not in (tmp_path / "s.sqlite3").read_bytes()


def test_what_is_too_old_is_deleted_at_the_start(tmp_path: Path) -> None:
    first = open_feedback(FeedbackConfig(keep_days=7), tmp_path)
    now = time.time()
    first.served(served("old", at=now - 8 * 86_400))
    first.served(served("new", at=now - 6 * 86_400))
    first.event(event("new"))
    first.close()
    again = open_feedback(FeedbackConfig(keep_days=7), tmp_path)
    again.served(served("x", at=now))
    again.event(event("x"))
    again.close()
    assert read(tmp_path, "SELECT id FROM ownlm_completions ORDER BY id") == [("new",), ("x",)]


def test_closing_stores_what_waits(tmp_path: Path) -> None:
    feedback = open_feedback(FeedbackConfig(), tmp_path)
    for number in range(5000):
        feedback.served(served(f"c{number}"))
    feedback.close()
    assert read(tmp_path, "SELECT COUNT(*) FROM ownlm_completions") == [(5000,)]
    with pytest.raises(StorageError, match="going down"):
        feedback.event(event("c1"))
    feedback.served(served("late"))
    assert feedback.counts.dropped == 1


def test_another_key_is_refused(feedback: Recorder, tmp_path: Path) -> None:
    key = key_path(FeedbackConfig(), tmp_path)
    key.rename(key.with_name("lost"))
    with pytest.raises(InputError, match="another key"):
        open_feedback(FeedbackConfig(), tmp_path)
