"""Root mean square normalization (arXiv 1910.07467), plain and gated."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class RMSNorm(nn.Module):
    """x / sqrt(mean(x^2) + eps) * weight, in float32 (arXiv 1910.07467)."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x_BLD: Tensor) -> Tensor:
        """Normalize the last axis; keeps shape and type."""
        wide = x_BLD.float()
        scaled = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.eps)
        return (self.weight * scaled).to(x_BLD.dtype)


class GatedRMSNorm(nn.Module):
    """RMSNorm of x * silu(gate), in `groups` equal parts of the last axis: Mamba-2's (arXiv 2405.21060, section 7)."""

    def __init__(self, width: int, groups: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.groups, self.eps = groups, eps

    def forward(self, x_BLI: Tensor, gate_BLI: Tensor) -> Tensor:
        """Gate and normalize; keeps shape and type of `x_BLI`."""
        wide = x_BLI.float() * F.silu(gate_BLI.float())
        parts = wide.view(*wide.shape[:-1], self.groups, -1)
        parts = parts * torch.rsqrt(parts.pow(2).mean(-1, keepdim=True) + self.eps)
        return (self.weight * parts.flatten(-2)).to(x_BLI.dtype)
