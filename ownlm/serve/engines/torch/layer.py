"""One block of the decoder as serving computes it: queries, keys and values in one product, gate and up in another.

Shapes: T tokens of all texts, D d_model, N heads, K key/value heads, H head width, R rotated numbers of a head,
F width of the feed-forward.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from ownlm.model.block import Block
from ownlm.serve.engines.torch.attention import Attention

if TYPE_CHECKING:
    from ownlm.serve.engines.torch.network import Network

Projection = Callable[[Tensor], Tensor]

Turns = tuple[Tensor, Tensor]
"""Cosines and sines of positions, [T, 1, R] each; the sines of a head's first half are negative."""


class Layer:
    """One block's weights.

    Args:
        block: whose weights are copied.
        network: says in what type, and where.
    """

    def __init__(self, block: Block, network: Network) -> None:
        attention, shape = block.self_attn, network.architecture
        moved = network.moved
        self._width, self._rotary, self._eps = shape.head_width, shape.rotary_width, shape.norm_eps
        self._turned = shape.heads + shape.kv_heads
        self._norm_D = moved(block.input_layernorm.weight)
        self._after_D = moved(block.post_attention_layernorm.weight)
        self._qkv = network.projection(attention.q_proj.weight, attention.k_proj.weight, attention.v_proj.weight)
        self._out = network.projection(attention.o_proj.weight)
        self._qk_norm: Tensor | None = None  # [N + K, H]
        if attention.q_norm is not None and attention.k_norm is not None:
            q_NH = attention.q_norm.weight.expand(shape.heads, -1)
            self._qk_norm = moved(torch.cat((q_NH, attention.k_norm.weight.expand(shape.kv_heads, -1))))
        self._mlp = _mlp(block, network)

    def __call__(self, x_TD: Tensor, number: int, turns: Turns, attention: Attention) -> Tensor:
        """The block's output, [T, D]."""
        width = (x_TD.shape[1],)
        qkv = self._qkv(F.rms_norm(x_TD, width, self._norm_D, self._eps)).view(len(x_TD), -1, self._width)
        self._turn_(qkv[:, : self._turned], *turns)
        x_TD = x_TD + self._out(attention(number, qkv))
        return x_TD + self._mlp(F.rms_norm(x_TD, width, self._after_D, self._eps))

    def _turn_(self, qk: Tensor, cos: Tensor, sin: Tensor) -> None:
        """Normalize queries and keys, [T, N + K, H], where the family does; turn them by their positions (`rotate`)."""
        if self._qk_norm is not None:
            qk.copy_(F.rms_norm(qk, (self._width,), eps=self._eps) * self._qk_norm)
        pairs = qk[..., : self._rotary]
        partners = pairs.roll(self._rotary // 2, -1)
        pairs.mul_(cos).addcmul_(partners, sin)


def _mlp(block: Block, network: Network) -> Projection:
    """The feed-forward as one function of rows."""
    mlp = block.mlp
    gate = getattr(mlp, "gate_proj", None)
    if not isinstance(gate, torch.nn.Linear):
        experts = mlp.to(network.device, network.dtype).eval()
        return lambda x_TD: experts(x_TD[None])[0]
    both = network.projection(gate.weight, mlp.up_proj.weight)  # type: ignore[union-attr, arg-type]
    down = network.projection(mlp.down_proj.weight)  # type: ignore[union-attr, arg-type]

    def feed(x_TD: Tensor) -> Tensor:
        gate_TF, up_TF = both(x_TD).chunk(2, dim=-1)
        return down(F.silu(gate_TF) * up_TF)

    return feed
