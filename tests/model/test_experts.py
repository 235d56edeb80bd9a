from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers.models.mixtral.modeling_mixtral import load_balancing_loss_func

from ownlm.model.architecture import Architecture, Experts, Family
from ownlm.model.decoder import Decoder
from ownlm.model.experts import MixtureOfExperts, grouped
from tests.model.strategies import architectures, lively, tokens

MIXED: tuple[Family, ...] = ("mixtral", "qwen3_moe", "dots1")
PLAIN = Architecture(
    vocab_size=140,
    d_model=16,
    layers=2,
    heads=2,
    kv_heads=1,
    d_ff=24,
    context=32,
    family="qwen3_moe",
    experts=Experts(count=6, per_token=2, d_ff=8),
)
BIASED = replace(PLAIN, family="dots1", experts=Experts(6, 2, 8, shared=1, balance="bias", bias_rate=0.01))


def token_by_token(mixture: MixtureOfExperts, x_BLD: Tensor) -> Tensor:
    """The definition: every token through its own experts, one after another."""
    gate, experts = mixture.gate, mixture.experts
    out = torch.zeros_like(x_BLD)
    for row, line in enumerate(x_BLD):
        for place, x in enumerate(line):
            scores = gate.weight @ x
            scores = scores.sigmoid() if gate.sigmoid else scores.softmax(0)
            bias = (
                gate.e_score_correction_bias if gate.e_score_correction_bias is not None else torch.zeros(len(scores))
            )
            chosen = sorted(range(len(scores)), key=lambda e: -float(scores[e] + bias[e]))[: gate.experts.per_token]
            total = sum(scores[e] for e in chosen)
            for e in chosen:
                inner = F.silu(experts.gate_proj[e] @ x) * (experts.up_proj[e] @ x)
                out[row, place] += scores[e] / total * (experts.down_proj[e] @ inner)
            if mixture.shared_experts is not None:
                out[row, place] += mixture.shared_experts(x)
    return out


@settings(max_examples=25, deadline=None)
@given(architectures(MIXED), st.integers(0, 1000))
def test_equal_to_every_token_by_itself(architecture: Architecture, seed: int) -> None:
    decoder = lively(architecture, seed)
    mixture = decoder.layers[-1].mlp
    assert isinstance(mixture, MixtureOfExperts)
    generator = torch.Generator().manual_seed(seed)
    x_BLD = torch.randn(2, 7, architecture.d_model, generator=generator)
    with torch.no_grad():
        torch.testing.assert_close(mixture(x_BLD), token_by_token(mixture, x_BLD), atol=1e-4, rtol=1e-4)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=6),
    st.sampled_from([torch.float32, torch.bfloat16]),
    st.sampled_from([8, 5]),
)
def test_grouped_products_are_one_product_an_expert(counts: list[int], dtype: torch.dtype, width: int) -> None:
    generator = torch.Generator().manual_seed(sum(counts))
    x = torch.randn(sum(counts), 16, generator=generator).to(dtype).requires_grad_()
    weight = torch.randn(len(counts), width, 16, generator=generator).to(dtype).requires_grad_()
    out = grouped(x, weight, torch.tensor(counts))
    slow = torch.cat([part @ matrix.T for part, matrix in zip(x.split(counts), weight, strict=True)])
    tolerance = 1e-5 if dtype == torch.float32 else 0.05
    torch.testing.assert_close(out, slow, atol=tolerance, rtol=tolerance)
    direction = torch.randn(out.shape, generator=generator).to(dtype)
    for ours, theirs in zip(
        torch.autograd.grad(out, (x, weight), direction), torch.autograd.grad(slow, (x, weight), direction), strict=True
    ):
        torch.testing.assert_close(ours, theirs, atol=tolerance * 4, rtol=tolerance)


def test_float64_takes_one_product_an_expert() -> None:
    x, weight = torch.randn(5, 4, dtype=torch.float64), torch.randn(2, 3, 4, dtype=torch.float64)
    assert torch.equal(grouped(x, weight, torch.tensor([2, 3]))[2:], x[2:] @ weight[1].T)


@pytest.mark.parametrize("family", ["mixtral", "qwen3_moe"])
def test_the_balance_loss_is_transformers(family: Family) -> None:
    """Of one row and one block, where theirs, over the whole batch and all blocks, is the same thing."""
    architecture = replace(
        PLAIN, family=family, d_ff=8, layers=1, experts=Experts(6, 2, 8, balance_weight=1.0, z_weight=0.0)
    )
    decoder = lively(architecture, 0)
    x_1LD = torch.randn(1, 20, 16, generator=torch.Generator().manual_seed(1))
    gate = decoder.layers[0].mlp.gate
    gate(x_1LD)
    theirs = load_balancing_loss_func((F.linear(x_1LD[0], gate.weight),), 6, 2)
    assert isinstance(theirs, Tensor)
    torch.testing.assert_close(gate.auxiliary / 20, theirs)


