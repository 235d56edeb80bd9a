from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from ownlm.model.attention.sdpa import document_mask
from ownlm.model.config import Architecture
from ownlm.model.decoder import IGNORED, Decoder
from ownlm.model.initialize import initial_weights
from ownlm.model.norm import RMSNorm
from tests.model.strategies import FAMILIES, architectures, lively, random_segments, tokens

SMALL = Architecture(vocab_size=150, d_model=32, layers=2, heads=4, kv_heads=2, d_ff=48, context=32)


@settings(max_examples=25, deadline=None)
@given(architectures(FAMILIES), st.integers(0, 1000))
def test_packed_documents_do_not_see_each_other(architecture: Architecture, seed: int) -> None:
    """Each document of a packed row gives the logits it gives in a batch of its own."""
    decoder = lively(architecture, seed)
    tokens_BL = tokens(architecture, 1, 24, seed)
    segments_BL = random_segments(1, 24, seed)
    with torch.no_grad():
        packed = decoder(tokens_BL, segments_BL)[0]
        for segment in segments_BL.unique():
            place = segments_BL[0] == segment
            alone = decoder(tokens_BL[:, place])[0]
            torch.testing.assert_close(packed[place], alone, atol=2e-3, rtol=1e-3)


@settings(max_examples=25, deadline=None)
@given(architectures(FAMILIES), st.integers(0, 1000), st.integers(1, 22))
def test_the_future_is_not_seen(architecture: Architecture, seed: int, cut: int) -> None:
    decoder = lively(architecture, seed)
    tokens_BL = tokens(architecture, 2, 24, seed)
    changed = tokens_BL.clone()
    changed[:, cut:] = (changed[:, cut:] + 1) % architecture.vocab_size
    with torch.no_grad():
        before, after = decoder(tokens_BL)[:, :cut], decoder(changed)[:, :cut]
        if architecture.experts is None:
            assert torch.equal(before, after)
        else:  # experts that get more or fewer tokens round otherwise
            torch.testing.assert_close(before, after, atol=1e-5 * float(before.abs().max()), rtol=1e-4)
        assert not torch.equal(decoder(tokens_BL)[:, cut:], decoder(changed)[:, cut:])


@given(st.integers(0, 1000))
def test_document_mask_is_its_definition(seed: int) -> None:
    segments_BL = random_segments(3, 17, seed)
    mask = document_mask(segments_BL)
    for row in range(3):
        for query in range(17):
            for key in range(17):
                allowed = key <= query and segments_BL[row, query] == segments_BL[row, key]
                assert mask[row, 0, query, key] == (0.0 if allowed else -math.inf)


def test_one_segment_is_plain_causal() -> None:
    decoder = lively(SMALL, 3)
    tokens_BL = tokens(SMALL, 2, 20, 3)
    with torch.no_grad():
        torch.testing.assert_close(decoder(tokens_BL, torch.zeros(2, 20, dtype=torch.int32)), decoder(tokens_BL))


@given(st.integers(0, 1000), st.floats(0, 1))
def test_loss_is_the_mean_of_labelled_positions(seed: int, ignored: float) -> None:
    decoder = lively(SMALL, seed)
    tokens_BL, labels_BL = tokens(SMALL, 2, 12, seed), tokens(SMALL, 2, 12, seed + 1)
    labels_BL[torch.rand(2, 12, generator=torch.Generator().manual_seed(seed)) < ignored] = IGNORED
    with torch.no_grad():
        logp = F.log_softmax(decoder(tokens_BL), dim=-1)
        terms = [-logp[b, i, int(t)] for b, row in enumerate(labels_BL) for i, t in enumerate(row) if t != IGNORED]
        expected = sum(terms) / max(1, len(terms))
        assert float(decoder.loss(tokens_BL, labels_BL)) == pytest.approx(float(expected), abs=1e-4)


def test_without_labels_the_loss_and_its_gradient_are_zero() -> None:
    decoder = Decoder(SMALL)
    tokens_BL = tokens(SMALL, 1, 8, 0)
    loss = decoder.loss(tokens_BL, torch.full_like(tokens_BL, IGNORED))
    loss.backward()
    assert loss.item() == 0.0
    assert all(weight.grad is None or not weight.grad.any() for weight in decoder.parameters())


