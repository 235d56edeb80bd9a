"""Bamba's settings and names (`BambaForCausalLM`): Mamba-2 layers with some attention among them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ownlm.model.architecture import Architecture, StateSpace

FIXED: dict[str, tuple[Any, Any]] = {"mamba_conv_bias": (True, True), "mamba_proj_bias": (False, False)}
"""Settings that must have one value: name -> (what is meant when it is absent, that value)."""

_NAMES = (
    (".post_attention_layernorm.", ".pre_ff_layernorm."),
    (".mlp.", ".feed_forward."),
)
_CHUNK = 256


def settings(architecture: Architecture, state_space: StateSpace) -> dict[str, Any]:
    """What config.json says of the state-space layers. Its chunk is only how transformers computes, not what."""
    return {
        "attn_layer_indices": list(state_space.attention_layers),
        "mamba_chunk_size": _CHUNK,
        "mamba_conv_bias": True,
        "mamba_d_conv": state_space.d_conv,
        "mamba_d_head": state_space.head_width,
        "mamba_d_state": state_space.d_state,
        "mamba_expand": state_space.inner // architecture.d_model,
        "mamba_n_groups": state_space.groups,
        "mamba_n_heads": state_space.heads,
        "mamba_proj_bias": False,
        "partial_rotary_factor": 0.5,
    }


def read(config: Mapping[str, Any]) -> StateSpace:
    """The state space in config.json.

    Raises:
        KeyError: a number is missing.
    """
    heads, inner = config["mamba_n_heads"], config["mamba_expand"] * config["hidden_size"]
    width = config.get("mamba_d_head", "auto")
    return StateSpace(
        heads=heads,
        head_width=inner // heads if width == "auto" else width,
        d_state=config["mamba_d_state"],
        groups=config["mamba_n_groups"],
        d_conv=config["mamba_d_conv"],
        attention_layers=tuple(config.get("attn_layer_indices") or ()),
    )


def to_bamba(name: str) -> str:
    """Our name of a weight -> Bamba's, without `model.`."""
    for ours, theirs in _NAMES:
        name = name.replace(ours, theirs)
    return "final_layernorm.weight" if name == "norm.weight" else name


def from_bamba(name: str) -> str:
    """The inverse of `to_bamba`."""
    for ours, theirs in _NAMES:
        name = name.replace(theirs, ours)
    return "norm.weight" if name == "final_layernorm.weight" else name
