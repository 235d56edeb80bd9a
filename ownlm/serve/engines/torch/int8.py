"""A matrix product with int8 weights and int8 inputs, exact in between: what a row gives depends on that row only.

    x_TD ─► each row divided by its largest number ─► 8 bits ─► integer product (FBGEMM, VNNI) ─► * both scales

Weights: symmetric, one scale an output. FBGEMM quantizes all rows of a call by the smallest and the largest number
among them; every row is scaled to [-1, 1] before, and one more row that holds -1 and 1 keeps that range the same
whatever rows there are. Sums of integers have no last bits to lose: rows do not feel each other, even in a near tie.

torch 2.13 marks the making of quantized tensors as deprecated. What will replace it on CPUs,
`onednn.qlinear_pointwise`, computes the same but takes 1.3 times as long for one row (docs/serving-engines.md).
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

SMALLEST = 1e-20
"""Rows whose numbers are all smaller are zero."""


class Int8Projection:
    """x W^T, T rows: [T, D] -> [T, F].

    Args:
        weight_FD: float32, on the CPU.
    """

    def __init__(self, weight_FD: Tensor) -> None:
        weight_FD = weight_FD.float()
        scales_F = (weight_FD.abs().amax(dim=1) / 127).clamp(min=SMALLEST)
        zeros_F = torch.zeros_like(scales_F, dtype=torch.int64)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            quantized = torch.quantize_per_channel(weight_FD, scales_F, zeros_F, 0, torch.qint8)
            self._packed = torch.ops.quantized.linear_prepack(quantized, None)
        anchor_D = torch.zeros(1, weight_FD.shape[1])
        anchor_D[0, 0], anchor_D[0, -1] = -1.0, 1.0
        self._anchor_1D = anchor_D
        # Without VNNI, FBGEMM adds pairs of products in 16 bits: 7 bits of input keep them from overflowing.
        self._seven_bits = not torch.cpu._is_vnni_supported()

    def __call__(self, x_TD: Tensor) -> Tensor:
        """The product."""
        largest_T1 = x_TD.abs().amax(dim=-1, keepdim=True).clamp_(min=SMALLEST)
        rows = torch.cat((x_TD / largest_T1, self._anchor_1D))
        out: Tensor = torch.ops.quantized.linear_dynamic(rows, self._packed, self._seven_bits)
        return out[:-1] * largest_T1
