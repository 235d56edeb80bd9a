from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from typing import get_args

import pytest
import torch
from hypothesis import given
from pydantic import ValidationError

from ownlm.errors import ArtifactError, RecipeError
from ownlm.model.architecture import Family
from ownlm.model.config import SIZES, Architecture, ModelConfig
from ownlm.model.counting import SCAN_CHUNK
from ownlm.model.decoder import Decoder
from tests.model.strategies import FAMILIES, architectures

UNITS = {"m": 1e6, "b": 1e9}


@pytest.mark.parametrize("name", list(SIZES))
def test_a_size_is_named_by_its_parameters(name: str) -> None:
    architecture = ModelConfig.model_validate({"size": name}).architecture(SIZES[name].named_at, 256)
    assert architecture.parameters == pytest.approx(float(name[:-1]) * UNITS[name[-1]], rel=0.1)


def on_meta(architecture: Architecture) -> dict[str, torch.Tensor]:
    with torch.device("meta"):
        return dict(Decoder(architecture).named_parameters())


def share_used(architecture: Architecture, name: str) -> Fraction:
    """The part of a weight one token goes through."""
    experts = architecture.experts
    return Fraction(experts.per_token, experts.count) if experts and ".mlp.experts." in name else Fraction(1)


@given(architectures(FAMILIES))
def test_counted_parameters_are_those_of_the_decoder(architecture: Architecture) -> None:
    weights = on_meta(architecture)
    assert architecture.parameters == sum(weight.numel() for weight in weights.values())
    active = sum(weight.numel() * share_used(architecture, name) for name, weight in weights.items())
    assert architecture.active_parameters == active


@pytest.mark.parametrize("family", get_args(Family))
@pytest.mark.parametrize("name", list(SIZES))
def test_every_size_of_every_family_can_be_built(name: str, family: str) -> None:
    model = ModelConfig.model_validate({"size": name, "family": family, "tied": False})
    architecture = model.architecture(SIZES[name].named_at, 256)
    shallow = replace(architecture, layers=min(architecture.layers, 5), state_space=None, family="llama", experts=None)
    assert architecture.active_parameters >= shallow.parameters
    if architecture.layers < 30:
        assert architecture.parameters == sum(weight.numel() for weight in on_meta(architecture).values())


@given(architectures(FAMILIES))
def test_flops_count_every_matrix_product_three_times_both_ways(architecture: Architecture) -> None:
    products = Fraction(architecture.vocab_size * architecture.d_model)
    for name, weight in on_meta(architecture).items():
        if name.startswith("layers.") and weight.dim() >= 2 and "conv1d" not in name:
            products += weight.numel() * share_used(architecture, name)
    attending = sum(architecture.has_attention(layer) for layer in range(architecture.layers))
    attention = 12 * attending * architecture.heads * architecture.head_width * architecture.context
    assert architecture.training_flops_per_token - attention == 6 * products + scans(architecture)


def scans(architecture: Architecture) -> int:
    """Six times the products of the state-space scan, per token, as `ownlm.model.scan` makes them."""
    state_space = architecture.state_space
    if state_space is None:
        return 0
    layers = sum(not architecture.has_attention(layer) for layer in range(architecture.layers))
    inner, maps = state_space.heads * state_space.head_width, state_space.groups * state_space.d_state
    return 6 * layers * (SCAN_CHUNK * (maps + inner) + 2 * inner * state_space.d_state)


def test_flops_match_torchs_counter() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    architecture = Architecture(vocab_size=200, d_model=32, layers=2, heads=2, kv_heads=1, d_ff=48, context=16)
    decoder = Decoder(architecture)
    tokens_BL = torch.zeros(2, 16, dtype=torch.long)
    with FlopCounterMode(display=False) as counter:
        decoder.loss_sum(tokens_BL, tokens_BL, torch.zeros_like(tokens_BL)).backward()
    # torch 2.13 counts the CPU's attention kernel too; were it left out, the rest must still be there
    counted = counter.get_total_flops() / tokens_BL.numel()
    attention = 12 * architecture.layers * architecture.d_model * architecture.context
    ours = architecture.training_flops_per_token
    assert ours - attention <= counted <= ours * 1.1


