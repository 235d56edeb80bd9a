"""Maximal update parametrization (muP): settings found at a small width hold at a larger one.

Tensor Programs V (arXiv 2203.03466), table 8, with the width ratio m = d_model / base_d_model and every other width
(number of heads, d_ff) scaled along. At m = 1 nothing differs from the standard parametrization.

    what                                     initial deviation   AdamW's rate   Muon's rate     in the forward pass
    embedding, norms, biases, convolutions   1                   1              (AdamW)
    matrices of the blocks                   1 / sqrt(m)         1 / m          1 / sqrt(m)     scores * sqrt(H0) / H
    routers of experts (output not scaled)   1 / m               1 / m          1 / m
    output head                              1                   1              (AdamW)         logits * 1 / m

Muon's step has a fixed size, 0.2 sqrt of the longer side (arXiv 2502.16982). For its spectral norm to stay in
proportion to that of the weights (arXiv 2310.17813) while both sides grow with m, its rate goes with 1 / sqrt(m).
H is the width of a head, H0 the base's: where heads get more, not wider, scores are what they always were.

A trained model is exported as plain Hugging Face: `folded` puts the logits' factor into the last norm and the scores'
into the queries, with equal logits.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Literal

from torch import Tensor

from ownlm.model.architecture import Architecture

Rule = Literal["adamw", "muon"]

_ROUTER = ".mlp.gate.weight"
_QUERIES = (".self_attn.q_proj.weight", ".self_attn.q_norm.weight")


def width_ratio(architecture: Architecture) -> float:
    """m: how many times wider than the base; 1 in the standard parametrization."""
    return 1.0 if architecture.mup_base is None else architecture.d_model / architecture.mup_base


def query_scale(architecture: Architecture) -> float:
    """What queries are multiplied by, so that scores go with 1 / H, not 1 / sqrt(H), as heads get wider."""
    base = architecture.mup_base_head
    return 1.0 if base is None else math.sqrt(base / architecture.head_width)


def output_scale(architecture: Architecture) -> float:
    """What the head's input is multiplied by."""
    return 1.0 / width_ratio(architecture)


def initial_scale(architecture: Architecture, name: str) -> float:
    """What the initial deviation of a matrix is multiplied by."""
    if not name.startswith("layers."):
        return 1.0
    ratio = width_ratio(architecture)
    return 1.0 / ratio if name.endswith(_ROUTER) else 1.0 / math.sqrt(ratio)


def lr_multipliers(
    architecture: Architecture, shapes: Iterable[tuple[str, int]], rule: Rule = "adamw"
) -> dict[str, float]:
    """What the learning rate of each weight is multiplied by.

    Args:
        architecture: of the model.
        shapes: every weight's name and number of axes.
        rule: the optimizer that has the blocks' matrices; the others are AdamW's in any case.
    """
    ratio = width_ratio(architecture)
    found = {}
    for name, axes in shapes:
        matrix = name.startswith("layers.") and axes >= 2 and not name.endswith("conv1d.weight")
        square = rule == "muon" and not name.endswith(_ROUTER)
        found[name] = (1.0 / math.sqrt(ratio) if square else 1.0 / ratio) if matrix else 1.0
    return found


def folded(architecture: Architecture, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a plain model with the same logits: factors of the forward pass multiplied in."""
    scale, queries = output_scale(architecture), query_scale(architecture)
    ending = _QUERIES[1] if architecture.qk_norm else _QUERIES[0]
    out = dict(weights)
    for name, weight in weights.items():
        if name == "norm.weight" and scale != 1.0:
            out[name] = weight * scale
        elif name.endswith(ending) and queries != 1.0:
            out[name] = weight * queries
    return out
