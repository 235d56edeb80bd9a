from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ownlm.model.architecture import Architecture, Experts, StateSpace
from ownlm.model.decoder import Decoder
from ownlm.model.generate import greedy
from ownlm.serve.engines.base import GenerationRequest, GenerationStep
from ownlm.serve.engines.sampling import SeededSampler
from ownlm.serve.engines.torch import batches
from ownlm.serve.engines.torch.batches import TorchBatchEngine
from tests.evaluate.models import TINY
from tests.model.strategies import lively

STOPS = frozenset(range(128))
FAMILIES = {
    "llama": TINY,
    "mixtral": replace(TINY, family="mixtral", experts=Experts(4, 2, TINY.d_ff)),
    "bamba": replace(TINY, family="bamba", state_space=StateSpace(4, 16, 8, 1, 4, (1,))),
}


def decoder_of(architecture: Architecture = TINY, seed: int = 0) -> Decoder:
    return lively(architecture, seed).double().eval()


def generated(engine: TorchBatchEngine, requests: Sequence[GenerationRequest]) -> list[tuple[list[int], str]]:
    """Tokens and how they ended, of each request."""
    tokens: dict[int, list[int]] = defaultdict(list)
    ends: dict[int, str] = {}

    def on_step(step: GenerationStep) -> bool:
        assert step.choice not in ends, "a step after the last"
        if step.finish != "stop":
            tokens[step.choice].append(step.token)
        if step.finish is not None:
            ends[step.choice] = step.finish
        return False

    engine.generate_batch(requests, on_step)
    return [(tokens[index], ends[index]) for index in range(len(requests))]


@torch.inference_mode()
def alone(decoder: Decoder, request: GenerationRequest) -> tuple[list[int], str]:
    """The slow reference: the whole sequence again for every token, one request, numpy's sampler."""
    sampler = SeededSampler(request.seed or 0, 0, temperature=request.temperature, top_k=0, top_p=request.top_p)
    made: list[int] = []
    while len(made) < request.max_tokens:
        logits_V = decoder(torch.tensor([[*request.prompt, *made]]))[0, -1].numpy()
        token = int(logits_V.argmax()) if request.temperature == 0 else sampler.choose(logits_V)
        if token in request.stop_ids:
            return made, "stop"
        made.append(token)
    return made, "length"


def asked(seed: int, count: int, temperatures: Sequence[float] = (0.0, 0.3, 1.0)) -> list[GenerationRequest]:
    draw = random.Random(seed)
    prompts = [tuple(draw.randrange(540) for _ in range(draw.randrange(1, 24))) for _ in range(max(1, count // 2))]
    return [
        GenerationRequest(
            prompt=draw.choice(prompts),
            max_tokens=draw.randrange(1, 12),
            temperature=draw.choice(temperatures),
            top_p=draw.choice((0.9, 1.0)),
            seed=draw.randrange(2**32),
            stop_ids=STOPS,
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_row_says_what_it_says_alone(family: str) -> None:
    decoder = decoder_of(FAMILIES[family], 3)
    requests = asked(1, 9)
    assert generated(TorchBatchEngine(decoder, 4), requests) == [alone(decoder, request) for request in requests]


def test_greedy_rows_are_those_of_the_models_own_generation() -> None:
    decoder = decoder_of()
    requests = asked(2, 12, (0.0,))
    expected = [
        greedy(decoder, [request.prompt], request.max_tokens, stop_ids=STOPS, batch=1)[0] for request in requests
    ]
    assert [tokens for tokens, _ in generated(TorchBatchEngine(decoder, 5), requests)] == expected


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 99), batch=st.integers(1, 9), order=st.randoms(use_true_random=False))
def test_neither_order_nor_company_nor_batch_changes_an_answer(seed: int, batch: int, order: random.Random) -> None:
    decoder, requests = decoder_of(), asked(seed, 8)
    expected = generated(TorchBatchEngine(decoder, 64), requests)
    places = list(range(len(requests)))
    order.shuffle(places)
    half = len(places) // 2
    engine = TorchBatchEngine(decoder, batch)
    mixed = generated(engine, [requests[p] for p in places[:half]]) + generated(
        engine, [requests[p] for p in places[half:]]
    )
    assert dict(zip(places, mixed, strict=True)) == dict(enumerate(expected))


def test_a_small_cache_means_smaller_batches_and_the_same_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder, requests = decoder_of(), asked(4, 8)
    expected = generated(TorchBatchEngine(decoder), requests)
    monkeypatch.setattr(batches, "CACHE_BYTES", 1)
    assert generated(TorchBatchEngine(decoder), requests) == expected


def test_a_row_ends_where_it_is_told_to_and_the_work_with_the_last_row() -> None:
    decoder = decoder_of()
    requests = [GenerationRequest((200 + index,), 50, stop_ids=frozenset()) for index in range(6)]
    steps: dict[int, int] = defaultdict(int)
    passes = 0

    def counted(*_: object) -> None:
        nonlocal passes
        passes += 1

    decoder.register_forward_hook(counted)

    def on_step(step: GenerationStep) -> bool:
        steps[step.choice] += 1
        return steps[step.choice] == 2 + step.choice % 3

    TorchBatchEngine(decoder).generate_batch(requests, on_step)
    assert steps == {index: 2 + index % 3 for index in range(6)}
    assert passes == 4  # the longest row took four tokens


def test_an_error_of_the_listener_ends_all() -> None:
    def on_step(step: GenerationStep) -> bool:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        TorchBatchEngine(decoder_of()).generate_batch(asked(0, 3), on_step)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 99), count=st.integers(1, 7), batch=st.integers(1, 4), small=st.booleans())
def test_scores_are_those_of_a_plain_forward_pass(seed: int, count: int, batch: int, small: bool) -> None:
    draw, decoder = random.Random(seed), decoder_of()
    sequences = []
    for _ in range(count):
        tokens = [draw.randrange(540) for _ in range(draw.randrange(2, 30))]
        sequences.append((tokens, draw.randrange(1, len(tokens))))
    done: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        if small:
            patch.setattr(batches, "LOGITS_AT_ONCE", 1)
        scores = TorchBatchEngine(decoder, batch).score_batch(sequences, done.append)
    assert sorted(done) == list(range(count))
    for (tokens, first), score in zip(sequences, scores, strict=True):
        with torch.inference_mode():
            logs = decoder(torch.tensor([tokens]))[0].log_softmax(-1)
        plain = sum(float(logs[place - 1, tokens[place]]) for place in range(first, len(tokens)))
        assert score == pytest.approx(plain, abs=1e-6)
