"""Completions and events as a gateway tells of them."""

from __future__ import annotations

from typing import Any

from ownlm.live.feedback.event import CompletionEvent, Kind, Origin, ServedCompletion
from ownlm.live.feedback.identity import Identity
from ownlm.live.feedback.rows import CompletionRow, EventRow, completion_row, event_row, text_row

IDENTITY = Identity(b"k" * 32)
NOON = 1_795_262_400.0
"""2026-11-21, 12:00 UTC, a Saturday."""


def served(
    id_: str = "cmpl-1", *, at: float = NOON, texts: tuple[str, ...] = ("x = 1",), **more: Any
) -> ServedCompletion:
    """A completion; what is no field of it is one of its origin."""
    own = {key: more.pop(key) for key in list(more) if key in ServedCompletion.__dataclass_fields__}
    return ServedCompletion(id_, at, Origin(**{"version": "v1", **more}), texts, **own)


def event(completion: str = "cmpl-1", kind: Kind = "view", choice: int = 0, **more: Any) -> CompletionEvent:
    return CompletionEvent(completion, kind, choice, more.pop("at", NOON), **more)


def row(*arguments: Any, **more: Any) -> CompletionRow:
    """A completion as it is stored, without text."""
    return completion_row(served(*arguments, **more), IDENTITY, None)


def row_with_text(*arguments: Any, **more: Any) -> CompletionRow:
    """The same with its text, scrubbed."""
    from ownlm.live.feedback.scrub import scrub_code  # loads the rules, which most processes do without

    one = served(*arguments, **more)
    return completion_row(one, IDENTITY, text_row(one, scrub_code, 16_000))


def told(*arguments: Any, **more: Any) -> EventRow:
    """An event as it is stored."""
    return event_row(event(*arguments, **more))
