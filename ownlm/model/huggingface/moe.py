"""Mixtures of experts as Hugging Face has them: settings and, in files, one matrix per expert and projection.

In memory all experts of a block are one tensor [E, ...] per projection (`mlp.experts.gate_proj`); files have
`mlp.experts.3.gate_proj.weight`, Mixtral's `block_sparse_moe.experts.3.w1.weight`, which transformers 5, vLLM and
llama.cpp's converter all read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ownlm.model.architecture import EXPERTS, Architecture, Experts, Family

_STACKED = re.compile(r"(.*)\.mlp\.experts\.(gate_proj|up_proj|down_proj)")
_SINGLE = re.compile(r"(.*)\.(?:mlp|block_sparse_moe)\.experts\.(\d+)\.(\w+)\.weight")
_MIXTRAL = {"gate_proj": "w1", "up_proj": "w3", "down_proj": "w2"}
_OF_MIXTRAL = {theirs: ours for ours, theirs in _MIXTRAL.items()}


def settings(architecture: Architecture, experts: Experts) -> dict[str, Any]:
    """What config.json says of the experts."""
    common = {"num_experts_per_tok": experts.per_token, "output_router_logits": False}
    match architecture.family:
        case "mixtral":
            return common | {
                "intermediate_size": experts.d_ff,
                "num_local_experts": experts.count,
                "router_aux_loss_coef": experts.balance_weight,
                "sliding_window": None,
            }
        case "qwen3_moe":
            return common | {
                "decoder_sparse_step": 1,
                "mlp_only_layers": list(range(experts.dense_layers)),
                "moe_intermediate_size": experts.d_ff,
                "norm_topk_prob": True,
                "num_experts": experts.count,
                "router_aux_loss_coef": experts.balance_weight,
            }
        case _:
            return common | {
                "first_k_dense_replace": experts.dense_layers,
                "moe_intermediate_size": experts.d_ff,
                "n_group": 1,
                "n_routed_experts": experts.count,
                "n_shared_experts": experts.shared,
                "norm_topk_prob": True,
                "routed_scaling_factor": 1.0,
                "topk_group": 1,
            }


def fixed(family: Family) -> dict[str, tuple[Any, Any]]:
    """Settings that must have one value: name -> (what is meant when it is absent, that value)."""
    match family:
        case "qwen3_moe":
            return {"norm_topk_prob": (False, True), "decoder_sparse_step": (1, 1)}
        case "dots1":
            return {
                "norm_topk_prob": (False, True),
                "n_group": (1, 1),
                "topk_group": (1, 1),
                "routed_scaling_factor": (1.0, 1.0),
            }
        case _:
            return {}


def read(config: Mapping[str, Any], family: Family) -> Experts | None:
    """The experts in config.json; how they are balanced is not in it and gets its default.

    Raises:
        KeyError: a number is missing.
    """
    if family not in EXPERTS:
        return None
    per_token = config["num_experts_per_tok"]
    # transformers 5 saves under a name of its own what it reads under the family's
    count = config.get("num_experts") or config.get("n_routed_experts") or config["num_local_experts"]
    match family:
        case "mixtral":
            return Experts(count, per_token, config["intermediate_size"])
        case "qwen3_moe":
            dense = config.get("mlp_only_layers") or []
            if dense != list(range(len(dense))):
                raise KeyError("experts in all layers after the dense ones (mlp_only_layers)")
            return Experts(count, per_token, config["moe_intermediate_size"], dense_layers=len(dense))
        case _:
            return Experts(
                count,
                per_token,
                config["moe_intermediate_size"],
                shared=config["n_shared_experts"] or 0,
                dense_layers=config.get("first_k_dense_replace") or 0,
                balance="bias",
            )


def split(family: Family, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Stacked experts as single matrices under their file names; all else unchanged."""
    out: dict[str, Tensor] = {}
    for name, weight in weights.items():
        stacked = _STACKED.fullmatch(name)
        if stacked is None:
            out[name.replace(".mlp.", ".block_sparse_moe.") if family == "mixtral" else name] = weight
            continue
        block, projection = stacked.groups()
        for expert, matrix in enumerate(weight):
            if family == "mixtral":
                out[f"{block}.block_sparse_moe.experts.{expert}.{_MIXTRAL[projection]}.weight"] = matrix.contiguous()
            else:
                out[f"{block}.mlp.experts.{expert}.{projection}.weight"] = matrix.contiguous()
    return out


def stack(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of `split`."""
    out: dict[str, Tensor] = {}
    found: dict[str, dict[int, Tensor]] = {}
    for name, weight in weights.items():
        single = _SINGLE.fullmatch(name)
        if single is None:
            out[name.replace(".block_sparse_moe.", ".mlp.")] = weight
        else:
            block, expert, projection = single.groups()
            stacked = f"{block}.mlp.experts.{_OF_MIXTRAL.get(projection, projection)}"
            found.setdefault(stacked, {})[int(expert)] = weight
    return out | {name: torch.stack([parts[e] for e in sorted(parts)]) for name, parts in found.items()}
