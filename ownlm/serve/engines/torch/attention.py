"""Attention of all texts in a pass, text by text, each over its own keys and values: no mask tells texts apart.

What is the same in all layers, views of the rooms above all, is made once a pass: for one token, making a view costs as
much as adding two rows.

Shapes: T tokens of all texts, L of one, N heads, K key/value heads, G = N / K, H head width, S positions of a text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ownlm.model.architecture import Architecture
from ownlm.model.mup import query_scale


@dataclass(frozen=True)
class Part:
    """New tokens of one text.

    Attributes:
        tokens: their ids, at least one.
        start: position of the first; keys and values of those before are in the room.
        room: the text's keys and values, [layers, 2, S, K, H].
        wanted: logits of so many last positions are wanted.
    """

    tokens: Sequence[int]
    start: int
    room: Tensor
    wanted: int


class Attention:
    """Attention of a pass.

    Args:
        parts: the texts, in the order of the flat row.
        architecture: of the network.
    """

    def __init__(self, parts: Sequence[Part], architecture: Architecture) -> None:
        self._split = (architecture.heads, 2 * architecture.kv_heads)
        scale = query_scale(architecture) * architecture.head_width**-0.5
        ends = [0]
        for part in parts:
            ends.append(ends[-1] + len(part.tokens))
        self._texts = [_Text(part, slice(*ends[i : i + 2]), architecture, scale) for i, part in enumerate(parts)]

    def __call__(self, layer: int, qkv: Tensor) -> Tensor:
        """Put the new keys and values of a layer into the rooms, and mix.

        Args:
            layer: its number.
            qkv: turned queries and keys, and values, [T, N + 2 K, H].

        Returns:
            [T, N * H].
        """
        mixed = []
        for text in self._texts:
            q_LNH, kv = qkv[text.rows].split_with_sizes(self._split, dim=1)
            text.new[layer].copy_(kv.view(len(kv), 2, -1, kv.shape[-1]).transpose(0, 1))
            mixed.append(text.attend(layer, q_LNH))
        return mixed[0] if len(mixed) == 1 else torch.cat(mixed)


class _Text:
    """One text's part of a pass.

    Attributes:
        rows: of the flat row that are its tokens.
        new: a layer each, where the new tokens' keys and values belong, [2, L, K, H].
    """

    def __init__(self, part: Part, rows: slice, architecture: Architecture, scale: float) -> None:
        length, stop = len(part.tokens), part.start + len(part.tokens)
        self.rows = rows
        self.new = part.room[:, :, part.start : stop].unbind()
        kept = part.room[:, :, :stop].transpose(2, 3)
        self._keys, self._values = kept[:, 0, None].unbind(), kept[:, 1, None].unbind()  # [1, K, S, H] each
        self._kv_heads, self._shared = architecture.kv_heads, architecture.heads // architecture.kv_heads
        self._scale = scale
        # A single token sees all. Nothing before and no shared heads: plain causal attention.
        self._causal = length > 1 and part.start == 0 and self._shared == 1
        self._mask = None if length == 1 or self._causal else _mask(part, self._shared)

    def attend(self, layer: int, q_LNH: Tensor) -> Tensor:
        """The mix, [L, N * H]. Query heads that share keys are computed as further queries of them."""
        length, heads, width = q_LNH.shape
        by_keys = q_LNH.view(length, self._kv_heads, self._shared, width)
        queries = by_keys if length == 1 else by_keys.permute(1, 2, 0, 3).reshape(1, self._kv_heads, -1, width)
        mixed = F.scaled_dot_product_attention(
            queries, self._keys[layer], self._values[layer], self._mask, is_causal=self._causal, scale=self._scale
        )
        if length > 1:
            mixed = mixed.view(self._kv_heads, self._shared, length, width).permute(2, 0, 1, 3)
        return mixed.reshape(length, heads * width)


def _mask(part: Part, shared: int) -> Tensor:
    """What is added to scores, so that no token sees later ones, [G * L, S]."""
    length, stop = len(part.tokens), part.start + len(part.tokens)
    hidden_LS = torch.ones(length, stop, dtype=torch.bool, device=part.room.device).triu(part.start + 1)
    mask_LS = torch.zeros(length, stop, dtype=part.room.dtype, device=part.room.device)
    return mask_LS.masked_fill_(hidden_LS, float("-inf")).repeat(shared, 1)
