"""An engine that breaks is opened again, later and later; calls that gave out nothing are asked once more."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import pairwise

import pytest

from ownlm.errors import ArtifactError, EngineError
from ownlm.serve.engines.base import GenerationRequest, GenerationStep, OnStep, TokenScore, never
from ownlm.serve.supervised import Supervised

REQUEST = GenerationRequest((1, 2), 4)


class Fragile:
    """Gives out `steps` tokens, then breaks if it is told to."""

    def __init__(self, steps: int = 2, *, breaks: bool = False, gate: threading.Event | None = None) -> None:
        self.steps, self.breaks, self.gate = steps, breaks, gate
        self.closed = 0

    def generate(self, request: GenerationRequest, on_step: OnStep, cancelled: Callable[[], bool] = never) -> None:
        for token in range(self.steps):
            on_step(GenerationStep(0, token))
        if self.gate is not None:
            self.gate.wait(10)
        if self.breaks:
            raise EngineError("broken")

    def score(self, tokens: Sequence[int], top_logprobs: int) -> list[TokenScore]:
        if self.breaks:
            raise EngineError("broken")
        return [TokenScore(-1.0)]

    def close(self) -> None:
        self.closed += 1


def supervised(*engines: Fragile | Exception) -> tuple[Supervised, list[float]]:
    """Opens these, one after the other; with a clock that a test sets."""
    left, clock = list(engines), [0.0]

    def opened() -> Fragile:
        one = left.pop(0)
        if isinstance(one, Exception):
            raise one
        return one

    return Supervised(opened, clock=lambda: clock[0]), clock


def tokens(engine: Supervised) -> list[int]:
    found: list[int] = []
    engine.generate(REQUEST, lambda step: bool(found.append(step.token)))
    return found


def test_what_gave_out_nothing_is_asked_once_more() -> None:
    first, second = Fragile(0, breaks=True), Fragile(3)
    engine, _ = supervised(first, second)
    assert tokens(engine) == [0, 1, 2]
    assert (first.closed, second.closed, engine.restarts, engine.broken) == (1, 0, 1, "")


def test_what_gave_out_something_is_an_error_and_the_next_call_is_well() -> None:
    engine, _ = supervised(Fragile(1, breaks=True), Fragile(2))
    with pytest.raises(EngineError):
        tokens(engine)
    assert engine.broken == "broken"
    assert tokens(engine) == [0, 1]


def test_what_nobody_waits_for_is_not_asked_again() -> None:
    engine, _ = supervised(Fragile(0, breaks=True), Fragile(2))
    with pytest.raises(EngineError):
        engine.generate(REQUEST, lambda step: False, lambda: True)
    assert engine.restarts == 0


def test_scores_are_asked_once_more() -> None:
    engine, _ = supervised(Fragile(breaks=True), Fragile())
    assert engine.score([1, 2], 0) == [TokenScore(-1.0)]


def test_what_breaks_again_is_opened_later_and_later() -> None:
    clock, opened = [0.0], []

    def one() -> Fragile:
        opened.append(clock[0])
        return Fragile(0, breaks=len(opened) < 8)

    engine = Supervised(one, clock=lambda: clock[0])
    while len(opened) < 8:
        with suppress(EngineError):
            tokens(engine)
        clock[0] += 0.25
    waits = [later - earlier for earlier, later in pairwise(opened)]
    assert waits == [0, 0.5, 1, 2, 4, 8, 16]  # followed up at once, then later and later
    assert engine.broken == ""


def test_after_a_good_call_the_next_failure_is_followed_up_at_once() -> None:
    engine, _ = supervised(Fragile(0, breaks=True), good := Fragile(1), Fragile(2))
    tokens(engine)
    good.steps, good.breaks = 0, True
    assert tokens(engine) == [0, 1]


def test_an_engine_that_cannot_be_opened_again_is_tried_again() -> None:
    engine, clock = supervised(Fragile(0, breaks=True), ArtifactError("the disk is gone"), Fragile(1))
    with pytest.raises(EngineError, match="cannot be opened again: the disk is gone"):
        tokens(engine)
    assert engine.broken == "the disk is gone"
    clock[0] += 1
    assert tokens(engine) == [0]


def test_an_engine_is_closed_when_its_last_call_is_back() -> None:
    gate = threading.Event()
    hanging = Fragile(0, gate=gate)
    engine, _ = supervised(hanging, Fragile(1))
    thread = threading.Thread(target=tokens, args=(engine,))
    thread.start()
    while not engine._opened.uses:
        pass
    engine.replace()
    assert tokens(engine) == [0]  # the new one answers
    assert hanging.closed == 0
    gate.set()
    thread.join()
    assert hanging.closed == 1


def test_calls_that_break_together_open_one_new_engine() -> None:
    gate = threading.Event()
    engine, _ = supervised(Fragile(0, breaks=True, gate=gate), Fragile(1))
    found: list[list[int]] = []
    threads = [threading.Thread(target=lambda: found.append(tokens(engine))) for _ in range(4)]
    for thread in threads:
        thread.start()
    while engine._opened.uses < 4:
        pass
    gate.set()
    for thread in threads:
        thread.join()
    assert found == [[0]] * 4
    assert engine.restarts == 1


def test_closing_closes_the_engine_that_is_open() -> None:
    engine, _ = supervised(Fragile(0, breaks=True), second := Fragile(1))
    tokens(engine)
    engine.close()
    assert second.closed == 1
