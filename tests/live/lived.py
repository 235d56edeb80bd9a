"""A feedback store with a life in it, for tests of what is learned from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ownlm.live.feedback.event import CompletionEvent, Origin, ServedCompletion
from ownlm.live.feedback.identity import Identity
from ownlm.live.feedback.rows import completion_row, event_row
from ownlm.live.feedback.sqlite import SqliteDatabase
from ownlm.live.feedback.store import Store

IDENTITY = Identity(bytes(32))


@dataclass(frozen=True)
class Did:
    """A completion and what its user did with it: nothing (""), "dismiss" or "select"."""

    origin: Origin
    at: float
    did: str = "dismiss"
    total_s: float = 0.2
    outcome: str = "done"
    text: str = "x" * 20
    kept: int | None = None


def new_store(folder: Path) -> Store:
    """An empty one."""
    folder.mkdir(parents=True, exist_ok=True)
    return Store(SqliteDatabase(folder / "events.sqlite3"))


def live(store: Store, what: Iterable[Did], start: int = 0) -> None:
    """Write it all down; completions are numbered from `start`."""
    completions, events = [], []
    for number, one in enumerate(what, start):
        served = ServedCompletion(
            f"cmpl-{number}", one.at, one.origin, (one.text,), total_s=one.total_s, outcome=one.outcome
        )
        completions.append(completion_row(served, IDENTITY, None))
        if one.did:
            events.append(event_row(CompletionEvent(served.id, one.did, 0, one.at + 1)))
        if one.kept is not None:
            after = CompletionEvent(served.id, "survival", 0, one.at + 40, after_s=30.0, retained=one.kept)
            events.append(event_row(after))
    store.append(completions, events)
