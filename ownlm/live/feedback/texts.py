"""Choices whose text was kept, with what people did with them: what training data is made of."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ownlm.live.feedback.database import Row
from ownlm.live.feedback.schema import DAY_MS
from ownlm.live.feedback.store import Store, chunks

_AT_ONCE = 500
_KEYS = (
    "SELECT completion, choice FROM ownlm_outcomes WHERE day = ? AND at >= ? AND (accepted = 1 OR dismissed = 1) "
    "ORDER BY at, completion, choice"
)
_COLUMNS = (
    "SELECT o.completion, o.choice, c.id, c.at, c.person, o.accepted, o.dismissed, o.characters, g.version, g.channel, "
    "g.language, g.suffix, t.prefix, t.skipped, t.after, t.path, t.texts "
    "FROM ownlm_outcomes AS o JOIN ownlm_completions AS c ON c.number = o.completion "
    "JOIN ownlm_texts AS t ON t.id = c.id JOIN ownlm_origins AS g ON g.id = c.origin "
)


@dataclass(frozen=True)
class JudgedChoice:
    """A choice that somebody accepted or dismissed.

    Attributes:
        completion: its id.
        choice: its index.
        at: milliseconds since 1970.
        person: keyed hash of the user; "" for nobody.
        accepted: characters that were taken; 0 when it was dismissed.
        version: of the model.
        channel: of the rollout.
        language: GitHub Linguist's name; "" when unknown.
        suffix: the file's extension with its dot; "" when unknown.
        prefix: the kept end of the text before the cursor.
        skipped: how many characters are missing at its start.
        after: the kept start of the text after the cursor.
        path: of the file; "" when unknown.
        text: of the choice, all of it.
    """

    completion: str
    choice: int
    at: int
    person: str
    accepted: int
    version: str
    channel: str
    language: str
    suffix: str
    prefix: str
    skipped: int
    after: str
    path: str
    text: str

    @property
    def taken(self) -> str:
        """What was accepted of the text."""
        return self.text[: self.accepted]

    @property
    def cursor(self) -> int:
        """Characters before the cursor, those that are missing included."""
        return self.skipped + len(self.prefix)


def judged_choices(store: Store, since: float | None = None) -> Iterator[JudgedChoice]:
    """All of them, in the order of the completions' times, a few in memory.

    Args:
        store: an open one.
        since: only completions from then on, seconds since 1970.
    """
    begin = 0 if since is None else round(since * 1000)
    days = store.database.query(
        "SELECT DISTINCT day FROM ownlm_outcomes WHERE day >= ? ORDER BY day", (begin // DAY_MS,)
    )
    for (day,) in days:
        for keys in chunks(store.database.query(_KEYS, (day, begin)), _AT_ONCE):
            yield from _choices(store, keys)


def _choices(store: Store, keys: Sequence[Row]) -> Iterator[JudgedChoice]:
    """Those of some (completion, choice), in this order, as far as their text was kept."""
    numbers = sorted({completion for completion, _ in keys})
    marks = ", ".join("?" for _ in numbers)
    rows = store.database.query(f"{_COLUMNS} WHERE o.completion IN ({marks})", numbers)
    found = {(completion, choice): rest for completion, choice, *rest in rows}
    for key in keys:
        if key not in found:
            continue
        id_, at, person, accepted, dismissed, characters, *origin = found[key]
        version, channel, language, suffix, prefix, skipped, after, path, texts = origin
        text = json.loads(texts)[key[1]]
        taken = characters if accepted else 0
        if taken or dismissed:
            yield JudgedChoice(
                *(id_, key[1], at, person, taken, version, channel, language, suffix),
                *(prefix, skipped, after, path, text),
            )
