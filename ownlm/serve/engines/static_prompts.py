"""Which beginning of a prompt CTranslate2 shall keep the state of, and when it must forget.

CTranslate2 can begin from the state after a `static_prompt`, if it has met the very same one before. It keeps each for
as long as the model is loaded, cannot go on from a part of one, and cannot build one upon another. So a beginning is
worth keeping when it comes again and again: a person types, and the prompt changes at its end only.

    prompt 1   S u f f i x  p r e f      read whole
    prompt 2   S u f f i x  p r e f i    begins like prompt 1: "Suffix pref" is kept from now on, and read once more
    prompt 3   S u f f i x  p r e f i x  only "ix" is read

Once `REACH` tokens follow the kept beginning, a longer one is kept, for which the prompt is read whole again. When all
beginnings together exceed the budget they are forgotten together, by loading the model again.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

SHORTEST = 48
"""Beginnings below this are read as fast as their state is copied."""

REACH = 64
"""Tokens after a kept beginning from which a longer one pays."""

RECENT = 64
"""So many prompts are compared with a new one: one or two of each person who types."""


class StaticPrompts:
    """Beginnings that are kept.

    Args:
        budget: tokens of all of them; 0: none is kept.
        forget: makes the engine forget them all; called while nothing is computed.

    Attributes:
        tokens: of all that are kept.
        forgotten: how often the engine was made to forget.
    """

    def __init__(self, budget: int, forget: Callable[[], None]) -> None:
        self._budget, self._forget = budget, forget
        self._kept: set[tuple[int, ...]] = set()
        self._recent: deque[tuple[int, ...]] = deque(maxlen=RECENT)
        self._changed = threading.Condition()
        self._working = 0
        self._forgetting = False
        self.tokens = 0
        self.forgotten = 0

    @contextmanager
    def of(self, prompt: Sequence[int]) -> Iterator[int]:
        """For the time of a generation: how many tokens of the prompt's beginning to give as `static_prompt`."""
        if self._budget == 0:
            yield 0
            return
        text = tuple(prompt)
        with self._changed:
            self._changed.wait_for(lambda: not self._forgetting)
            length = self._choose(text)
            if length and text[:length] not in self._kept:
                if self.tokens + length > self._budget:
                    self._forget_all()
                self._kept.add(text[:length])
                self.tokens += length
            self._recent.append(text)
            self._working += 1
        try:
            yield length
        finally:
            with self._changed:
                self._working -= 1
                self._changed.notify_all()

    def _choose(self, text: tuple[int, ...]) -> int:
        """The longest kept beginning, or a new one that comes again."""
        kept = max((len(one) for one in self._kept if len(one) < len(text) and text[: len(one)] == one), default=0)
        if kept and len(text) - kept <= REACH:
            return kept
        common = min(max((_common(one, text) for one in self._recent), default=0), len(text) - 1)
        pays = common >= SHORTEST and common - kept >= REACH // 2 and common <= self._budget
        return common if pays else kept

    def _forget_all(self) -> None:
        """Wait until nothing is computed, then forget. Holds the lock, but for the time of waiting."""
        self._forgetting = True
        try:
            self._changed.wait_for(lambda: self._working == 0)
            self._forget()
            self._kept.clear()
            self.tokens = 0
            self.forgotten += 1
        finally:
            self._forgetting = False
            self._changed.notify_all()


def _common(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    """Length of the common beginning; whole runs are compared at once, for most of it is equal."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[low:middle] == other[low:middle] else (low, middle - 1)
    return low
