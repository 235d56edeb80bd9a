from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ownlm.errors import EngineError
from ownlm.model.decoder import Decoder
from ownlm.serve.engines import sampling
from ownlm.serve.engines.base import GenerationRequest, GenerationStep
from ownlm.serve.engines.torch.drafting import Drafter, DraftModel, PromptLookup
from ownlm.serve.engines.torch.engine import TorchEngine
from ownlm.serve.engines.torch.network import Network
from tests.serve.engines.torch.reference import FAMILIES, STOPS, answered, asked, decoder_of, slow, together

PROMPT = (20, 140, 200, 300, 301, 400)
DECODER = decoder_of()


def nobody() -> None:
    return None


def a_worse_model() -> Drafter:
    """The same model with other numbers in its last layer: right at some places, wrong at others."""
    decoder = decoder_of()
    with torch.no_grad():
        decoder.layers[-1].mlp.down_proj.weight.mul_(0.5)
    return DraftModel(Network(decoder, "float64"), 1 << 20)


DRAFTERS: dict[str, Callable[[], Drafter | None]] = {
    "none": nobody,
    "lookup": PromptLookup,
    "worse": a_worse_model,
    "itself": lambda: DraftModel(Network(DECODER, "float64"), 1 << 20),
}


@contextmanager
def engine_of(decoder: Decoder = DECODER, drafter: Drafter | None = None, **settings: Any) -> Iterator[TorchEngine]:
    engine = TorchEngine(Network(decoder, "float64"), drafter, **{"chunk": 16, **settings})
    try:
        yield engine
    finally:
        engine.close()


@pytest.mark.parametrize(
    ("family", "drafter"),
    [*((family, "lookup") for family in FAMILIES), *(("llama", name) for name in ("none", "worse", "itself"))],
)
def test_tokens_are_those_of_one_full_pass_each_whatever_else_is_asked(family: str, drafter: str) -> None:
    decoder, requests = decoder_of(FAMILIES[family]), asked(3, 12)
    with engine_of(decoder, DRAFTERS[drafter]()) as engine:
        assert together(engine, requests) == [slow(decoder, request) for request in requests]
        assert together(engine, requests) == [slow(decoder, request) for request in requests]  # from memory
        assert engine.counters.recalled > 0


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    chunk=st.integers(1, 40),
    rows=st.integers(1, 6),
    memory=st.sampled_from([0, 20_000, 1 << 20]),
    drafter=st.sampled_from(sorted(DRAFTERS)),
)
def test_whatever_chunks_rows_memory_and_guesses(seed: int, chunk: int, rows: int, memory: int, drafter: str) -> None:
    requests = asked(seed, 5)
    with engine_of(DECODER, DRAFTERS[drafter](), chunk=chunk, rows=rows, memory=memory) as engine:
        assert together(engine, requests) == [slow(DECODER, request) for request in requests]
        assert engine.memory_bytes <= memory


def test_guesses_that_are_right_save_passes() -> None:
    request = GenerationRequest(PROMPT, 24, temperature=0)
    passes = {}
    for name in ("none", "itself"):
        with engine_of(DECODER, DRAFTERS[name]()) as engine:
            answered(engine, request)
            passes[name] = engine.counters.passes
            counters = engine.counters
    assert passes["none"] == 24
    assert passes["itself"] < 10
    assert counters.accepted == counters.drafted > 12


def test_without_a_seed_samples_differ_and_follow_the_model() -> None:
    request = GenerationRequest(PROMPT, 1, temperature=1.0, choices=300)
    with engine_of(drafter=PromptLookup()) as engine:
        drawn = [tokens[0] for tokens, _ in answered(engine, request)]
    with torch.inference_mode():
        logits_V = DECODER(torch.tensor([PROMPT]))[0, -1].numpy()
    expected_V = sampling.filtered_probabilities(logits_V, 1.0, 0, 1.0)
    likeliest = int(expected_V.argmax())
    share, deviation = drawn.count(likeliest) / 300, float(np.sqrt(expected_V[likeliest] / 300))
    assert len(set(drawn)) > 1
    assert abs(share - expected_V[likeliest]) < 6 * deviation


def test_n_choices_of_a_prompt_read_it_once() -> None:
    prompt = tuple(range(100, 160))
    with engine_of() as engine:
        answered(engine, GenerationRequest(prompt, 2, temperature=1.0, seed=1, choices=4))
        assert engine.counters.read == len(prompt) + 3  # the last token of the other three
        assert engine.counters.recalled == 3 * (len(prompt) - 1)


def test_what_changed_at_the_end_is_all_that_is_read() -> None:
    prompt = tuple(range(100, 160))
    with engine_of() as engine:
        answered(engine, GenerationRequest(prompt, 1, temperature=0))
        before = engine.counters.read
        typed = (*prompt[:-1], 77, 78, prompt[-1])
        answered(engine, GenerationRequest(typed, 1, temperature=0))
        assert engine.counters.read - before == 3


def test_log_probabilities_are_those_of_a_full_pass() -> None:
    steps: list[GenerationStep] = []
    request = GenerationRequest(PROMPT, 6, temperature=0.8, seed=4, top_k=5, top_logprobs=3)
    with engine_of(drafter=PromptLookup()) as engine:
        engine.generate(request, lambda step: bool(steps.append(step)))
    text = list(PROMPT)
    for step in steps:
        with torch.inference_mode():
            expected = sampling.score(DECODER(torch.tensor([text]))[0, -1].numpy(), step.token, 3)
        assert step.score is not None
        assert step.score.logprob == pytest.approx(expected.logprob, abs=1e-5)
        assert [token for token, _ in step.score.top] == [token for token, _ in expected.top]
        text.append(step.token)


