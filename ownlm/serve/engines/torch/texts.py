"""What an engine works on: a call, and the texts it asks to continue or to score."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ownlm.serve.engines import sampling
from ownlm.serve.engines.base import FinishReason, GenerationRequest, GenerationStep, OnStep, TokenScore
from ownlm.serve.engines.torch.drafting import Reach
from ownlm.serve.engines.torch.memory import Reading

Logits = NDArray[np.floating]


class Call:
    """Somebody who waits.

    Attributes:
        done: set when the answer is complete, or `error` says why it never will be.
        error: raised in the caller's thread.
    """

    def __init__(self, cancelled: Callable[[], bool]) -> None:
        self._cancelled = cancelled
        self._texts = 0
        self.done = threading.Event()
        self.error: BaseException | None = None

    def expect(self, texts: int) -> None:
        """So many texts must end for the answer to be complete."""
        self._texts = texts

    def one_ended(self) -> None:
        """A text has ended as it should."""
        self._texts -= 1
        if self._texts == 0:
            self.done.set()

    def gone(self) -> bool:
        """Nobody waits any more, or the call has failed."""
        if not self.done.is_set():
            try:
                if self._cancelled():
                    self.done.set()
            except Exception as error:
                self.fail(error)
        return self.done.is_set()

    def fail(self, error: BaseException) -> None:
        """End with an error; the first one counts."""
        if not self.done.is_set():
            self.error = error
            self.done.set()


class Text:
    """Tokens that go through the network, from the first to the last.

    Attributes:
        key: its number in the engine.
        call: whose it is.
        tokens: all so far.
        reading: how far they are read; None before the first pass.
        ended: nothing more is wanted.
    """

    def __init__(self, key: int, call: Call, tokens: Sequence[int]) -> None:
        self.key, self.call = key, call
        self.tokens = list(tokens)
        self.reading: Reading | None = None
        self.ended = False

    @property
    def unread(self) -> int:
        """Tokens still to be read."""
        return len(self.tokens) - (0 if self.reading is None else self.reading.length)

    @property
    def recallable(self) -> int:
        """How many tokens may be taken from memory."""
        raise NotImplementedError

    @property
    def capacity(self) -> int:
        """Most tokens it will come to, guesses included."""
        raise NotImplementedError

    def wanted(self, count: int) -> int:
        """Of how many of the next `count` tokens logits are wanted, counted from their end."""
        raise NotImplementedError

    def take(self, logits_WV: Tensor) -> None:
        """What the network says after the tokens wanted. Raises what the caller's function raises."""
        raise NotImplementedError


class Choice(Text):
    """A text that is continued. Choices that must be equal (temperature 0) are one text.

    Attributes:
        drafted: guesses in the pass under way; they are not in `tokens`.
        reach: how many guesses it gets.
        kept: guesses of the last pass that were right.
    """

    def __init__(
        self, key: int, call: Call, request: GenerationRequest, indices: Sequence[int], on_step: OnStep
    ) -> None:
        super().__init__(key, call, request.prompt)
        self.drafted: list[int] = []
        self.reach = Reach()
        self.kept = 0
        self._request, self._indices, self._on_step = request, list(indices), on_step
        self._sampler = _sampler(request, indices[0])

    @property
    def left(self) -> int:
        """New tokens it may still get."""
        return self._request.max_tokens - (len(self.tokens) - len(self._request.prompt))

    @property
    def written(self) -> bool:
        """It has new tokens."""
        return len(self.tokens) > len(self._request.prompt)

    @property
    def writing(self) -> bool:
        """All but the newest token is read."""
        return self.written and self.unread == 1

    @property
    def recallable(self) -> int:
        """See `Text.recallable`: the last one must be computed."""
        return len(self.tokens) - 1

    @property
    def capacity(self) -> int:
        """See `Text.capacity`."""
        return len(self._request.prompt) + self._request.max_tokens

    def wanted(self, count: int) -> int:
        """See `Text.wanted`."""
        return 1 + len(self.drafted) if count == self.unread else 0

    def take(self, logits_WV: Tensor) -> None:
        """See `Text.take`: choose tokens as long as guesses are right, and one more."""
        assert self.reading is not None
        drafted, self.drafted, self.kept = self.drafted, [], 0
        rows = logits_WV.cpu().numpy() if self._sampler is not None or self._request.top_logprobs is not None else None
        greedy = logits_WV.argmax(dim=-1).tolist() if self._sampler is None else None
        try:
            for place in range(len(logits_WV)):
                token = greedy[place] if greedy is not None else self._draw(rows, place)
                self._give(token, rows, place)
                if self.ended or place == len(drafted) or token != drafted[place]:
                    break
                self.kept += 1
        finally:
            self.reading.cut(len(self.tokens) - 1)  # what was read of wrong guesses
        self.reach.learn(len(drafted), self.kept)

    def _draw(self, rows: Logits | None, place: int) -> int:
        assert self._sampler is not None
        assert rows is not None
        return self._sampler.choose(rows[place])

    def _give(self, token: int, rows: Logits | None, place: int) -> None:
        self.tokens.append(token)
        top, score = self._request.top_logprobs, None
        if top is not None and rows is not None:
            score = sampling.score(rows[place], token, top)
        finish = self._finish(token)
        self._indices = [
            index for index in self._indices if not self._on_step(GenerationStep(index, token, score, finish))
        ]
        self.ended = finish is not None or not self._indices

    def _finish(self, token: int) -> FinishReason | None:
        if token in self._request.stop_ids:
            return "stop"
        return "length" if self.left <= 0 else None


class Scored(Text):
    """A text of which every token but the first is scored.

    Attributes:
        scores: so far.
    """

    def __init__(self, key: int, call: Call, tokens: Sequence[int], top_logprobs: int) -> None:
        super().__init__(key, call, tokens[:-1])
        self.scores: list[TokenScore] = []
        self._next, self._top = list(tokens[1:]), top_logprobs

    @property
    def recallable(self) -> int:
        """See `Text.recallable`: memory has no logits."""
        return 0

    @property
    def capacity(self) -> int:
        """See `Text.capacity`."""
        return len(self.tokens)

    def wanted(self, count: int) -> int:
        """See `Text.wanted`."""
        return count

    def take(self, logits_WV: Tensor) -> None:
        """See `Text.take`."""
        for row in logits_WV.cpu().numpy():
            self.scores.append(sampling.score(row, self._next[len(self.scores)], self._top))
        self.ended = self.unread == 0


def _sampler(request: GenerationRequest, choice: int) -> sampling.SeededSampler | None:
    """None: the likeliest token. Without a seed a new stream each time."""
    if request.temperature <= 0:
        return None
    seed = request.seed if request.seed is not None else int(np.random.default_rng().integers(2**63))
    return sampling.SeededSampler(
        seed, choice, temperature=request.temperature, top_k=request.top_k, top_p=request.top_p
    )
