"""FlashAttention over documents of any lengths, laid end to end (`torch.nn.attention.varlen`). For CUDA in bf16.

    rows [B, L] ─► one row [B * L] ─► documents between `starts`, each causal ─► rows [B, L]

No mask is made; the documents' number is read back from the device once a pass.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from ownlm.model.view import Attend

Kernel = Callable[[Tensor, Tensor, Tensor, Tensor, int], Tensor]
"""(q_TNH, k_TKH, v_TKH, starts, longest) -> out_TNH: causal attention inside each document."""


def varlen(segments_BL: Tensor, kernel: Kernel | None = None) -> Attend:
    """Attention for a pass.

    Args:
        segments_BL: the documents.
        kernel: what computes; None: FlashAttention. The tests give a slow one that runs on a CPU.
    """
    return partial(_attend, kernel or _flash, starts_of(segments_BL))


def starts_of(segments_BL: Tensor) -> Tensor:
    """Where each document begins when the rows lie end to end, and where the last one ends: int32 [documents + 1]."""
    first_BL = torch.ones_like(segments_BL, dtype=torch.bool)
    first_BL[:, 1:] = segments_BL[:, 1:] != segments_BL[:, :-1]
    end = torch.tensor([segments_BL.numel()], device=segments_BL.device)
    return torch.cat((first_BL.flatten().nonzero().flatten(), end)).to(torch.int32)


def _attend(kernel: Kernel, starts: Tensor, q_BNLH: Tensor, k_BKSH: Tensor, v_BKSH: Tensor) -> Tensor:
    batch, heads, length, width = q_BNLH.shape
    q_TNH, k_TKH, v_TKH = (x.transpose(1, 2).reshape(batch * length, -1, width) for x in (q_BNLH, k_BKSH, v_BKSH))
    mixed_TNH = kernel(q_TNH, k_TKH, v_TKH, starts, length)
    return mixed_TNH.view(batch, length, heads, width).transpose(1, 2)


def _flash(q_TNH: Tensor, k_TKH: Tensor, v_TKH: Tensor, starts: Tensor, longest: int) -> Tensor:
    from torch.nn.attention.varlen import varlen_attn

    gqa = k_TKH.shape[1] != q_TNH.shape[1]
    mixed = varlen_attn(q_TNH, k_TKH, v_TKH, starts, starts, longest, longest, window_size=(-1, 0), enable_gqa=gqa)
    assert isinstance(mixed, Tensor)  # a pair only when asked for the log-sums
    return mixed