@pytest.mark.parametrize("length", [1, 2, 50])
def test_scores_are_those_of_one_pass(length: int) -> None:
    text = [16 + (7 * place) % 500 for place in range(length)]
    with engine_of() as engine, torch.inference_mode():
        answered(engine, GenerationRequest(tuple(text), 1, temperature=0))  # memory has no logits, and is not asked
        logits_LV = DECODER(torch.tensor([text]))[0].numpy()
        scores = engine.score(text, 2)
    expected = [sampling.score(row, token, 2) for row, token in zip(logits_LV[:-1], text[1:], strict=True)]
    assert [score.logprob for score in scores] == pytest.approx([score.logprob for score in expected], abs=1e-5)
    assert [[token for token, _ in score.top] for score in scores] == [[t for t, _ in s.top] for s in expected]


def test_the_caller_ends_a_choice_and_only_that() -> None:
    for temperature in (0.0, 1.0):
        seen = {0: 0, 1: 0, 2: 0}

        def on_step(step: GenerationStep, seen: dict[int, int] = seen) -> bool:
            seen[step.choice] += 1
            return step.choice == 0 and seen[0] == 2

        with engine_of() as engine:
            engine.generate(GenerationRequest(PROMPT, 6, temperature=temperature, seed=5, choices=3), on_step)
        assert seen == {0: 2, 1: 6, 2: 6}


@pytest.mark.parametrize("drafter", ["none", "worse"])
def test_cancelled_within_one_token(drafter: str) -> None:
    """Counted: no token is given out after the caller has said so, and no pass computed for it."""
    gone, steps = threading.Event(), []

    def on_step(step: GenerationStep) -> bool:
        steps.append(step)
        if len(steps) == 3:
            gone.set()
        return False

    with engine_of(drafter=DRAFTERS[drafter]()) as engine:
        engine.generate(GenerationRequest(PROMPT, 1000, temperature=0), on_step, gone.is_set)
        passes = engine.counters.passes
        answered(engine, GenerationRequest(PROMPT, 1, temperature=0))  # the engine is free
        assert engine.counters.passes == passes + 1
    assert 3 <= len(steps) <= (3 if drafter == "none" else 11)


def test_cancelled_while_the_prompt_is_read() -> None:
    engine_asked = 0

    def cancelled() -> bool:
        nonlocal engine_asked
        engine_asked += 1
        return engine_asked > 3

    with engine_of(chunk=8) as engine:
        engine.generate(GenerationRequest(tuple(range(16, 416)), 5, temperature=0), lambda step: False, cancelled)
        assert 8 <= engine.counters.read <= 24
        assert engine.counters.written == 0
        again = engine.counters.recalled
        answered(engine, GenerationRequest(tuple(range(16, 40)), 1, temperature=0))
        assert engine.counters.recalled > again  # what was read is not lost


def test_a_long_prompt_does_not_hold_up_a_short_one() -> None:
    order: list[str] = []
    started = threading.Event()

    def cancelled() -> bool:
        started.set()
        return False

    with engine_of(chunk=8) as engine:
        long = GenerationRequest(tuple(16 + place % 500 for place in range(800)), 1, temperature=0)
        thread = threading.Thread(
            target=lambda: engine.generate(long, lambda step: bool(order.append("long")), cancelled)
        )
        thread.start()
        started.wait()
        engine.generate(GenerationRequest(PROMPT, 3, temperature=0), lambda step: bool(order.append("short")))
        thread.join()
    assert order == ["short"] * 3 + ["long"]


def test_an_error_of_the_caller_is_the_callers_alone() -> None:
    def broken(step: GenerationStep) -> bool:
        raise KeyError("mine")

    requests = asked(1, 4)
    with engine_of() as engine:
        others: list[Any] = []
        thread = threading.Thread(target=lambda: others.extend(together(engine, requests)))
        thread.start()
        with pytest.raises(KeyError, match="mine"):
            engine.generate(replace(requests[0], choices=1), broken)
        with pytest.raises(KeyError, match="mine"):
            engine.generate(requests[1], lambda step: False, lambda: {}["mine"])
        thread.join()
        assert others == [slow(DECODER, request) for request in requests]


def test_a_pass_that_fails_ends_those_under_way_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    with engine_of() as engine:
        network = engine._batching._network
        forward, calls = network.forward, []

        def failing(parts: Any) -> Any:
            calls.append(parts)
            if len(calls) == 3:
                raise MemoryError
            return forward(parts)

        monkeypatch.setattr(network, "forward", failing)
        steps: list[GenerationStep] = []
        with pytest.raises(EngineError, match="MemoryError"):
            engine.generate(GenerationRequest(PROMPT, 9, temperature=0), lambda step: bool(steps.append(step)))
        assert len(steps) == 2
        request = GenerationRequest(PROMPT, 9, temperature=0, stop_ids=STOPS)
        assert answered(engine, request) == slow(DECODER, request)


def test_a_closed_engine_says_so() -> None:
    with engine_of() as engine:
        pass
    with pytest.raises(EngineError, match="closed"):
        answered(engine, GenerationRequest(PROMPT, 1))


def test_closing_ends_calls_under_way() -> None:
    with engine_of() as engine:
        under_way, errors = threading.Event(), []

        def ask() -> None:
            try:
                engine.generate(GenerationRequest(PROMPT, 10**6, temperature=0), lambda step: bool(under_way.set()))
            except EngineError as error:
                errors.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        under_way.wait()
        engine.close()
        thread.join()
    assert len(errors) == 1
