"""Speculative decoding: cheap guesses of the next tokens, checked by the model in one pass (arXiv 2211.17192).

    text ─► guesses g1 g2 g3 ─► one pass over (last token, g1, g2, g3) ─► the model's own choice at each place
         ─► guesses are kept as long as they are what was chosen; the first choice that differs is kept, too

The choice at each place is made as it would be without guesses: the likeliest token, or the sampler's at the stream's
next number. So a text is the same with and without guesses, seeds included. A guess g is kept with the probability the
model gives it, which is what rejection sampling does for a guesser that is sure of its guess.

Two guessers: `PromptLookup` looks where the text's last tokens stood before (code repeats itself;
github.com/apoorvumang/prompt-lookup-decoding), `DraftModel` asks a smaller model of the same vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ownlm.serve.engines.torch.memory import Memory, Reading
from ownlm.serve.engines.torch.network import Network

LONGEST, SHORTEST = 4, 2
"""Tokens at a text's end that are looked for in it."""

ROOM_TO_GROW = 128
"""Positions a draft model's room has beyond the text, when it is made."""

FIRST_REACH, MOST_REACH = 2, 8
"""Guesses at a text's beginning, and the most."""


@dataclass(frozen=True)
class Asked:
    """A text whose next tokens are to be guessed.

    Attributes:
        key: says which text, until `forget`.
        tokens: of the text.
        most: guesses wanted, at least 1.
    """

    key: int
    tokens: list[int]
    most: int


class Drafter(Protocol):
    """Guesses."""

    def propose(self, asked: Sequence[Asked]) -> list[list[int]]:
        """At most `most` tokens for each text, as many as it can guess."""
        ...

    def forget(self, key: int) -> None:
        """A text has ended."""
        ...


class Reach:
    """How many guesses a text gets: twice as many after all were right, half after none was."""

    def __init__(self) -> None:
        self.most = FIRST_REACH

    def learn(self, guessed: int, right: int) -> None:
        """What became of the guesses of a pass."""
        if guessed and right == guessed:
            self.most = min(2 * self.most, MOST_REACH)
        elif guessed and right == 0:
            self.most = max(self.most // 2, 1)


class PromptLookup:
    """What followed when the text's last tokens stood there before, the latest such place."""

    def propose(self, asked: Sequence[Asked]) -> list[list[int]]:
        """See `Drafter.propose`."""
        return [lookup(one.tokens, one.most) for one in asked]

    def forget(self, key: int) -> None:
        """See `Drafter.forget`."""


def lookup(tokens: Sequence[int], most: int) -> list[int]:
    """The tokens after the latest earlier place of the longest end of `tokens` that has one."""
    text = np.asarray(tokens)
    for size in range(min(LONGEST, len(text) - 1), SHORTEST - 1, -1):
        same = np.ones(len(text) - size, dtype=bool)  # places where the end may begin, its own left out
        for offset in range(size):
            same &= text[offset : offset + len(same)] == text[len(text) - size + offset]
        places = np.flatnonzero(same)
        if len(places):
            start = int(places[-1]) + size
            return [int(token) for token in text[start : start + most]]
    return []


@dataclass
class _Guessed:
    """A text in a draft model.

    Attributes:
        reading: how far it is read.
        tokens: of the text, guesses at their end.
    """

    reading: Reading
    tokens: list[int]


class DraftModel:
    """A smaller model's likeliest tokens.

    Args:
        network: of the same vocabulary.
        budget: bytes of keys and values of texts it remembers.
    """

    def __init__(self, network: Network, budget: int) -> None:
        self._network = network
        self._memory = Memory(network, budget)
        self._under_way: dict[int, _Guessed] = {}

    def propose(self, asked: Sequence[Asked]) -> list[list[int]]:
        """See `Drafter.propose`. All texts go through the model together."""
        texts = [self._text(one) for one in asked]
        wanted = [len(one.tokens) + one.most for one in asked]
        while going := [text for text, most in zip(texts, wanted, strict=True) if len(text.tokens) < most]:
            parts = [text.reading.part(text.tokens[text.reading.length :], 1) for text in going]
            for text, token in zip(going, self._network.forward(parts).argmax(dim=-1).tolist(), strict=True):
                text.tokens.append(token)
        return [text.tokens[len(one.tokens) :] for text, one in zip(texts, asked, strict=True)]

    def forget(self, key: int) -> None:
        """See `Drafter.forget`."""
        text = self._under_way.pop(key, None)
        if text is not None:
            self._memory.keep(text.reading, text.tokens)
            self._memory.close(text.reading)

    def _text(self, one: Asked) -> _Guessed:
        """The text as far as it is read, up to where guesses went wrong."""
        text = self._under_way.get(one.key)
        if text is not None and text.reading.room.shape[2] < len(one.tokens) + one.most:
            self.forget(one.key)  # it grew out of its room
            text = None
        if text is None:
            reading = self._memory.open(one.tokens[:-1], len(one.tokens) + ROOM_TO_GROW)
            text = self._under_way[one.key] = _Guessed(reading, list(one.tokens))
        right = min(len(text.tokens), len(one.tokens) - 1)
        while text.tokens[:right] != one.tokens[:right]:
            right -= 1
        text.reading.cut(right)
        text.tokens = list(one.tokens)
        return text