def test_a_fresh_model_knows_nothing() -> None:
    """At the start every token is about as probable as any other."""
    tokens_BL = tokens(SMALL, 4, 32, 0)
    loss = Decoder(SMALL).loss(tokens_BL, tokens(SMALL, 4, 32, 1)).item()
    assert loss == pytest.approx(math.log(SMALL.vocab_size), abs=0.05)


def test_initial_weights_have_the_documented_spread() -> None:
    architecture = Architecture(vocab_size=2000, d_model=128, layers=8, heads=4, kv_heads=4, d_ff=256, context=16)
    weights = dict(Decoder(architecture, 1).named_parameters())
    assert weights["embed_tokens.weight"].std().item() == pytest.approx(0.02, rel=0.03)
    assert weights["layers.3.self_attn.q_proj.weight"].std().item() == pytest.approx(0.02, rel=0.03)
    assert weights["layers.3.self_attn.o_proj.weight"].std().item() == pytest.approx(0.02 / 4, rel=0.03)
    assert weights["layers.3.mlp.down_proj.weight"].std().item() == pytest.approx(0.02 / 4, rel=0.03)


def test_the_seed_decides_the_weights() -> None:
    def flat(seed: int) -> torch.Tensor:
        return torch.cat([weight.flatten() for weight in Decoder(SMALL, seed).parameters()])

    assert torch.equal(flat(5), flat(5))
    assert not torch.equal(flat(5), flat(6))


def test_tied_weights_are_one() -> None:
    tied = Decoder(SMALL)
    assert tied.lm_head.weight is tied.embed_tokens.weight
    untied = Decoder(Architecture(**{**SMALL.to_json(), "tied": False}))
    assert untied.lm_head.weight is not untied.embed_tokens.weight


def test_rms_norm_is_its_formula() -> None:
    norm = RMSNorm(6, 1e-5)
    with torch.no_grad():
        norm.weight.copy_(torch.arange(6.0))
    x = torch.randn(4, 6)
    for row, out in zip(x.tolist(), norm(x).tolist(), strict=True):
        scale = math.sqrt(sum(v * v for v in row) / 6 + 1e-5)
        assert out == pytest.approx([i * v / scale for i, v in enumerate(row)], abs=1e-5)


def test_bf16_autocast_stays_close() -> None:
    decoder = lively(SMALL, 0)
    tokens_BL, segments_BL = tokens(SMALL, 2, 32, 0), random_segments(2, 32, 0)
    with torch.no_grad():
        exact = float(decoder.loss(tokens_BL, tokens_BL, segments_BL))
        with torch.autocast("cpu", torch.bfloat16):
            rounded = float(decoder.loss(tokens_BL, tokens_BL, segments_BL))
    assert rounded == pytest.approx(exact, rel=0.02)
    assert rounded != exact


@pytest.mark.parametrize("tied", [True, False])
def test_logits_are_the_head_of_the_hidden_states(tied: bool) -> None:
    decoder = lively(Architecture(**{**SMALL.to_json(), "tied": tied}), 4)
    tokens_BL, segments_BL = tokens(SMALL, 2, 20, 0), random_segments(2, 20, 0)
    with torch.no_grad():
        hidden_BLD = decoder.hidden(tokens_BL, segments_BL)
        assert torch.equal(hidden_BLD @ decoder.head_weight.T, decoder(tokens_BL, segments_BL))
        assert torch.equal(decoder(tokens_BL, segments_BL, last_only=True), decoder(tokens_BL, segments_BL)[:, -1:])


def test_a_dense_model_adds_nothing_to_the_loss() -> None:
    decoder = Decoder(SMALL)
    decoder(tokens(SMALL, 1, 8, 0))
    assert decoder.auxiliary() is None


def test_on_the_meta_device_no_weights_are_drawn_and_can_be_had_later() -> None:
    with torch.device("meta"):
        shape = Decoder(SMALL, 7)
    assert all(weight.is_meta for weight in shape.parameters())
    drawn = dict(initial_weights(SMALL, shape.named_parameters(), 7))
    real = dict(Decoder(SMALL, 7).named_parameters())
    assert drawn.keys() == real.keys()
    assert all(torch.equal(drawn[name], real[name]) for name in real)
