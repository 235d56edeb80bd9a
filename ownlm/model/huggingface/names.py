"""Our weights under Hugging Face's names, and back: a prefix, and what `moe` and `state_space` say of theirs."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from ownlm.model.architecture import EXPERTS, Architecture
from ownlm.model.huggingface import moe, state_space
from ownlm.model.mup import folded

_PREFIX = "model."
_HEAD = "lm_head.weight"


def to_huggingface(architecture: Architecture, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights as the files have them; muP's factors are folded in."""
    named = folded(architecture, weights)
    if architecture.family in EXPERTS:
        named = moe.split(architecture.family, named)
    if architecture.family == "bamba":
        named = {state_space.to_bamba(name): weight for name, weight in named.items()}
    return {(name if name == _HEAD else _PREFIX + name): weight for name, weight in named.items()}


def from_huggingface(architecture: Architecture, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our weights, in float32, from those of the files."""
    named = {name.removeprefix(_PREFIX): weight.float() for name, weight in weights.items()}
    if architecture.family in EXPERTS:
        named = moe.stack(named)
    if architecture.family == "bamba":
        named = {state_space.from_bamba(name): weight for name, weight in named.items()}
    if architecture.tied:
        named.pop(_HEAD, None)
    return named
