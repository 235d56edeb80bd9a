"""What the events of a choice say together: see `ownlm_outcomes` in `schema`."""

from __future__ import annotations

from ownlm.live.feedback.rows import EventRow
from ownlm.live.feedback.schema import HORIZONS, UNKNOWN

_KEPT = [f"kept_{horizon}" for horizon in HORIZONS]


def _greater(column: str) -> str:
    old, new = f"ownlm_outcomes.{column}", f"excluded.{column}"
    return f"{column} = CASE WHEN {new} > {old} THEN {new} ELSE {old} END"


def _least_known(column: str) -> str:
    old, new = f"ownlm_outcomes.{column}", f"excluded.{column}"
    return f"{column} = CASE WHEN {old} < 0 OR ({new} >= 0 AND {new} < {old}) THEN {new} ELSE {old} END"


UPSERT = (
    f"INSERT INTO ownlm_outcomes (completion, choice, day, at, origin, person, accepted, dismissed, characters, "  # noqa: S608
    f"{', '.join(_KEPT)}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, {', '.join('?' for _ in _KEPT)}) "
    f"ON CONFLICT (completion, choice) DO UPDATE SET "
    f"{', '.join([*map(_greater, ('accepted', 'dismissed', 'characters')), *map(_least_known, _KEPT)])}"
)
"""Adds what an event says to the row of its choice."""


def horizon_of(seconds: float) -> int | None:
    """The horizon that a survival report counts for; None when it is near none."""
    return next((horizon for horizon, (low, high) in HORIZONS.items() if low <= seconds < high), None)


def outcome_of(event: EventRow, length: int) -> tuple[int, ...]:
    """What one event says: (accepted, dismissed, characters, kept_30, kept_120, kept_300).

    Accepting is worth all of the choice, or the part that the client tells; of several parts the longest counts.
    Text that is told to be left is at most the choice.

    Args:
        event: any, even if only a survival report came through.
        length: characters of the choice.
    """
    taken = 0
    if event.kind == "select":
        taken = length if event.accepted is None else min(event.accepted, length)
    horizon = horizon_of(event.after_ms / 1000) if event.kind == "survival" else None
    kept = [min(event.retained or 0, length) if each == horizon else UNKNOWN for each in HORIZONS]
    return int(event.kind == "select"), int(event.kind == "dismiss"), taken, *kept
