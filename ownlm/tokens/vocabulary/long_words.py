"""Words of any length in time that grows with their length alone: the ids of one pass over all of it, from blocks.

Merging a word of n bytes takes n log n and more: every pair waits in a heap that no cache of a processor holds. So a
long word is merged in blocks; of each the last few tokens are given up, and the next block begins where they did.

That is exact where the two tokens at a seam stay two when their own bytes are merged alone. Proof: let tokens t1 ... tn
stand for a word, each pair t(i) t(i+1) being what its own bytes become, and suppose merging the whole word joined
something across a seam. Take the first time. Until then each token was merged by itself, as it is alone; so the two
at that seam had come to the state they come to in their pair alone, with the same pair of parts, the lowest and
leftmost, next: it would be merged there too. Hence nothing crosses a seam, and each token becomes itself (the second
condition of `encode.py`). The same holds for any stretch of tokens around a seam: a seam is looked at with as many
as it takes to begin and end at whole characters. Where no seam holds the word is merged at once.
(van Antwerpen and Neubeck, "So many tokens, so little time", 2024, build an encoder on the same fact.)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

BLOCK = 4096
"""Bytes of a long word that are merged at once; characters in which a run of one kind is looked for."""
GIVEN_UP = 4
TRIES = 16
_BREAK = re.compile(r"\n(?=[!-~])")
"""A place that no word crosses, and that the words before it do not see across: of the two patterns' alternatives only
two match a line end, both up to the last of a run."""
_OTHER = re.compile(r"[^\W_]|\s")
Encoder = Callable[[str], list[int]]


class LongWords:
    """Encodes words, short and long.

    Args:
        merge: a text that is one word -> its ids, in any time.
        lengths: the bytes each id stands for.
    """

    def __init__(self, merge: Encoder, lengths: Mapping[int, int]) -> None:
        self._merge, self._lengths = merge, lengths

    def encode(self, word: str) -> list[int]:
        """The ids that `merge` gives for all of `word`."""
        if len(word) <= 2 * BLOCK:
            return self._merge(word)
        data, ids = word.encode("utf-8"), list[int]()
        start = furthest = tries = 0
        while start < len(data):
            stop = _character(data, start + BLOCK)
            block = self._merge(data[start:stop].decode("utf-8"))
            if ids and not self._seam_holds(data, start, ids, block):
                tries += 1
                start = self._give_up(data, start, ids, 1)
                if tries > TRIES or not ids:
                    return self._merge(word)
                continue
            ids += block
            start, tries = stop, 0
            if stop < len(data):
                start = self._give_up(data, stop, ids, min(GIVEN_UP, len(block) - 1))
                if start <= furthest:
                    return self._merge(word)
                furthest = start
        return ids

    def _give_up(self, data: bytes, stop: int, ids: list[int], count: int) -> int:
        """Drop so many tokens from the end of `ids`, more if it would be inside a character; where they ended."""
        dropped = 0
        while ids and (dropped < count or not _begins(data, stop)):
            stop -= self._lengths[ids.pop()]
            dropped += 1
        return stop

    def _seam_holds(self, data: bytes, seam: int, left: Sequence[int], right: Sequence[int]) -> bool:
        start, stop, before, after = seam, seam, 0, 0
        while not before or not _begins(data, start):
            before += 1
            start -= self._lengths[left[-before]]
        while not after or not _begins(data, stop):
            stop += self._lengths[right[after]]
            after += 1
        return self._merge(data[start:stop].decode("utf-8")) == [*left[-before:], *right[:after]]


def _begins(data: bytes, at: int) -> bool:
    """Whether a character begins or the text ends here."""
    return at >= len(data) or data[at] & 0xC0 != 0x80


def _character(data: bytes, at: int) -> int:
    """The last place up to `at` where a character begins; the end of the text if `at` is behind it."""
    while not _begins(data, at):
        at -= 1
    return min(at, len(data))


def stretches(text: str) -> Iterator[tuple[str, bool]]:
    """The text in pieces that are cut into words each by itself, and whether a piece may hold a long word.

    A word of more than four blocks holds a whole block of letters, of white space or of other signs.
    """
    begun = 0
    for at in range(0, len(text) - BLOCK + 1, BLOCK):
        if at < begun or not _of_one_kind(text[at : at + BLOCK]):
            continue
        left, found = _break_before(text, begun, at), _BREAK.search(text, at + BLOCK)
        right = found.end() if found else len(text)
        yield text[begun:left], False
        yield text[left:right], True
        begun = right
    yield text[begun:], False


def _of_one_kind(block: str) -> bool:
    return block.isalpha() or block.isspace() or _OTHER.search(block) is None


def _break_before(text: str, begun: int, at: int) -> int:
    """The last place to break a text up to `at`; `begun`, which is one, if there is none."""
    while (line_end := text.rfind("\n", begun, at)) >= 0:
        if _BREAK.match(text, line_end):
            return line_end + 1
        at = line_end
    return begun
