"""An engine that says what a test tells it to: for stop strings, broken characters, slow and failing engines."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from ownlm.serve.engines.base import GenerationRequest, GenerationStep, OnStep, TokenScore, never
from ownlm.tokens.vocabulary.load import Vocabulary


class Turnstile:
    """A gate that lets so many steps through, and the others once it is open."""

    def __init__(self, steps: int) -> None:
        self._left = steps
        self._open = threading.Event()

    def wait(self, timeout: float) -> bool:
        if self._left > 0:
            self._left -= 1
            return True
        return self._open.wait(timeout)

    def set(self) -> None:
        self._open.set()


class ScriptedEngine:
    def __init__(self, vocabulary: Vocabulary) -> None:
        self.ids = vocabulary.encode("hello")
        self.vocabulary = vocabulary
        self.requests: list[GenerationRequest] = []
        self.steps = 0
        self.gate: threading.Event | Turnstile | None = None
        """When set, each step waits for it."""
        self.failures: list[Exception] = []
        """Raised before the first step, one a request."""
        self.error: Exception | None = None
        """When set, raised after the first step."""
        self.ended = threading.Event()

    def say(self, text: str) -> None:
        self.ids = self.vocabulary.encode(text)

    def say_bytes(self, data: bytes) -> None:
        """One token a byte."""
        single = {value: number for number, value in enumerate(self.vocabulary.token_bytes) if len(value) == 1}
        self.ids = [single[bytes([byte])] for byte in data]

    def generate(self, request: GenerationRequest, on_step: OnStep, cancelled: Callable[[], bool] = never) -> None:
        self.requests.append(request)
        if self.failures:
            raise self.failures.pop(0)
        try:
            for choice in range(request.choices):
                self._choice(request, choice, on_step)
        finally:
            self.ended.set()

    def _choice(self, request: GenerationRequest, choice: int, on_step: OnStep) -> None:
        script = [*self.ids, 0]
        for index, token in enumerate(script[: request.max_tokens]):
            if self.gate is not None:
                self.gate.wait(20)
            self.steps += 1
            finish = "stop" if token in request.stop_ids else "length" if index + 1 == request.max_tokens else None
            score = None if request.top_logprobs is None else TokenScore(-0.5, ((token, -0.5),))
            if on_step(GenerationStep(choice, token, score, finish)):
                return
            if self.error is not None:
                raise self.error

    def close(self) -> None:
        self.closed = True

    def score(self, tokens: Sequence[int], top_logprobs: int) -> list[TokenScore]:
        return [TokenScore(-1.0) for _ in tokens[1:]]
