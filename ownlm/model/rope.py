"""Rotary position embedding (RoFormer, arXiv 2104.09864), with Llama's pairing of the two halves of a head.

Three ways to stretch it over a longer context, each as transformers computes it (`modeling_rope_utils.py`):
linear (arXiv 2306.15595), Llama 3.1's, and YaRN (arXiv 2309.00071).

Shapes: B batch, N heads, L length, H head width, R rotated numbers of a head.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ownlm.model.architecture import RopeScaling


def angles(
    positions_BL: Tensor, rotary_width: int, theta: float, scaling: RopeScaling | None = None
) -> tuple[Tensor, Tensor]:
    """Cosines and sines of every position, for `rotate`.

    Args:
        positions_BL: integer positions, [B or 1, L].
        rotary_width: R, even.
        theta: base of the angles: pair i turns by position / theta ** (2 i / R).
        scaling: changes the speed of each pair, and with YaRN the length of all.

    Returns:
        Two float32 tensors [B or 1, 1, L, R]; both halves of the last axis are equal.
    """
    exponents = torch.arange(0, rotary_width, 2, dtype=torch.float32, device=positions_BL.device) / rotary_width
    speeds, length = 1.0 / theta**exponents, 1.0
    if scaling is not None:
        speeds, length = _scaled(speeds, rotary_width, theta, scaling)
    turns_BLR = positions_BL.float()[..., None] * speeds
    turns_BLR = torch.cat((turns_BLR, turns_BLR), dim=-1)[:, None]
    cos, sin = turns_BLR.cos(), turns_BLR.sin()
    return (cos, sin) if length == 1.0 else (cos * length, sin * length)


def rotate(x_BNLH: Tensor, cos_BLR: Tensor, sin_BLR: Tensor) -> Tensor:
    """Turn each pair (i, i + R/2) of a head's first R numbers by its angle; keeps the input's type."""
    rotary = cos_BLR.shape[-1]
    rotated, rest = x_BNLH[..., :rotary], x_BNLH[..., rotary:]
    first, second = rotated.chunk(2, dim=-1)
    turned = torch.cat((-second, first), dim=-1)
    out = rotated * cos_BLR.to(x_BNLH.dtype) + turned * sin_BLR.to(x_BNLH.dtype)
    return out if rotary == x_BNLH.shape[-1] else torch.cat((out, rest), dim=-1)


def _scaled(speeds: Tensor, width: int, theta: float, scaling: RopeScaling) -> tuple[Tensor, float]:
    """New speeds of the pairs, and the factor of cosines and sines."""
    if scaling.kind == "linear":
        return speeds / scaling.factor, 1.0
    assert scaling.original_context is not None
    if scaling.kind == "llama3":
        return _llama3(speeds, scaling, scaling.original_context), 1.0
    factor = scaling.attention_factor
    return _yarn(speeds, width, theta, scaling, scaling.original_context), (
        0.1 * math.log(scaling.factor) + 1.0 if factor is None else factor
    )


def _llama3(speeds: Tensor, scaling: RopeScaling, original: int) -> Tensor:
    """Long waves divided, short ones kept, a straight line between."""
    waves = 2 * math.pi / speeds
    low, high = scaling.low_freq_factor, scaling.high_freq_factor
    smooth = ((original / waves - low) / (high - low)).clamp(0, 1)
    between = (1 - smooth) * speeds / scaling.factor + smooth * speeds
    divided = torch.where(waves > original / low, speeds / scaling.factor, speeds)
    return torch.where((waves <= original / low) & (waves >= original / high), between, divided)


def _yarn(speeds: Tensor, width: int, theta: float, scaling: RopeScaling, original: int) -> Tensor:
    """Pairs that turn often kept, those that turn seldom divided, a straight line between."""

    def pair(rotations: float) -> float:
        return width * math.log(original / (rotations * 2 * math.pi)) / (2 * math.log(theta))

    low = max(math.floor(pair(scaling.beta_fast)), 0)
    high = min(math.ceil(pair(scaling.beta_slow)), width - 1)
    places = torch.arange(width // 2, dtype=torch.float32, device=speeds.device)
    divided = ((places - low) / (high - low if high != low else 0.001)).clamp(0, 1)
    kept = 1 - divided
    return (speeds / scaling.factor) * divided + speeds * kept
