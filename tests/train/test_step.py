from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ownlm.model.architecture import Experts
from ownlm.model.config import Architecture
from ownlm.model.decoder import IGNORED, Decoder
from ownlm.tokens.shards.batches import Batch
from ownlm.train.activations import checkpoint_activations
from ownlm.train.config import ActivationCheckpointing, AdamWConfig, OptimizerConfig
from ownlm.train.execution import Execution
from ownlm.train.optimizers import Optimizer
from ownlm.train.step import Measured, Stepper, total

SMALL = Architecture(vocab_size=40, d_model=16, layers=1, heads=2, kv_heads=2, d_ff=24, context=8)
EAGER = Execution(device="cpu", bf16=False, compiled=False, threads=1, machine="test")
BYTES = np.arange(40, dtype=np.int64) % 5


def batch(seed: int, rows: int = 2, ignored: float = 0.2) -> Batch:
    draw = np.random.default_rng(seed)
    tokens_BL = draw.integers(0, 40, (rows, 8))
    labels_BL = np.where(draw.random((rows, 8)) < ignored, IGNORED, draw.integers(0, 40, (rows, 8)))
    segments_BL = np.cumsum(draw.random((rows, 8)) < 0.2, axis=1).astype(np.int32)
    return Batch(tokens_BL, labels_BL, segments_BL)


def stepper(clip: float = 1e9, execution: Execution = EAGER) -> tuple[Decoder, Stepper]:
    decoder = Decoder(SMALL)
    optimizer = Optimizer(decoder, OptimizerConfig(adamw=AdamWConfig(lr=0.01)))
    return decoder, Stepper(decoder, optimizer, execution, clip, BYTES)


EXPERTS = Experts(count=4, per_token=2, d_ff=16, shared=1, balance="bias", bias_rate=0.01)


def balanced(which: ActivationCheckpointing, backend: str = "") -> tuple[Decoder, list[torch.Tensor]]:
    """Three steps of two batches with experts balanced by bias; the loads their routers were balanced by."""
    model = Architecture(
        vocab_size=40, family="dots1", d_model=16, layers=2, heads=2, kv_heads=2, d_ff=24, context=8, experts=EXPERTS
    )
    decoder, loads = Decoder(model), list[torch.Tensor]()
    checkpoint_activations(decoder.layers, which)
    if backend:
        torch.compiler.reset()
        for block in decoder.layers:
            block.compile(dynamic=False, backend=backend)
    steps = Stepper(decoder, Optimizer(decoder, OptimizerConfig(adamw=AdamWConfig(lr=0.01))), EAGER, 1e9, BYTES)
    with pytest.MonkeyPatch.context() as patch:
        kept = decoder.balance
        patch.setattr(decoder, "balance", lambda load: (loads.append(load), kept(load)))
        for number in range(3):
            steps.step([batch(2 * number), batch(2 * number + 1)], 1.0)
    return decoder, loads


def flat(decoder: Decoder) -> torch.Tensor:
    return torch.cat([weight.detach().flatten() for weight in decoder.parameters()])


@settings(max_examples=20)
@given(st.integers(0, 1000), st.integers(1, 4))
def test_accumulated_batches_are_one_large_batch(seed: int, parts: int) -> None:
    """Even when they have different numbers of labels: means of means would not do."""
    pieces = [batch(seed + part, ignored=0.2 * part) for part in range(parts)]
    whole = Batch(*(np.concatenate([getattr(p, name) for p in pieces]) for name in Batch.__dataclass_fields__))
    (one, step_one), (many, step_many) = stepper(), stepper()
    seen_one, seen_many = step_one.step([whole], 1.0), step_many.step(pieces, 1.0)
    assert seen_many.nats == pytest.approx(seen_one.nats, rel=1e-5)
    assert seen_many.grad_norm == pytest.approx(seen_one.grad_norm, rel=1e-4)
    assert (seen_many.labels, seen_many.bytes) == (seen_one.labels, seen_one.bytes)
    # AdamW's first step is the gradient's sign: entries that are zero but for rounding are left out
    assert float(((flat(one) - flat(many)).abs() < 1e-4).float().mean()) > 0.99


