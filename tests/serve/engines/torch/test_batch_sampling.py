from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ownlm.serve.engines.base import GenerationRequest
from ownlm.serve.engines.sampling import SeededSampler
from ownlm.serve.engines.torch.batch_sampling import BatchSampler

V, STEPS = 40, 6

requests = st.builds(
    GenerationRequest,
    prompt=st.just((1,)),
    max_tokens=st.just(STEPS),
    temperature=st.sampled_from([0.0, 0.2, 0.8, 1.0, 2.0]),
    top_p=st.sampled_from([1e-9, 0.3, 0.95, 1.0]),
    top_k=st.sampled_from([0, 1, 5, V, V + 3]),
    seed=st.integers(-(2**63), 2**64 - 1),
)


@settings(max_examples=60, deadline=None)
@given(asked=st.lists(requests, min_size=1, max_size=5), numbers=st.integers(0, 2**32), even=st.booleans())
def test_rows_get_what_the_sampler_of_one_request_draws(
    asked: list[GenerationRequest], numbers: int, even: bool
) -> None:
    logits_TBV = np.random.default_rng(numbers).normal(0, 3, (STEPS, len(asked), V)).astype(np.float32)
    if even:
        logits_TBV = np.round(logits_TBV)  # many ties
    batch = BatchSampler(asked, torch.device("cpu"))
    single = [
        SeededSampler(request.seed or 0, 0, temperature=request.temperature, top_k=request.top_k, top_p=request.top_p)
        for request in asked
    ]
    for step in range(STEPS):
        chosen = batch.choose(torch.from_numpy(logits_TBV[step]).double(), step).tolist()
        for row, (request, sampler) in enumerate(zip(asked, single, strict=True)):
            logits_V = logits_TBV[step, row].astype(np.float64)
            expected = int(logits_V.argmax()) if request.temperature == 0 else sampler.choose(logits_V)
            assert chosen[row] == expected


def test_a_row_draws_the_same_when_others_have_left() -> None:
    asked = [GenerationRequest((1,), STEPS, temperature=1.0, seed=seed) for seed in range(4)]
    whole, left = BatchSampler(asked, torch.device("cpu")), BatchSampler(asked, torch.device("cpu"))
    logits_BV = torch.from_numpy(np.random.default_rng(0).normal(0, 1, (4, V)))
    rows = torch.tensor([1, 3])
    left.keep_rows(rows)
    for step in range(STEPS):
        assert whole.choose(logits_BV, step)[rows].tolist() == left.choose(logits_BV[rows], step).tolist()


def test_without_a_seed_samples_differ() -> None:
    asked = [GenerationRequest((1,), 64, temperature=1.0) for _ in range(2)]
    sampler = BatchSampler(asked, torch.device("cpu"))
    drawn = [sampler.choose(torch.zeros(2, V).double(), step).tolist() for step in range(64)]
    assert any(one != other for one, other in drawn)
