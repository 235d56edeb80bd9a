"""A mixture of experts in place of the feed-forward: each token goes through k of E small ones, and shared ones.

    x ─► router ─► tokens sorted by expert ─► grouped matrix products ─► back in order, weighted, summed

Weights of all experts of a projection are one tensor [E, ...], so that its first axis can be divided over processes.
Nothing is dropped: experts take as many tokens as are sent to them. Products of experts of unequal size are one call of
torch's grouped matmul where it runs (rows of whole 16 bytes; float32 and bf16 on CPUs, bf16 on CUDA), else one product
an expert. Shapes: B rows, L positions, D width, E experts, F expert width, k experts a token, M = B L k.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from ownlm.model.architecture import Architecture, Experts
from ownlm.model.feed_forward import FeedForward
from ownlm.model.router import Router


class ExpertWeights(nn.Module):
    """All experts of a block: SwiGLU each.

    Args:
        d_model: D.
        experts: how many, how wide.
    """

    def __init__(self, d_model: int, experts: Experts) -> None:
        super().__init__()
        self.gate_proj = nn.Parameter(torch.empty(experts.count, experts.d_ff, d_model))
        self.up_proj = nn.Parameter(torch.empty(experts.count, experts.d_ff, d_model))
        self.down_proj = nn.Parameter(torch.empty(experts.count, d_model, experts.d_ff))

    def forward(self, x_MD: Tensor, counts_E: Tensor) -> Tensor:
        """Transform tokens sorted by expert.

        Args:
            x_MD: all tokens of the first expert, then of the second, ...
            counts_E: how many each has.
        """
        inner = F.silu(grouped(x_MD, self.gate_proj, counts_E)) * grouped(x_MD, self.up_proj, counts_E)
        return grouped(inner, self.down_proj, counts_E)


def grouped(x_MD: Tensor, weight_EFD: Tensor, counts_E: Tensor) -> Tensor:
    """x W_e^T for the tokens of each expert e: [M, F]."""
    weight_EFD = weight_EFD.to_local() if isinstance(weight_EFD, DTensor) else weight_EFD
    device = x_MD.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x_MD.dtype
    x_MD, weight_EFD = x_MD.to(dtype), weight_EFD.to(dtype)
    if torch.compiler.is_compiling() and not (dtype == torch.bfloat16 and _can_group(x_MD, weight_EFD)):
        out_MF: Tensor = _outside_of_graphs(x_MD, weight_EFD, counts_E)
        return out_MF
    return _products(x_MD, weight_EFD, counts_E)


def _products(x_MD: Tensor, weight_EFD: Tensor, counts_E: Tensor) -> Tensor:
    if _can_group(x_MD, weight_EFD):
        return F.grouped_mm(x_MD.contiguous(), weight_EFD.mT, offs=counts_E.cumsum(0).to(torch.int32))
    parts = torch.split(x_MD, counts_E.tolist())
    return torch.cat([part @ weight.T for part, weight in zip(parts, weight_EFD.unbind(), strict=True)])


@torch.compiler.disable  # type: ignore[untyped-decorator]
def _outside_of_graphs(x_MD: Tensor, weight_EFD: Tensor, counts_E: Tensor) -> Tensor:
    """torch 2.13 traces grouped products in bf16 only, though it computes others; sizes read back it cannot trace."""
    return _products(x_MD, weight_EFD, counts_E)


def _can_group(x_MD: Tensor, weight_EFD: Tensor) -> bool:
    """Rows must be multiples of 16 bytes."""
    if any(width * x_MD.element_size() % 16 for width in weight_EFD.shape[1:]):
        return False
    if x_MD.is_cuda:
        return x_MD.dtype == torch.bfloat16 and torch.cuda.get_device_capability(x_MD.device) >= (8, 0)
    return x_MD.dtype in (torch.bfloat16, torch.float32)


class MixtureOfExperts(nn.Module):
    """Router, experts and shared experts of one block.

    Args:
        architecture: of the model; it has experts.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        experts = architecture.experts
        assert experts is not None
        self.gate = Router(architecture, experts)
        self.experts = ExpertWeights(architecture.d_model, experts)
        self.shared_experts = (
            FeedForward(architecture.d_model, experts.shared * experts.d_ff) if experts.shared else None
        )

    def forward(self, x_BLD: Tensor) -> Tensor:
        """Send every token through its experts."""
        chosen_BLk, weights_BLk = self.gate(x_BLD)
        k, width = chosen_BLk.shape[-1], x_BLD.shape[-1]
        order_M = chosen_BLk.flatten().argsort(stable=True)
        assert self.gate.load_BE is not None
        counts_E = self.gate.load_BE.sum(0)
        copies_MD = x_BLD.reshape(-1, 1, width).expand(-1, k, width).reshape(-1, width)
        sorted_MD = self.experts(copies_MD[order_M], counts_E)
        back_M = torch.empty_like(order_M)
        back_M[order_M] = torch.arange(order_M.numel(), device=order_M.device)
        out_BLkD = sorted_MD[back_M].view(*chosen_BLk.shape, width)
        out_BLD: Tensor = (out_BLkD * weights_BLk[..., None].to(out_BLkD.dtype)).sum(-2)
        if self.shared_experts is not None:
            out_BLD = out_BLD + self.shared_experts(x_BLD)
        return out_BLD
