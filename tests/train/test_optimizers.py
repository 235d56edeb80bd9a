from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ownlm.errors import ArtifactError
from ownlm.model.config import Architecture
from ownlm.model.decoder import Decoder
from ownlm.train.config import AdamWConfig, MuonConfig, OptimizerConfig
from ownlm.train.optimizers import Optimizer, for_muon

SMALL = Architecture(vocab_size=40, d_model=16, layers=2, heads=2, kv_heads=1, d_ff=24, context=16)
ADAMW = OptimizerConfig(adamw=AdamWConfig(lr=0.01))
MUON = OptimizerConfig(muon=MuonConfig(lr=0.02))
BOTH = pytest.mark.parametrize("config", [ADAMW, MUON], ids=["adamw", "muon"])


def with_gradients(decoder: Decoder, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for weight in decoder.parameters():
        weight.grad = torch.randn(weight.shape, generator=generator)


def flat(decoder: Decoder) -> torch.Tensor:
    return torch.cat([weight.detach().flatten() for weight in decoder.parameters()])


@settings(max_examples=10, deadline=None)
@given(st.sampled_from([ADAMW, MUON]), st.integers(0, 5), st.integers(1, 4))
def test_a_loaded_state_goes_on_bit_for_bit(config: OptimizerConfig, before: int, after: int) -> None:
    decoder, twin = Decoder(SMALL), Decoder(SMALL)
    optimizer = Optimizer(decoder, config)
    for step in range(before):
        with_gradients(decoder, step)
        optimizer.step(0.7)
    twin.load_state_dict(decoder.state_dict())
    other = Optimizer(twin, config)
    other.load(optimizer.state())
    for step in range(before, before + after):
        for model, rule in ((decoder, optimizer), (twin, other)):
            with_gradients(model, step)
            rule.step(0.5)
    assert torch.equal(flat(decoder), flat(twin))


@BOTH
def test_every_weight_is_trained(config: OptimizerConfig) -> None:
    decoder = Decoder(SMALL)
    before = {name: weight.detach().clone() for name, weight in decoder.named_parameters()}
    with_gradients(decoder, 0)
    Optimizer(decoder, config).step(1.0)
    for name, weight in decoder.named_parameters():
        assert not torch.equal(before[name], weight), name
        assert weight.grad is None


@BOTH
def test_only_matrices_decay(config: OptimizerConfig) -> None:
    """With a zero gradient only decay moves a weight; the step itself is zero."""
    decoder = Decoder(SMALL)
    before = {name: weight.detach().clone() for name, weight in decoder.named_parameters()}
    for weight in decoder.parameters():
        weight.grad = torch.zeros_like(weight)
    Optimizer(decoder, config).step(1.0)
    for name, weight in decoder.named_parameters():
        decays = weight.dim() == 2 and (config is ADAMW or "layers." in name)
        assert torch.equal(before[name], weight) != decays, name


@pytest.mark.parametrize(
    ("rule", "still"),
    [("matrices", {"norm"}), ("hidden", {"norm", "embed_tokens", "lm_head"}), ("all", set())],
)
def test_what_decays_is_a_rule(rule: str, still: set[str]) -> None:
    decoder = Decoder(SMALL)
    before = {name: weight.detach().clone() for name, weight in decoder.named_parameters()}
    for weight in decoder.parameters():
        weight.grad = torch.zeros_like(weight)
    Optimizer(decoder, OptimizerConfig.model_validate({"adamw": {"decay": rule}})).step(1.0)
    stayed = {name for name, weight in decoder.named_parameters() if torch.equal(before[name], weight)}
    assert stayed == {name for name in before if any(part in name for part in still)}


@BOTH
def test_a_weight_goes_at_its_own_rate(config: OptimizerConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """muP's multipliers: where the decoder asks for a third, the step is a third."""
    slow = {"layers.0.mlp.up_proj.weight", "embed_tokens.weight"}
    moved = []
    for multiplier in (1.0, 1 / 3):
        decoder = Decoder(SMALL)
        rates = {name: multiplier if name in slow else 1.0 for name, _ in decoder.named_parameters()}
        monkeypatch.setattr(Decoder, "lr_multipliers", lambda self, rule, rates=rates: rates)
        before = {name: weight.detach().clone() for name, weight in decoder.named_parameters()}
        with_gradients(decoder, 0)
        optimizer = Optimizer(decoder, config)
        optimizer.step(1.0)
        assert optimizer.peak == (config.adamw or config.muon).lr  # type: ignore[union-attr]
        moved.append({name: weight.detach() - before[name] for name, weight in decoder.named_parameters()})
    for name, change in moved[1].items():
        torch.testing.assert_close(change, moved[0][name] / (3 if name in slow else 1), atol=1e-6, rtol=1e-3)


def test_routers_convolutions_and_the_head_are_not_for_muon() -> None:
    matrix, stack = torch.zeros(3, 4), torch.zeros(2, 3, 4)
    assert for_muon("layers.0.self_attn.q_proj.weight", matrix)  # type: ignore[arg-type]
    assert for_muon("layers.0.mlp.experts.gate_up_proj", stack)  # type: ignore[arg-type]
    for name, weight in (
        ("layers.0.mlp.gate.weight", matrix),
        ("layers.0.mixer.conv1d.weight", stack),
        ("lm_head.weight", matrix),
        ("layers.0.input_layernorm.weight", torch.zeros(4)),
    ):
        assert not for_muon(name, weight)  # type: ignore[arg-type]


def test_muon_takes_the_blocks_matrices_only() -> None:
    decoder = Decoder(SMALL)
    with_gradients(decoder, 0)
    optimizer = Optimizer(decoder, MUON)
    optimizer.step(1.0)
    momenta = {name.rsplit("/", 1)[0] for name in optimizer.state() if name.endswith("/momentum")}
    blocks = {n for n, w in decoder.named_parameters() if n.startswith("layers.") and w.dim() == 2}
    assert momenta == blocks


def test_the_factor_scales_the_step() -> None:
    changes = []
    for factor in (1.0, 0.25):
        decoder = Decoder(SMALL)
        before = flat(decoder)
        with_gradients(decoder, 0)
        Optimizer(decoder, OptimizerConfig(adamw=AdamWConfig(lr=0.01, weight_decay=0.0))).step(factor)
        changes.append(flat(decoder) - before)
    torch.testing.assert_close(changes[1], 0.25 * changes[0], atol=1e-6, rtol=1e-3)


@pytest.mark.parametrize("name", ["nothing/exp_avg", "embed_tokens.weight/exp_avg"])
def test_state_of_another_model_is_refused(name: str) -> None:
    with pytest.raises(ArtifactError, match="does not belong"):
        Optimizer(Decoder(SMALL), ADAMW).load({name: torch.zeros(3, 3)})
