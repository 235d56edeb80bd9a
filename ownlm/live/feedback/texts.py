"""Choices whose text was kept, with what people did with them: what training data is made of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from ownlm.live.feedback.store import Store

_AT_ONCE = 1000
_SQL = (
    "SELECT c.number, o.choice, c.id, c.at, c.person, o.accepted, o.dismissed, o.characters, g.version, g.channel, "
    "g.language, g.suffix, t.prefix, t.skipped, t.after, t.path, t.texts "
    "FROM ownlm_outcomes AS o JOIN ownlm_completions AS c ON c.number = o.completion "
    "JOIN ownlm_texts AS t ON t.id = c.id JOIN ownlm_origins AS g ON g.id = c.origin "
    "WHERE (o.completion > ? OR (o.completion = ? AND o.choice > ?)) AND c.at >= ? "
    "AND (o.accepted = 1 OR o.dismissed = 1) ORDER BY o.completion, o.choice LIMIT ?"
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
    """All of them, in the order in which they were stored, a few at a time.

    Args:
        store: an open one.
        since: only completions from then on, seconds since 1970.
    """
    last, choice = -1, -1
    begin = 0 if since is None else round(since * 1000)
    while rows := store.database.query(_SQL, (last, last, choice, begin, _AT_ONCE)):
        for row in rows:
            last, choice, id_, at, person, accepted, dismissed, characters, *origin = row
            version, channel, language, suffix, prefix, skipped, after, path, texts = origin
            text = json.loads(texts)[choice]
            taken = characters if accepted else 0
            if taken or dismissed:
                yield JudgedChoice(
                    *(id_, choice, at, person, taken, version, channel, language, suffix),
                    *(prefix, skipped, after, path, text),
                )
