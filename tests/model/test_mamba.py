from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ownlm.model.architecture import Architecture, StateSpace
from ownlm.model.cache import DecodingCache
from ownlm.model.counting import SCAN_CHUNK
from ownlm.model.decoder import Decoder
from ownlm.model.mamba import runs_of
from ownlm.model.scan import ScanInputs, scan, scan_step
from tests.model.strategies import architectures, lively, random_segments, tokens

SMALL = Architecture(
    vocab_size=140,
    d_model=16,
    layers=3,
    heads=2,
    kv_heads=1,
    d_ff=24,
    context=64,
    family="bamba",
    state_space=StateSpace(heads=4, head_width=8, d_state=6, groups=2, d_conv=4, attention_layers=(1,)),
)


def drawn(length: int, seed: int, *, state: bool) -> ScanInputs:
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    segments_BL = random_segments(2, length, seed) if seed % 3 else torch.zeros(2, length, dtype=torch.int64)
    return ScanInputs(
        x_BLEP=normal(2, length, 4, 3),
        dt_BLE=normal(2, length, 4).exp() * 0.1,
        a_E=-normal(4).exp(),
        b_BLGN=normal(2, length, 2, 5),
        c_BLGN=normal(2, length, 2, 5),
        runs_BL=runs_of(segments_BL, torch.tensor([[0], [-1]]) if state else None),
        state_BEPN=normal(2, 4, 3, 5) if state else None,
    )


def recurrence(inputs: ScanInputs) -> tuple[Tensor, Tensor]:
    """The definition: one position after another, a new document from a state of zero."""
    batch, length, heads, width = inputs.x_BLEP.shape
    state = torch.zeros(batch, heads, width, inputs.b_BLGN.shape[-1], dtype=inputs.x_BLEP.dtype)
    if inputs.state_BEPN is not None:
        state = inputs.state_BEPN.clone()
    out = torch.zeros_like(inputs.x_BLEP)
    before = torch.zeros(batch, dtype=torch.int64)
    for t in range(length):
        for row in range(batch):
            if inputs.runs_BL[row, t] != before[row]:
                state[row] = 0
            before[row] = inputs.runs_BL[row, t]
            for head in range(heads):
                group = head // (heads // inputs.b_BLGN.shape[2])
                dt = inputs.dt_BLE[row, t, head]
                entering = dt * inputs.x_BLEP[row, t, head][:, None] * inputs.b_BLGN[row, t, group][None]
                state[row, head] = (dt * inputs.a_E[head]).exp() * state[row, head] + entering
                out[row, t, head] = state[row, head] @ inputs.c_BLGN[row, t, group]
    return out, state


@settings(max_examples=12, deadline=None)
@given(
    st.sampled_from([1, 2, 7, SCAN_CHUNK - 1, SCAN_CHUNK, SCAN_CHUNK + 1, 2 * SCAN_CHUNK + 5]),
    st.integers(0, 1000),
    st.booleans(),
)
def test_the_scan_is_the_recurrence(length: int, seed: int, state: bool) -> None:
    inputs = drawn(length, seed, state=state)
    for ours, expected in zip(scan(inputs), recurrence(inputs), strict=True):
        torch.testing.assert_close(ours, expected, atol=1e-9, rtol=1e-9)


@given(st.integers(0, 1000), st.booleans())
def test_one_step_is_a_scan_of_one_position(seed: int, state: bool) -> None:
    inputs = drawn(1, seed, state=state)
    for step, whole in zip(scan_step(inputs), scan(inputs), strict=True):
        torch.testing.assert_close(step, whole)


@settings(max_examples=15, deadline=None)
@given(architectures(("bamba",)), st.integers(0, 1000), st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_a_text_in_pieces_is_the_text(architecture: Architecture, seed: int, pieces: list[int]) -> None:
    """With documents that end anywhere, also where the pieces do."""
    decoder, length = lively(architecture, seed), sum(pieces)
    tokens_BL, segments_BL = tokens(architecture, 2, length, seed), random_segments(2, length, seed)
    cache = DecodingCache(architecture, 2, length, torch.device("cpu"), torch.float32)
    with torch.no_grad():
        whole = decoder(tokens_BL, segments_BL)
        found = [
            decoder(piece, segments, cache=cache)
            for piece, segments in zip(tokens_BL.split(pieces, 1), segments_BL.split(pieces, 1), strict=True)
        ]
    torch.testing.assert_close(torch.cat(found, dim=1), whole, atol=2e-3, rtol=1e-3)


def test_gradients_do_not_cross_documents() -> None:
    decoder = lively(SMALL, 0)
    x_BLD = torch.randn(1, 100, 16, generator=torch.Generator().manual_seed(0)).requires_grad_()
    segments_BL = (torch.arange(100) >= 70).long()[None]
    view = decoder.view(torch.arange(100)[None], segments_BL)
    out = x_BLD
    for block in decoder.layers:
        out = block(out, view)
    out[:, 70:].sum().backward()
    assert x_BLD.grad is not None
    # not quite zero: sums of decays begin with the chunk, and what they have in common cancels but for rounding
    assert x_BLD.grad[:, :70].abs().max() < 1e-6 * x_BLD.grad[:, 70:].abs().max()


def test_every_weight_is_trained_and_finite() -> None:
    decoder = lively(SMALL, 0)
    tokens_BL = tokens(SMALL, 2, 64, 0)
    decoder.loss_sum(tokens_BL, tokens_BL, random_segments(2, 64, 1)).backward()
    for name, weight in decoder.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.isfinite().all(), name
        assert weight.grad.any(), name


def test_initial_steps_and_decays_are_the_papers() -> None:
    weights = dict(Decoder(SMALL).named_parameters())
    steps = torch.nn.functional.softplus(weights["layers.0.mamba.dt_bias"])
    assert ((steps > 0.0009) & (steps < 0.11)).all()
    decays = weights["layers.0.mamba.A_log"].exp()
    assert ((decays >= 1) & (decays <= 16)).all()
    assert (weights["layers.0.mamba.D"] == 1).all()


def test_bf16_autocast_stays_close() -> None:
    decoder = lively(SMALL, 0)
    tokens_BL, segments_BL = tokens(SMALL, 2, 64, 0), random_segments(2, 64, 0)
    with torch.no_grad():
        exact = float(decoder.loss(tokens_BL, tokens_BL, segments_BL))
        with torch.autocast("cpu", torch.bfloat16):
            rounded = float(decoder.loss(tokens_BL, tokens_BL, segments_BL))
    assert rounded == pytest.approx(exact, rel=0.05)
