"""The coordinate check of muP (Tensor Programs V, arXiv 2203.03466, D.1), and that it exports as a plain model."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from ownlm.model.architecture import Architecture, Experts, Family, StateSpace
from ownlm.model.decoder import Decoder
from ownlm.model.huggingface import load_huggingface, save_huggingface
from ownlm.tokens.vocabulary.load import Vocabulary
from ownlm.train.config import OptimizerConfig
from ownlm.train.optimizers import Optimizer
from tests.model.strategies import FAMILIES, lively, tokens

BASE = 64
WIDTHS = (64, 256)


def at_width(width: int, *, mup: bool, family: Family = "llama", wide_heads: bool = False) -> Architecture:
    head = width // 2 if wide_heads else 32
    return Architecture(
        vocab_size=140,
        d_model=width,
        layers=2,
        heads=width // head,
        kv_heads=width // head,
        d_ff=2 * width,
        context=32,
        family=family,
        experts=Experts(4, 2, width, shared=int(family == "dots1")) if family in ("qwen3_moe", "dots1") else None,
        state_space=StateSpace(2 * width // 32, 32, 16, 1, 4, (1,)) if family == "bamba" else None,
        mup_base=BASE if mup else None,
        mup_base_head=BASE // 2 if mup and wide_heads else None,
    )


def activations(decoder: Decoder, tokens_BL: Tensor) -> dict[str, Tensor]:
    """What every block adds to the stream, and the logits."""
    found: dict[str, Tensor] = {}
    hooks = []
    for index, block in enumerate(decoder.layers):
        for name, part in block.named_children():
            if name in ("self_attn", "mamba", "mlp"):

                def keep(module: torch.nn.Module, inputs: object, out: Tensor, key: str = f"{index}.{name}") -> None:
                    found[key] = out.detach()

                hooks.append(part.register_forward_hook(keep))
    with torch.no_grad():
        found["logits"] = decoder(tokens_BL)
    for hook in hooks:
        hook.remove()
    return found


def trained(decoder: Decoder, tokens_BL: Tensor, rule: str) -> None:
    """Six steps with the real optimizer."""
    settings = {"adamw": {"lr": 0.01}} if rule == "adamw" else {"muon": {"lr": 0.02, "embeddings": {"lr": 0.01}}}
    optimizer = Optimizer(decoder, OptimizerConfig.model_validate(settings))
    for _ in range(6):
        decoder.loss(tokens_BL[:, :-1], tokens_BL[:, 1:]).backward()
        optimizer.step(1.0)


def growth(rule: str, **shape: object) -> dict[str, float]:
    """How the size of what training changed goes with width: the exponent, by place."""
    sizes = []
    for width in WIDTHS:
        architecture = at_width(width, **shape)  # type: ignore[arg-type]
        decoder, tokens_BL = Decoder(architecture, 0), tokens(architecture, 4, 33, 0)
        before = activations(decoder, tokens_BL)
        trained(decoder, tokens_BL, rule)
        after = activations(decoder, tokens_BL)
        sizes.append({key: float((after[key] - before[key]).abs().mean()) for key in after})
    narrow, wide = sizes
    return {key: math.log(wide[key] / narrow[key]) / math.log(WIDTHS[1] / WIDTHS[0]) for key in narrow}


SHAPES = [
    {},
    {"wide_heads": True},
    {"family": "qwen3"},
    {"family": "qwen3_moe"},
    {"family": "dots1"},
    {"family": "bamba"},
]


@pytest.mark.parametrize(
    ("rule", "shape"),
    [*(("adamw", shape) for shape in SHAPES), ("muon", {}), ("muon", {"family": "qwen3_moe"})],
    ids=str,
)
def test_what_training_changes_does_not_grow_with_width(rule: str, shape: dict[str, object]) -> None:
    assert all(exponent < 0.3 for exponent in growth(rule, mup=True, **shape).values())


@pytest.mark.parametrize("rule", ["adamw", "muon"])
def test_in_the_standard_parametrization_it_grows(rule: str) -> None:
    """The same check fails there, so it can."""
    found = growth(rule, mup=False)
    assert all(exponent > 0.6 for name, exponent in found.items() if name != "logits")
    assert found["logits"] > 0.15


@pytest.mark.parametrize("family", FAMILIES)
def test_at_the_base_width_nothing_differs(family: Family) -> None:
    if family == "mixtral":
        architecture = replace(at_width(BASE, mup=False), family=family, experts=Experts(4, 2, 2 * BASE))
    else:
        architecture = at_width(BASE, mup=False, family=family)
    ours, plain = Decoder(replace(architecture, mup_base=BASE), 3), Decoder(architecture, 3)
    tokens_BL = tokens(architecture, 2, 16, 0)
    assert all(torch.equal(one, other) for one, other in zip(ours.parameters(), plain.parameters(), strict=True))
    assert torch.equal(ours(tokens_BL), plain(tokens_BL))
    assert set(ours.lr_multipliers().values()) == {1.0}


def test_rates_and_spreads_are_the_table() -> None:
    architecture = at_width(4 * BASE, mup=True, family="qwen3_moe")
    decoder = Decoder(replace(architecture, tied=False), 0)
    adamw, muon = decoder.lr_multipliers(), decoder.lr_multipliers("muon")
    rows = {
        "embed_tokens.weight": (1.0, 1.0, 0.02),
        "lm_head.weight": (1.0, 1.0, 0.02),
        "layers.0.self_attn.q_proj.weight": (0.25, 0.5, 0.01),
        "layers.0.mlp.experts.up_proj": (0.25, 0.5, 0.01),
        "layers.0.mlp.gate.weight": (0.25, 0.25, 0.005),
    }
    weights = dict(decoder.named_parameters())
    assert adamw.keys() == muon.keys() == weights.keys()
    for name, (of_adamw, of_muon, deviation) in rows.items():
        assert (adamw[name], muon[name]) == (of_adamw, of_muon), name
        assert weights[name].std().item() == pytest.approx(deviation, rel=0.05), name
    assert adamw["layers.0.input_layernorm.weight"] == 1.0


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_export_is_a_plain_model_with_equal_logits(
    tmp_path: Path, vocabulary_dir: Path, shape: dict[str, object], tied: bool
) -> None:
    architecture = at_width(128, mup=True, **shape)  # type: ignore[arg-type]
    architecture = replace(architecture, tied=tied, vocab_size=Vocabulary.load(vocabulary_dir).size)
    decoder = lively(architecture, 0)
    save_huggingface(decoder, vocabulary_dir, tmp_path)
    tokens_BL = tokens(architecture, 2, 32, 0)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval()
    back = load_huggingface(tmp_path)
    assert back.architecture.mup_base is None
    with torch.no_grad():
        ours = decoder(tokens_BL)
        tolerance = 3e-5 * float(ours.abs().max())
        torch.testing.assert_close(theirs(tokens_BL).logits, ours, atol=tolerance, rtol=0)
        torch.testing.assert_close(back(tokens_BL), ours, atol=tolerance, rtol=0)
