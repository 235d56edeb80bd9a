"""The end of a text that is too long, from a place that stays while a person types.

Were exactly `limit` tokens kept, each key would move the start by a token, and nothing read before could be used again.
So the window begins at a line chosen by what it says: among the lines of its first quarter the outermost one (`def`,
`class`, ...), of several the one whose hash is least. Which line that is changes only when the one chosen falls out or
a better one comes in: every few dozen lines. Counting from the start of the file would hold as well, but editors send
the last so many lines of a file: only the text itself stays where it is.

The same idea as winnowing (Schleimer, Wilkerson, Aiken 2003): pick local minima of hashes, not positions.
"""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

from ownlm.tokens.vocabulary.load import Vocabulary

SLACK = 4
"""The start lies in the first 1/SLACK of the room: so much of it may stay empty."""

FIRST_LOOK = 4
"""Characters looked at per token, at first; more where that is not enough."""

_SEEN = 32
"""Characters of a place that are hashed: few, so that they never reach the cursor."""


@dataclass(frozen=True)
class End:
    """The end of a text as tokens.

    Attributes:
        ids: at most `limit` tokens of it.
        whole: they are all of it.
    """

    ids: list[int]
    whole: bool


def end_of(text: str, limit: int, vocabulary: Vocabulary) -> End:
    """The last `limit` tokens of a text. Costs no more for a long text."""
    size = max(limit, 1) * FIRST_LOOK
    while True:
        part = text[-size:]
        ids = vocabulary.encode(part)
        if len(ids) > limit:
            return End(ids[len(ids) - max(limit, 0) :], whole=False)
        if len(part) == len(text):
            return End(ids, whole=True)
        size *= 2


def settled(end: End, limit: int, vocabulary: Vocabulary) -> tuple[list[int], bool]:
    """At most `limit` tokens of an end, from a start that stays while the text grows.

    Returns:
        The tokens, and whether anything was cut.
    """
    if end.whole and len(end.ids) <= limit:
        return end.ids, False
    if limit <= 0:
        return [], True
    ids = end.ids[-limit:]
    kept = _text(ids, vocabulary)
    near = _text(ids[limit // SLACK :], vocabulary)
    kept = kept[_start(kept, len(kept) - len(near)) :]
    # Encoded again because the tokens at the border may differ; that may take a token more than before.
    return vocabulary.encode(kept)[-limit:], True


def _start(kept: str, reach: int) -> int:
    """The place in the first `reach` characters where the window begins."""
    places = []
    place = kept.find("\n", 0, reach) + 1
    while place:
        places.append(place)
        place = kept.find("\n", place, reach) + 1
    if places:
        return min(places, key=lambda start: _rank(kept, start))
    return min(range(reach), key=lambda start: crc32(kept[start : start + _SEEN].encode()), default=0)


def _rank(kept: str, start: int) -> tuple[bool, int, int]:
    line = kept[start : start + _SEEN].split("\n", 1)[0]
    content = line.lstrip(" \t")
    blank = not content or content[0] in "\r)]}"
    return blank, len(line) - len(content), crc32(kept[start : start + _SEEN].encode())


def _text(ids: list[int], vocabulary: Vocabulary) -> str:
    # A cut inside a character leaves continuation bytes in front; "ignore" drops exactly those.
    return b"".join(vocabulary.token_bytes[number] for number in ids).decode("utf-8", errors="ignore")
