"""The torch engine: our own decoder behind `Engine`, with every call of every thread in one batch.

    generate, score (many threads) ─► inbox ─► the engine's thread: passes of `batching` ─► on_step, token by token

What a text says does not depend on what else is asked, nor on what memory has of it, nor on guesses: random streams
belong to choices, and attention is computed text by text. One thing is left: the last bits of a sum depend on the shape
it is computed in, here on how many tokens share a pass, and two tokens that are nearly a tie may then change places.

    float64    those bits are 1e-13 of a logit: a tie as near does not come up
    int8       sums of products are integers, so there are none; what is left is attention over pieces of a prompt
    float32    about 1e-5 of a logit: once in a hundred thousand tokens or so
    bfloat16   about 1e-2 of a logit: often

`on_step` and `cancelled` are called in the engine's thread, between passes. A call that nobody waits for any more is
gone before the next pass: one token while it is written, `chunk` tokens while its prompt is read. When a pass fails,
all calls under way end with an `EngineError`, nothing is remembered of them, and the engine goes on.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence

import torch

from ownlm.errors import EngineError
from ownlm.serve.engines.base import GenerationRequest, OnStep, TokenScore, never
from ownlm.serve.engines.torch.batching import Batching, Counters
from ownlm.serve.engines.torch.drafting import Drafter
from ownlm.serve.engines.torch.memory import Memory
from ownlm.serve.engines.torch.network import Network
from ownlm.serve.engines.torch.texts import Call, Choice, Scored, Text

CHUNK = 128
"""Tokens of prompts a pass: what a call waits at most for a long one, and for its own cancelling."""

ROWS = 64
"""Texts in a pass."""

MEMORY_BYTES = 1 << 30
"""Keys and values of texts read before."""


class TorchEngine:
    """A network as an `Engine`.

    Args:
        network: computes.
        drafter: guesses tokens; None: nobody does.
        memory: bytes of keys and values kept of texts read before.
        threads: CPU threads of a pass; 0: as torch is set.
        chunk: most tokens of prompts a pass.
        rows: most texts in a pass; further ones wait.
    """

    def __init__(
        self,
        network: Network,
        drafter: Drafter | None = None,
        *,
        memory: int = MEMORY_BYTES,
        threads: int = 0,
        chunk: int = CHUNK,
        rows: int = ROWS,
    ) -> None:
        self._memory = Memory(network, memory)
        self._batching = Batching(network, self._memory, drafter, chunk, rows)
        self._threads = threads
        self._keys = itertools.count()
        self._inbox: list[Text] = []
        self._news = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="torch engine", daemon=True)
        self._thread.start()

    @property
    def counters(self) -> Counters:
        """What was computed so far."""
        return self._batching.counters

    @property
    def memory_bytes(self) -> int:
        """Keys and values kept of texts read before."""
        return self._memory.bytes

    def generate(self, request: GenerationRequest, on_step: OnStep, cancelled: Callable[[], bool] = never) -> None:
        """See `Engine.generate`."""
        call = Call(cancelled)
        indices = range(request.choices)
        groups = [indices] if request.temperature <= 0 else [range(index, index + 1) for index in indices]
        texts = [Choice(next(self._keys), call, request, group, on_step) for group in groups]
        self._wait(call, texts)

    def score(self, tokens: Sequence[int], top_logprobs: int) -> list[TokenScore]:
        """See `Engine.score`."""
        if len(tokens) < 2:
            return []
        call = Call(never)
        text = Scored(next(self._keys), call, tokens, top_logprobs)
        self._wait(call, [text])
        return text.scores

    def close(self) -> None:
        """See `Engine.close`."""
        with self._news:
            self._closed = True
            self._news.notify()
        self._thread.join()

    def _wait(self, call: Call, texts: Sequence[Text]) -> None:
        call.expect(len(texts))
        with self._news:
            if self._closed or not self._thread.is_alive():
                raise EngineError("the engine is closed", advice="ask the gateway again, or start it again")
            self._inbox += texts
            self._news.notify()
        call.done.wait()
        if call.error is not None:
            raise call.error

    def _run(self) -> None:
        if self._threads:
            torch.set_num_threads(self._threads)
        try:
            with torch.inference_mode():
                while self._fetched():
                    self._step()
        finally:
            with self._news:
                self._closed = True
                left, self._inbox = self._inbox, []
            gone = EngineError("the engine was closed while it worked", advice="ask again")
            for text in left:
                text.call.fail(gone)
            self._batching.drop(gone)

    def _fetched(self) -> bool:
        """Take in new texts, or wait for some; False when the engine is closed."""
        with self._news:
            while not self._inbox and not self._closed and not self._batching:
                self._news.wait()
            new, self._inbox = self._inbox, []
            closed = self._closed
        for text in new:
            self._batching.add(text)
        return not closed

    def _step(self) -> None:
        try:
            self._batching.step()
        except Exception as error:
            broken = EngineError(f"the engine failed ({type(error).__name__})", advice="ask again")
            broken.__cause__ = error
            self._batching.drop(broken)