@given(architectures(FAMILIES))
def test_json_round_trip(architecture: Architecture) -> None:
    assert Architecture.from_json(architecture.to_json()) == architecture


@pytest.mark.parametrize("change", [{"layers": None}, {"colour": 1}])
def test_json_of_another_version_is_refused(change: dict[str, object]) -> None:
    values = ModelConfig().architecture(300, 16).to_json() | change
    if change.get("layers", 0) is None:
        del values["layers"]
    with pytest.raises(ArtifactError, match=next(iter(change))):
        Architecture.from_json(values)


def test_overrides_change_only_what_they_name() -> None:
    plain = ModelConfig().architecture(4096, 256)
    deeper = ModelConfig(layers=7).architecture(4096, 256)
    assert deeper.layers == 7
    assert deeper.to_json() | {"layers": plain.layers} == plain.to_json()


def test_overridden_heads_bring_their_own_key_value_heads() -> None:
    assert ModelConfig(size="135m", heads=6, d_model=576).architecture(4096, 256).kv_heads == 6
    assert ModelConfig(size="135m").architecture(4096, 256).kv_heads == 3


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"d_model": 100, "heads": 3}, "does not split into 3 heads"),
        ({"d_model": 9, "heads": 3}, "even width"),
        ({"heads": 6, "kv_heads": 4}, "cannot share 4"),
    ],
)
def test_impossible_shapes_are_refused(settings: dict[str, int], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        ModelConfig(**settings).architecture(4096, 256)


def test_unknown_size_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"2\.6m"):
        ModelConfig.model_validate({"size": "3m"})


def test_settings_are_light_to_import() -> None:
    heavy = "{'torch', 'transformers', 'pyarrow'}"
    code = f"import sys, ownlm.model.config, ownlm.train.config; print([m for m in sys.modules if m in {heavy}])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_plain_llama_is_described_as_ever() -> None:
    """What came later is in model.json only where it is used, so that the same recipe gives the same bytes."""
    names = {
        "vocab_size",
        "d_model",
        "layers",
        "heads",
        "kv_heads",
        "d_ff",
        "context",
        "rope_theta",
        "norm_eps",
        "tied",
    }
    assert ModelConfig().architecture(300, 16).to_json().keys() == names


def test_a_description_survives_the_file() -> None:
    for settings in ({"family": "bamba"}, {"family": "dots1"}, {"rope_scaling": {"kind": "linear", "factor": 2.0}}):
        architecture = ModelConfig.model_validate(settings).architecture(300, 16)
        assert Architecture.from_json(json.loads(json.dumps(architecture.to_json()))) == architecture


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"experts": {}}, "llama has no experts"),
        ({"state_space": {}}, "llama has no state_space"),
        ({"family": "qwen3_moe", "experts": {"per_token": 9}}, "9 of 8 experts"),
        ({"family": "qwen3_moe", "experts": {"balance": "bias"}}, "dots1 has both"),
        ({"family": "mixtral", "experts": {"shared": 1}}, "dots1 has both"),
        ({"family": "mixtral", "experts": {"dense_layers": 1}}, "all layers of mixtral"),
        ({"family": "dots1", "experts": {"shared": 0}}, "at least one shared"),
        ({"family": "bamba", "state_space": {"head_width": 7}}, "do not divide"),
        ({"family": "bamba", "state_space": {"groups": 5}}, "into 5 groups"),
        ({"head_dim": 7}, "no even number to rotate"),
        ({"rope_scaling": {"kind": "yarn", "factor": 2.0}}, "needs original_context"),
    ],
)
def test_what_a_family_does_not_have_is_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        ModelConfig.model_validate(settings).architecture(4096, 256)
