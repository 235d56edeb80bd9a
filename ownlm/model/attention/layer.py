"""Causal self-attention with rotary positions, shared key/value heads (GQA, arXiv 2305.13245) and, in Qwen3's
families, normalized queries and keys. How scores are computed and masked is the view's business.
"""

from __future__ import annotations

from torch import Tensor, nn

from ownlm.model.architecture import Architecture
from ownlm.model.mup import query_scale
from ownlm.model.norm import RMSNorm
from ownlm.model.rope import rotate
from ownlm.model.view import View


class Attention(nn.Module):
    """The attention of one block.

    The number of heads is read from the projections, so that each process of a tensor-parallel group may hold some.

    Args:
        architecture: of the model.
        layer: this block's number, its place in the cache.
    """

    def __init__(self, architecture: Architecture, layer: int) -> None:
        super().__init__()
        width, head = architecture.d_model, architecture.head_width
        self.layer, self.head_width = layer, head
        self.q_proj = nn.Linear(width, architecture.heads * head, bias=False)
        self.k_proj = nn.Linear(width, architecture.kv_heads * head, bias=False)
        self.v_proj = nn.Linear(width, architecture.kv_heads * head, bias=False)
        self.o_proj = nn.Linear(architecture.heads * head, width, bias=False)
        self.q_norm = RMSNorm(head, architecture.norm_eps) if architecture.qk_norm else None
        self.k_norm = RMSNorm(head, architecture.norm_eps) if architecture.qk_norm else None
        self.scale = query_scale(architecture)

    def forward(self, x_BLD: Tensor, view: View) -> Tensor:
        """Mix positions of the normalized input."""
        batch, length = x_BLD.shape[:2]
        q_BLNH = self.q_proj(x_BLD).view(batch, length, -1, self.head_width)
        k_BLKH = self.k_proj(x_BLD).view(batch, length, -1, self.head_width)
        v_BKSH = self.v_proj(x_BLD).view(batch, length, -1, self.head_width).transpose(1, 2)
        if self.q_norm is not None and self.k_norm is not None:
            q_BLNH, k_BLKH = self.q_norm(q_BLNH), self.k_norm(k_BLKH)
        q_BNLH, k_BKSH = rotate(q_BLNH.transpose(1, 2), *view.turns), rotate(k_BLKH.transpose(1, 2), *view.turns)
        if self.scale != 1.0:
            q_BNLH = q_BNLH * self.scale
        if view.cache is not None:
            k_BKSH, v_BKSH = view.cache.extend(self.layer, k_BKSH, v_BKSH)
        mixed_BNLH = view.attend(q_BNLH, k_BKSH, v_BKSH)
        out: Tensor = self.o_proj(mixed_BNLH.transpose(1, 2).reshape(batch, length, -1))
        return out
