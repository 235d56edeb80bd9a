"""An engine that is opened again when it breaks, and asked again when nothing of the answer was given out yet.

    generate ─► engine ─► EngineError ─► nothing given out: open again, ask once more
                                     └─► something given out: EngineError, and the next call opens it again

What breaks again and again is opened later and later (`BACK_OFF_S`, doubled each time); calls meanwhile are refused at
once rather than kept waiting.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from ownlm.errors import EngineError, OwnlmError
from ownlm.serve.engines.base import Engine, GenerationRequest, GenerationStep, OnStep, TokenScore, never

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")

BACK_OFF_S = 0.5
MOST_BACK_OFF_S = 30.0


@dataclass
class _Opened:
    engine: Engine
    uses: int = 0
    broken: bool = False


class Supervised:
    """An `Engine` over one that may break.

    Args:
        opened: opens one, now and again; may raise OwnlmError.
        clock: seconds, steadily growing.

    Attributes:
        restarts: how often it was opened again.
        broken: why it does not answer now; "" when it does.
    """

    def __init__(self, opened: Callable[[], Engine], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._open, self._clock = opened, clock
        self._opened = _Opened(opened())
        self._lock = threading.Lock()
        self._failures = 0
        self._not_before = 0.0
        self.restarts = 0
        self.broken = ""

    def generate(self, request: GenerationRequest, on_step: OnStep, cancelled: Callable[[], bool] = never) -> None:
        """See `Engine.generate`."""
        given = False

        def told(step: GenerationStep) -> bool:
            nonlocal given
            given = True
            return on_step(step)

        self._ask(lambda engine: engine.generate(request, told, cancelled), lambda: not given and not cancelled())

    def score(self, tokens: Sequence[int], top_logprobs: int) -> list[TokenScore]:
        """See `Engine.score`."""
        return self._ask(lambda engine: engine.score(tokens, top_logprobs), lambda: True)

    def replace(self) -> None:
        """The engine hangs: the next call gets a new one. The old one is closed when its calls come back, if ever."""
        self._broke(self._opened, "a call of it hangs")

    def close(self) -> None:
        """See `Engine.close`."""
        self._opened.engine.close()

    def _ask(self, question: Callable[[Engine], T], again: Callable[[], bool]) -> T:
        try:
            return self._once(question)
        except EngineError:
            if not again():
                raise
        return self._once(question)

    def _once(self, question: Callable[[Engine], T]) -> T:
        with self._used() as opened:
            try:
                answer = question(opened.engine)
            except EngineError as error:
                self._broke(opened, error.what)
                raise
            self._failures = 0
            return answer

    @contextmanager
    def _used(self) -> Iterator[_Opened]:
        with self._lock:
            if self._opened.broken:
                self._opened = self._another()
            opened = self._opened
            opened.uses += 1
        try:
            yield opened
        finally:
            with self._lock:
                opened.uses -= 1
                last = opened.broken and opened.uses == 0
            if last:
                _closed(opened)

    def _another(self) -> _Opened:
        if self._clock() < self._not_before:
            raise EngineError(f"the engine is being opened again: {self.broken}", advice="try again in a moment")
        try:
            opened = _Opened(self._open())
        except OwnlmError as error:
            self._failed(error.what)
            raise EngineError(f"the engine cannot be opened again: {error.what}", where=error.where) from error
        self.restarts += 1
        self.broken = ""
        return opened

    def _broke(self, opened: _Opened, why: str) -> None:
        with self._lock:
            if opened.broken:  # another call of the same engine was first to tell
                return
            opened.broken = True
            self._failed(why)
            idle = opened.uses == 0
        if idle:
            _closed(opened)

    def _failed(self, why: str) -> None:
        """The first failure is followed up at once; the next ones wait."""
        self.broken = why
        wait = min(MOST_BACK_OFF_S, BACK_OFF_S * 2 ** min(self._failures - 1, 16)) if self._failures else 0.0
        self._not_before = self._clock() + wait
        self._failures += 1


def _closed(opened: _Opened) -> None:
    with suppress(Exception):  # it is broken: whatever it says on the way out, nobody uses it any more
        opened.engine.close()
