"""Small networks, and the slow way to what engines say."""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import torch

from ownlm.model.architecture import Architecture, Experts
from ownlm.model.decoder import Decoder
from ownlm.serve.engines.base import GenerationRequest, GenerationStep
from ownlm.serve.engines.sampling import SeededSampler
from ownlm.serve.engines.torch.engine import TorchEngine
from tests.evaluate.models import TINY
from tests.model.strategies import lively

STOPS = frozenset(range(16))
FAMILIES = {
    "llama": TINY,
    "qwen3": replace(TINY, family="qwen3", head_dim=20, kv_heads=2, tied=False),
    "mixtral": replace(TINY, family="mixtral", experts=Experts(4, 2, TINY.d_ff)),
    "mup": replace(TINY, mup_base=16, mup_base_head=8),
}
Answer = list[tuple[list[int], str]]
"""Tokens and how they ended, of each choice."""


def decoder_of(architecture: Architecture = TINY, seed: int = 0) -> Decoder:
    return lively(architecture, seed).double()


@torch.inference_mode()
def slow(decoder: Decoder, request: GenerationRequest) -> Answer:
    """The whole text again for every token, one choice after the other."""
    answer: Answer = []
    for choice in range(request.choices):
        sampler = SeededSampler(
            request.seed or 0,
            choice,
            temperature=request.temperature,
            top_k=request.top_k,
            top_p=request.top_p,
        )
        made: list[int] = []
        while len(made) < request.max_tokens:
            logits_V = decoder(torch.tensor([[*request.prompt, *made]]))[0, -1].numpy()
            made.append(int(logits_V.argmax()) if request.temperature == 0 else sampler.choose(logits_V))
            if made[-1] in request.stop_ids:
                break
        answer.append((made, "stop" if made[-1] in request.stop_ids else "length"))
    return answer


def answered(engine: TorchEngine, request: GenerationRequest) -> Answer:
    tokens: dict[int, list[int]] = defaultdict(list)
    ends: dict[int, str] = {}

    def on_step(step: GenerationStep) -> bool:
        assert step.choice not in ends, "a step after the last"
        tokens[step.choice].append(step.token)
        if step.finish is not None:
            ends[step.choice] = step.finish
        return False

    engine.generate(request, on_step)
    return [(tokens[choice], ends[choice]) for choice in range(request.choices)]


def together(engine: TorchEngine, requests: Sequence[GenerationRequest], threads: int = 8) -> list[Answer]:
    """All at once; they start at the same moment, as far as that goes."""
    gate = threading.Barrier(min(threads, len(requests)))

    def ask(number: int) -> Answer:
        if number < gate.parties:
            gate.wait()
        return answered(engine, requests[number])

    with ThreadPoolExecutor(gate.parties) as pool:
        return list(pool.map(ask, range(len(requests))))


def asked(seed: int, count: int) -> list[GenerationRequest]:
    """Requests of all kinds, many of which begin alike, and some repeat themselves."""
    draw = random.Random(seed)
    beginnings = [tuple(draw.randrange(16, 540) for _ in range(draw.randrange(1, 36))) for _ in range(3)]
    return [
        GenerationRequest(
            prompt=draw.choice(beginnings) * draw.choice((1, 2))
            + tuple(draw.randrange(16, 540) for _ in range(draw.randrange(6))),
            max_tokens=draw.randrange(1, 14),
            temperature=draw.choice((0.0, 0.0, 0.3, 1.0)),
            top_p=draw.choice((0.9, 1.0)),
            top_k=draw.choice((0, 20)),
            seed=draw.randrange(2**32),
            choices=draw.choice((1, 1, 3)),
            stop_ids=STOPS,
        )
        for _ in range(count)
    ]
