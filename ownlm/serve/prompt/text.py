"""Generated tokens to text, piece by piece, such that the pieces joined are the text.

A byte-level token may end inside a UTF-8 character, and a stop string may span tokens: both are held back until it is
clear what they are. Text once given out is never taken back.

    tokens ─► Detokenizer ─► without the blank taken back ─► StopCutter ─► pieces of text        (AnswerText)
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence


class Detokenizer:
    """Bytes to text. Bytes that are not UTF-8 become U+FFFD; an unfinished character is held back.

    A character still unfinished at the end is never given out: half a character has no place in a person's file.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    @property
    def pending(self) -> bool:
        """Whether the bytes so far end inside a character."""
        return bool(self._decoder.getstate()[0])

    def push(self, data: bytes) -> str:
        """The text that `data` completes."""
        return self._decoder.decode(data)


class StopCutter:
    """Cuts text before the first stop string.

    "First" is the one that is complete first as the characters arrive, the longest of those that end there: how the
    text was split into pieces makes no difference.

    Args:
        stops: strings, none of them empty.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        if "" in stops:
            raise ValueError("an empty stop string would stop before anything")
        self._stops = tuple(stops)
        self._held = ""
        self.stopped = False

    def push(self, text: str) -> str:
        """The text that is certain after `text`; sets `stopped` once a stop string is complete."""
        if self.stopped:
            return ""
        if not self._stops:
            return text
        text = self._held + text
        found = [(start + len(stop), start) for stop in self._stops if (start := text.find(stop)) >= 0]
        if found:
            self.stopped, self._held = True, ""
            return text[: min(found)[1]]
        certain = len(text) - self._uncertain(text)
        self._held = text[certain:]
        return text[:certain]

    def flush(self) -> str:
        """What was held back and turned out to be no stop string. The end of the text."""
        held, self._held = self._held, ""
        return held

    def _uncertain(self, text: str) -> int:
        """Length of the longest end of `text` that a stop string may begin with."""
        longest = min(max(map(len, self._stops)) - 1, len(text))
        for length in range(longest, 0, -1):
            end = text[-length:]
            if any(stop.startswith(end) for stop in self._stops):
                return length
        return 0


class AnswerText:
    """What one answer's tokens say: the three steps above, for whoever generates.

    Args:
        taken_back: the blank at the end of the prompt's text that the answer begins with (`Prompt.taken_back`); "" for
            none.
        stops: strings that end the text; they are not part of it.

    Attributes:
        length: characters of the text so far, given out or not.
    """

    def __init__(self, taken_back: str, stops: Sequence[str]) -> None:
        self._taken_back = taken_back
        self._detokenizer = Detokenizer()
        self._cutter = StopCutter(stops)
        self.length = 0

    @property
    def stopped(self) -> bool:
        """Whether a stop string is complete: nothing more will come."""
        return self._cutter.stopped

    def push(self, data: bytes) -> str:
        """The text that is certain after a token's bytes."""
        text = self._detokenizer.push(data)
        if text and self._taken_back:
            # The client has this blank already. An answer may also go on without it, with a line end for example.
            text, self._taken_back = text.removeprefix(self._taken_back), ""
        self.length += len(text)
        return self._cutter.push(text)

    def flush(self) -> str:
        """What was held back and turned out to be no stop string. The end of the text."""
        return self._cutter.flush()