def test_the_z_loss_is_its_formula() -> None:
    decoder = lively(replace(PLAIN, experts=Experts(6, 2, 8, balance_weight=0.0, z_weight=0.5)), 0)
    x_BLD = torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(1))
    gate = decoder.layers[0].mlp.gate
    gate(x_BLD)
    expected = 0.5 * sum(F.linear(x, gate.weight).exp().sum().log() ** 2 for x in x_BLD.flatten(0, 1))
    torch.testing.assert_close(gate.auxiliary, expected)


def test_rows_may_be_divided_over_batches() -> None:
    decoder, tokens_BL = lively(PLAIN, 0), tokens(PLAIN, 4, 16, 0)
    whole, parts = [], []
    for batches, found in (([tokens_BL], whole), (tokens_BL.split(1), parts)):
        decoder.zero_grad()
        for batch in batches:
            loss = decoder.loss_sum(batch, batch)
            auxiliary = decoder.auxiliary()
            assert auxiliary is not None
            (loss + auxiliary).backward()
            found.append(auxiliary.detach())
        found.extend(weight.grad.clone() for weight in decoder.parameters() if weight.grad is not None)
    torch.testing.assert_close(whole[0], sum(parts[:4]))
    for one, other in zip(whole[1:], parts[4:], strict=True):
        torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-3)


def test_without_gradients_there_is_nothing_to_add() -> None:
    decoder = lively(PLAIN, 0)
    with torch.no_grad():
        decoder(tokens(PLAIN, 1, 8, 0))
    assert decoder.auxiliary() is None


def test_the_load_counts_every_choice() -> None:
    decoder = lively(PLAIN, 0)
    decoder(tokens(PLAIN, 3, 8, 0))
    load = decoder.expert_load()
    assert load is not None
    assert load.shape == (2, 6)
    assert load.sum(1).tolist() == [3 * 8 * 2] * 2


def test_the_bias_evens_the_load() -> None:
    decoder, tokens_BL = lively(BIASED, 0), tokens(BIASED, 8, 32, 0)
    for router in decoder.routers():
        assert router.e_score_correction_bias is not None
        router.e_score_correction_bias.zero_()

    def unevenness() -> float:
        with torch.no_grad():
            decoder(tokens_BL)
        load = decoder.expert_load()
        assert load is not None
        return float((load.max(1).values / load.float().mean(1)).max())

    before = unevenness()
    weights = {name: weight.clone() for name, weight in decoder.named_parameters()}
    for _ in range(100):
        unevenness()
        load = decoder.expert_load()
        assert load is not None
        decoder.balance(load)
    assert before > 1.4
    assert unevenness() < 1.15
    assert all(torch.equal(weight, weights[name]) for name, weight in decoder.named_parameters())


def test_a_loss_balanced_model_has_no_bias_to_move() -> None:
    decoder = Decoder(PLAIN)
    decoder.balance(torch.ones(2, 6))
    assert not [name for name, _ in decoder.named_buffers()]


def test_checkpointed_activations_give_the_same_gradients() -> None:
    """The forward pass runs twice then; losses of routers must count once."""
    from torch.utils.checkpoint import checkpoint

    decoder, tokens_BL = lively(PLAIN, 0), tokens(PLAIN, 2, 16, 0)
    found = []
    for again in (False, True):
        decoder.zero_grad()
        x_BLD = decoder.embed_tokens(tokens_BL)
        view = decoder.view(torch.arange(16)[None], None)
        for block in decoder.layers:
            x_BLD = checkpoint(block, x_BLD, view, use_reentrant=False) if again else block(x_BLD, view)
        auxiliary = decoder.auxiliary()
        assert auxiliary is not None
        (decoder.last(x_BLD).sum() + auxiliary).backward()
        found.append([weight.grad.clone() for weight in decoder.parameters() if weight.grad is not None])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_bf16_autocast_stays_close() -> None:
    decoder, tokens_BL = lively(BIASED, 0), tokens(BIASED, 2, 32, 0)
    with torch.no_grad():
        exact = float(decoder.loss(tokens_BL, tokens_BL))
        with torch.autocast("cpu", torch.bfloat16):
            rounded = float(decoder.loss(tokens_BL, tokens_BL))
    assert rounded == pytest.approx(exact, rel=0.05)
