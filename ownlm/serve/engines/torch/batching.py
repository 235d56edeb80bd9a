"""Continuous batching: at every pass texts come and go, some are read and some written (Orca, OSDI 2022).

    texts ─┬─ written: last token + guesses ──────────┐
           └─ read: a share of `chunk` tokens a pass ─┴─► one pass of the network ─► a token or more each

A long prompt is read in pieces (chunked prefill, arXiv 2308.16369), so that it holds nobody up for longer than a piece
takes, and ends within a piece when nobody waits for it any more. A prompt that begins like one that is being read waits
for it, and then takes that beginning from memory: n choices of one prompt read it once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from ownlm.serve.engines.torch.attention import Part
from ownlm.serve.engines.torch.drafting import Asked, Drafter
from ownlm.serve.engines.torch.memory import Memory
from ownlm.serve.engines.torch.network import Network
from ownlm.serve.engines.torch.texts import Choice, Text

WORTH_WAITING = 32
"""Tokens another text must be about to read for one to wait for it."""


@dataclass
class Counters:
    """What was computed since the start.

    Attributes:
        passes: of the network.
        read: tokens of prompts.
        recalled: tokens of prompts taken from memory.
        written: tokens that were chosen.
        drafted: tokens that were guessed.
        accepted: guesses that were right.
    """

    passes: int = 0
    read: int = 0
    recalled: int = 0
    written: int = 0
    drafted: int = 0
    accepted: int = 0


class Batching:
    """Texts under way. One thread at a time.

    Args:
        network: computes.
        memory: of the network.
        drafter: guesses; None: nobody does.
        chunk: most tokens of prompts a pass.
        rows: most texts at a time.

    Attributes:
        counters: see `Counters`.
    """

    def __init__(self, network: Network, memory: Memory, drafter: Drafter | None, chunk: int, rows: int) -> None:
        self._network, self._memory, self._drafter = network, memory, drafter
        self._chunk, self._rows = chunk, rows
        self._texts: list[Text] = []
        self.counters = Counters()

    def __len__(self) -> int:
        return len(self._texts)

    def add(self, text: Text) -> None:
        """Begin a text, or let it wait until there is a row for it."""
        self._texts.append(text)

    def drop(self, error: BaseException) -> None:
        """End all with an error, and remember nothing of them."""
        for text in self._texts:
            text.call.fail(error)
            self._close(text)
        self._texts = []

    def step(self) -> None:
        """One pass, if there is anything to compute; ended texts leave before and after it."""
        self._leave()
        planned = self._plan(self._texts[: self._rows])
        if not planned:
            return
        logits = self._network.forward([part for _, part in planned])
        self.counters.passes += 1
        row = 0
        for text, part in planned:
            self._take(text, logits[row : row + part.wanted])
            row += part.wanted
        self._leave()

    def _plan(self, texts: Sequence[Text]) -> list[tuple[Text, Part]]:
        """What the next pass computes."""
        writing = [text for text in texts if isinstance(text, Choice) and text.reading is not None and text.writing]
        self._draft(writing)
        planned: list[tuple[Text, Part]] = []
        for choice in writing:
            assert choice.reading is not None
            planned.append((choice, choice.reading.part([choice.tokens[-1], *choice.drafted], choice.wanted(1))))
        reading = [text for text in texts if text not in writing and self._opened(text, texts)]
        for text, count in zip(reading, share([text.unread for text in reading], self._chunk), strict=True):
            assert text.reading is not None
            if count:
                start = text.reading.length
                wanted = text.wanted(count)
                planned.append((text, text.reading.part(text.tokens[start : start + count], wanted)))
                self.counters.read += count
        return planned

    def _opened(self, text: Text, texts: Sequence[Text]) -> bool:
        """Give a text its room, and what memory has of it; False while it waits for an older one."""
        if text.reading is not None:
            return True
        beginning = text.tokens[: text.recallable]
        if beginning and self._waits(text, beginning, texts):
            return False
        text.reading = self._memory.open(beginning, text.capacity)
        self.counters.recalled += text.reading.length
        return True

    def _waits(self, text: Text, beginning: list[int], texts: Sequence[Text]) -> bool:
        """Whether an older text is about to read much of the same."""
        older = [other for other in texts[: texts.index(text)] if not isinstance(other, Choice) or not other.written]
        common = max((_common(other.tokens, beginning) for other in older), default=0)
        return common >= WORTH_WAITING and common - self._memory.known(beginning) >= WORTH_WAITING

    def _draft(self, writing: Sequence[Choice]) -> None:
        """Guesses for those who may still get more than one token."""
        if self._drafter is None:
            return
        eager = [choice for choice in writing if choice.left > 1]
        asked = [Asked(choice.key, choice.tokens, min(choice.reach.most, choice.left - 1)) for choice in eager]
        for choice, guesses in zip(eager, self._drafter.propose(asked), strict=True):
            choice.drafted = guesses
            self.counters.drafted += len(guesses)

    def _take(self, text: Text, logits_WV: Tensor) -> None:
        """Hand a text what the network says; an error of its caller ends that call only."""
        assert text.reading is not None
        if not len(logits_WV) or text.call.gone():
            return
        before, first = len(text.tokens), isinstance(text, Choice) and not text.written
        try:
            text.take(logits_WV)
        except Exception as error:
            text.call.fail(error)
        if isinstance(text, Choice):
            self.counters.written += len(text.tokens) - before
            self.counters.accepted += text.kept
            if first:
                self._memory.keep(text.reading, text.tokens)  # for those who begin alike

    def _leave(self) -> None:
        """Texts that have ended, or that nobody waits for, give back their rooms and stay in memory."""
        staying = []
        for text in self._texts:
            if text.ended or text.call.gone():
                if text.reading is not None:
                    self._memory.keep(text.reading, text.tokens)
                self._close(text)
                if text.ended:
                    text.call.one_ended()
            else:
                staying.append(text)
        self._texts = staying

    def _close(self, text: Text) -> None:
        if text.reading is not None:
            self._memory.close(text.reading)
            text.reading = None
        if self._drafter is not None:
            self._drafter.forget(text.key)


def share(unread: Sequence[int], budget: int) -> list[int]:
    """How many tokens of each text are read in a pass.

    Half for the oldest, so that it gets on in any case; the rest for those that need least, so that a text of which
    memory knows nearly all does not wait for a long one; what is left for the oldest again.

    Args:
        unread: tokens each text needs, the oldest first.
        budget: tokens of a pass.
    """
    given = [0] * len(unread)
    if not unread:
        return given
    given[0] = min(unread[0], -(-budget // 2))
    left = budget - given[0]
    for index in sorted(range(1, len(unread)), key=lambda index: (unread[index], index)):
        given[index] = min(unread[index], left)
        left -= given[index]
    given[0] += min(unread[0] - given[0], left)
    return given


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    """Length of the common beginning."""
    return next(
        (count for count, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]),
        min(len(one), len(other)),
    )