def test_what_was_seen_is_counted() -> None:
    data = batch(3)
    decoder, steps = stepper()
    expected = decoder.loss(*(torch.from_numpy(a) for a in (data.tokens_BL, data.labels_BL, data.segments_BL))).item()
    seen = steps.step([data], 1.0)
    labels = data.labels_BL[data.labels_BL != IGNORED]
    assert seen.labels == len(labels)
    assert seen.bytes == int(sum(int(label) % 5 for label in labels))
    assert seen.loss == pytest.approx(expected, rel=1e-6)
    assert seen.bits_per_byte == pytest.approx(expected * len(labels) / math.log(2) / seen.bytes, rel=1e-6)


def test_long_gradients_are_clipped_and_reported_unclipped() -> None:
    (_, free), (_, clipped) = stepper(), stepper(clip=1e-3)
    norm = free.step([batch(0)], 1.0).grad_norm
    assert norm > 1e-3
    assert clipped.step([batch(0)], 1.0).grad_norm == pytest.approx(norm)


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_a_step_that_is_not_finite_changes_nothing(where: str) -> None:
    decoder, steps = stepper()
    if where == "loss":
        with torch.no_grad():
            decoder.norm.weight[0] = float("nan")
    else:
        decoder.norm.weight.register_hook(lambda gradient: gradient * float("inf"))
    before = flat(decoder)
    seen = steps.step([batch(0)], 1.0)
    assert not (math.isfinite(seen.nats) and math.isfinite(seen.grad_norm))
    assert torch.equal(flat(decoder).nan_to_num(7.0), before.nan_to_num(7.0))


def test_evaluating_changes_nothing() -> None:
    decoder, steps = stepper()
    before = flat(decoder)
    data = [batch(0), batch(1)]
    seen = steps.evaluate(data)
    assert torch.equal(flat(decoder), before)
    assert all(weight.grad is None for weight in decoder.parameters())
    assert seen.loss == pytest.approx(math.log(40), abs=0.2)


def test_bf16_keeps_the_weights_in_float32() -> None:
    decoder, steps = stepper(execution=Execution("cpu", bf16=True, compiled=False, threads=1, machine="test"))
    seen = steps.step([batch(0)], 1.0)
    assert math.isfinite(seen.loss)
    assert all(weight.dtype == torch.float32 for weight in decoder.parameters())


@pytest.mark.parametrize(
    ("which", "backend"),
    [("selective", ""), ("full", ""), ("none", "eager"), ("selective", "eager"), ("full", "eager")],
)
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # dynamo looks at every input
def test_experts_are_counted_once_when_computed_again(which: ActivationCheckpointing, backend: str) -> None:
    """Blocks that are computed again in the backward pass choose their experts a second time."""
    (plain, expected), (again, loads) = balanced("none"), balanced(which, backend)
    assert [load.sum().item() for load in expected] == [2 * 2 * (2 * 8) * 2] * 3  # blocks, batches, tokens, choices
    assert all(torch.equal(one, other) for one, other in zip(expected, loads, strict=True))
    assert torch.equal(flat(plain), flat(again))
    for one, other in zip(plain.buffers(), again.buffers(), strict=True):
        assert torch.equal(one, other)


@given(st.lists(st.tuples(st.floats(0, 1e6), st.integers(0, 1000), st.integers(0, 1000)), min_size=1, max_size=8))
def test_totals_are_sums(parts: list[tuple[float, int, int]]) -> None:
    seen = total([Measured(nats, labels, size, grad_norm=2.0) for nats, labels, size in parts])
    assert seen.nats == pytest.approx(sum(part[0] for part in parts))
    assert (seen.labels, seen.bytes) == (sum(part[1] for part in parts), sum(part[2] for part in parts))
    assert seen.grad_norm == 2.0


def test_nothing_seen_is_no_division_by_zero() -> None:
    assert total([]).loss == 0.0
    assert total([]).bits_per_byte == 0.0
