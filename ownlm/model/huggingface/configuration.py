"""`config.json` of every family: an `Architecture` written as Hugging Face's settings, and read back from them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ownlm.errors import ArtifactError, RecipeError
from ownlm.model.architecture import Architecture, Experts, Family, RopeScaling, StateSpace
from ownlm.model.huggingface import moe, state_space
from ownlm.tokens.vocabulary.special import SpecialTokens

CLASSES: dict[Family, str] = {
    "llama": "LlamaForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "mixtral": "MixtralForCausalLM",
    "qwen3_moe": "Qwen3MoeForCausalLM",
    "dots1": "Dots1ForCausalLM",
    "bamba": "BambaForCausalLM",
}
_ROPE_NAMES = ("factor", "low_freq_factor", "high_freq_factor", "beta_fast", "beta_slow", "attention_factor")
_ROPE_OF = {"linear": ("factor",), "llama3": _ROPE_NAMES[:3], "yarn": ("factor", *_ROPE_NAMES[3:])}


def write_config(architecture: Architecture, special: SpecialTokens) -> dict[str, Any]:
    """The content of config.json.

    `rope_theta` stands twice: transformers 5 reads `rope_parameters`, everything older reads the number (and
    `rope_scaling`).
    """
    rope: dict[str, Any] = {"rope_theta": architecture.rope_theta, "rope_type": "default"}
    config: dict[str, Any] = {
        "architectures": [CLASSES[architecture.family]],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": special.end_of_text,
        "dtype": "float32",
        "eos_token_id": special.end_of_text,
        "head_dim": architecture.head_width,
        "hidden_act": "silu",
        "hidden_size": architecture.d_model,
        "initializer_range": 0.02,
        "intermediate_size": architecture.d_ff,
        "max_position_embeddings": architecture.context,
        "mlp_bias": False,
        "model_type": architecture.family,
        "num_attention_heads": architecture.heads,
        "num_hidden_layers": architecture.layers,
        "num_key_value_heads": architecture.kv_heads,
        "pad_token_id": special.fim_pad,
        "rms_norm_eps": architecture.norm_eps,
        "rope_parameters": rope,
        "rope_theta": architecture.rope_theta,
        "tie_word_embeddings": architecture.tied,
        "use_cache": True,
        "vocab_size": architecture.vocab_size,
    }
    if architecture.rope_scaling is not None:
        rope |= _rope_settings(architecture.rope_scaling)
        config["rope_scaling"] = dict(rope)
    if architecture.qk_norm:
        config |= {"sliding_window": None, "use_sliding_window": False, "max_window_layers": architecture.layers}
    if architecture.experts is not None:
        config |= moe.settings(architecture, architecture.experts)
    if architecture.state_space is not None:
        config |= state_space.settings(architecture, architecture.state_space)
    return config


def read_config(config: Mapping[str, Any], path: Path) -> Architecture:
    """The architecture in the content of config.json.

    Raises:
        ArtifactError: what the file says is not what `Decoder` computes, or a number is missing.
    """
    family = config.get("model_type")
    if family not in CLASSES:
        raise _not_ours([f"model_type {family!r}"], path)
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    rope_type = rope.get("rope_type", rope.get("type", "default"))
    differing = _differing(config, family)
    if rope_type not in ("default", *_ROPE_OF):
        differing.append(f"rope_type {rope_type!r}")
    if rope_type == "yarn" and (rope.get("mscale") or not rope.get("truncate", True)):
        differing.append("mscale or truncate of yarn")
    if differing:
        raise _not_ours(differing, path)
    heads, width = config.get("num_attention_heads", 1), config.get("hidden_size", 0)
    head_dim = config.get("head_dim")
    try:
        return Architecture(
            vocab_size=config["vocab_size"],
            d_model=width,
            layers=config["num_hidden_layers"],
            heads=heads,
            kv_heads=config.get("num_key_value_heads") or heads,
            d_ff=config["intermediate_size"],
            context=config.get("max_position_embeddings", 2048),
            rope_theta=float(rope.get("rope_theta", config.get("rope_theta", 10_000.0))),
            norm_eps=config.get("rms_norm_eps", 1e-6),
            tied=config.get("tie_word_embeddings", False),
            family=family,
            head_dim=None if head_dim in (None, width / heads) else head_dim,
            rope_scaling=_rope_scaling(rope, rope_type, config),
            experts=_experts(config, family),
            state_space=_state_space(config, family),
        )
    except KeyError as error:
        raise ArtifactError(f"config.json has no {error}", where=path, advice="download the model again") from error
    except RecipeError as error:
        raise ArtifactError(error.what, where=path, advice="choose a model of a family ownlm has") from error


def _differing(config: Mapping[str, Any], family: Family) -> list[str]:
    """Settings with another value than the one `Decoder` has built in."""
    fixed: dict[str, tuple[Any, Any]] = {
        "hidden_act": ("silu", "silu"),
        "attention_bias": (False, False),
        "mlp_bias": (False, False),
        "use_sliding_window": (False, False),
    }
    if family in ("mixtral", "dots1"):
        fixed |= {"sliding_window": (None, None)}
    fixed |= moe.fixed(family) | (state_space.FIXED if family == "bamba" else {})
    found = {name: config.get(name, default) for name, (default, _) in fixed.items()}
    return [f"{name} {found[name]!r}" for name, (_, plain) in fixed.items() if found[name] != plain]


def _rope_settings(scaling: RopeScaling) -> dict[str, Any]:
    found = {name: getattr(scaling, name) for name in _ROPE_OF[scaling.kind]}
    found |= {"rope_type": scaling.kind, "original_max_position_embeddings": scaling.original_context}
    return {name: value for name, value in found.items() if value is not None}


def _rope_scaling(rope: Mapping[str, Any], kind: Any, config: Mapping[str, Any]) -> RopeScaling | None:
    if kind == "default":
        return None
    original = rope.get("original_max_position_embeddings") or config.get("max_position_embeddings")
    given = {name: rope[name] for name in _ROPE_OF[kind] if rope.get(name) is not None}
    return RopeScaling(kind=kind, original_context=None if kind == "linear" else original, **given)


def _experts(config: Mapping[str, Any], family: Family) -> Experts | None:
    return moe.read(config, family)


def _state_space(config: Mapping[str, Any], family: Family) -> StateSpace | None:
    return state_space.read(config) if family == "bamba" else None


def _not_ours(differing: list[str], path: Path) -> ArtifactError:
    return ArtifactError(
        f"this model is none that ownlm computes ({', '.join(CLASSES)}): {', '.join(differing)}",
        where=path,
        advice="choose a plain model of one of these families",
    )
