"""The decoder as serving computes it: new tokens of many texts in one flat row, in few and large operations.

    T tokens of all texts ─► embedding ─► layers * [ norm ─► q, k, v in one product ─► rotary positions
        ─► keys and values into each text's own room ─► attention, text by text ─► o
        ─► norm ─► gate and up in one product, or experts ─► down ] ─► norm ─► head, where logits are wanted

The same function as `Decoder`, which the tests hold it against. A text's attention is computed alone, over its own keys
and values, so no mask tells texts apart. What depends on the other texts is the number of rows T of the products, and
with it, in floating point, the last bits of a sum; `ownlm.serve.engines.torch.engine` says what follows from that.

Shapes: T tokens, D d_model, N heads, K key/value heads, G = N / K, H head width, S positions of a text, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ownlm.errors import ServerError
from ownlm.model.architecture import Architecture
from ownlm.model.block import Block
from ownlm.model.decoder import Decoder
from ownlm.model.mup import output_scale, query_scale
from ownlm.model.rope import angles, rotate
from ownlm.serve.engines.torch.int8 import Int8Projection

Precision = Literal["float64", "float32", "bfloat16", "int8"]
Projection = Callable[[Tensor], Tensor]

_TYPES = {"float64": torch.float64, "float32": torch.float32, "bfloat16": torch.bfloat16, "int8": torch.float32}


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


class Network:
    """A decoder's weights, laid out for serving.

    Args:
        decoder: left as it is; weights are copied.
        precision: what products are computed in. int8: weights and inputs of products in 8 bits (`int8`), all else in
            float32; experts stay in float32.
        device: where to compute; int8 is for CPUs.

    Attributes:
        architecture: of the decoder.
        dtype: of keys and values.

    Raises:
        ServerError: for a model with state spaces, or int8 elsewhere than on a CPU.
    """

    def __init__(self, decoder: Decoder, precision: Precision = "float32", device: str = "cpu") -> None:
        self.architecture: Architecture = decoder.architecture
        self.dtype, self.device = _TYPES[precision], torch.device(device)
        if self.architecture.state_space is not None:
            raise ServerError(
                "the torch engine keeps keys and values of texts, and this model has state-space layers, too",
                advice="serve a model of another family; `ownlm evaluate` and transformers compute this one",
            )
        if precision == "int8" and self.device.type != "cpu":
            raise ServerError("the torch engine computes int8 on CPUs only", advice="set serve.compute_type=bfloat16")
        self._precision = precision
        self._embedding_VD = self.moved(decoder.embed_tokens.weight)
        self._layers = [_Layer(block, self) for block in decoder.layers if isinstance(block, Block)]
        self._norm_D = self.moved(decoder.norm.weight)
        self._head = self.projection(decoder.lm_head.weight)
        self._output_scale = output_scale(self.architecture)

    def projection(self, *weights: Tensor) -> Projection:
        """One product for all of some weights, [F, D] each, whose outputs lie side by side."""
        weight_FD = weights[0] if len(weights) == 1 else torch.cat(weights)
        if self._precision == "int8":
            return Int8Projection(weight_FD.detach())
        weight_FD = self.moved(weight_FD)
        return lambda x_TD: F.linear(x_TD, weight_FD)

    def room(self, positions: int) -> Tensor:
        """Uninitialized room for keys and values of a text."""
        shape = (len(self._layers), 2, positions, self.architecture.kv_heads, self.architecture.head_width)
        return torch.empty(shape, dtype=self.dtype, device=self.device)

    @torch.inference_mode()
    def forward(self, parts: Sequence[Part]) -> Tensor:
        """Compute new tokens of texts; their keys and values are put into the rooms.

        Returns:
            Logits of the positions wanted, text after text, [positions, V]; float64 with float64, else float32.
        """
        tokens_T = torch.tensor([token for part in parts for token in part.tokens], device=self.device)
        places = [place for part in parts for place in range(part.start, part.start + len(part.tokens))]
        turns = _turns(self.architecture, torch.tensor(places, device=self.device))
        views = _views(parts, self.dtype, self.device, self.architecture.heads // self.architecture.kv_heads)
        x_TD = self._embedding_VD[tokens_T]
        for number, layer in enumerate(self._layers):
            x_TD = layer(x_TD, number, turns, views)
        x_TD = F.rms_norm(x_TD[_wanted(parts, self.device)], (x_TD.shape[1],), self._norm_D, self.architecture.norm_eps)
        if self._output_scale != 1.0:
            x_TD = x_TD * self._output_scale
        logits = self._head(x_TD)
        return logits if logits.dtype == torch.float64 else logits.float()

    def moved(self, weight: Tensor) -> Tensor:
        """A weight on the device, in the type of what is not int8."""
        return weight.detach().to(self.device, self.dtype).contiguous()


@dataclass(frozen=True)
class _View:
    """How one text's attention is computed in this pass.

    Attributes:
        rows: of the flat row that are its tokens.
        room: see `Part`.
        start: see `Part`.
        stop: position after its last new token.
        mask: added to scores, [G * L, S]; None for one token, which sees all, or for `causal`.
        causal: nothing stands before, and no heads are shared: plain causal attention.
    """

    rows: slice
    room: Tensor
    start: int
    stop: int
    mask: Tensor | None
    causal: bool


class _Layer:
    """One block's weights."""

    def __init__(self, block: Block, network: Network) -> None:
        attention, shape = block.self_attn, network.architecture
        moved = network.moved
        self._heads, self._kv_heads, self._width = shape.heads, shape.kv_heads, shape.head_width
        self._eps, self._scale = shape.norm_eps, query_scale(shape)
        self._norm_D = moved(block.input_layernorm.weight)
        self._after_D = moved(block.post_attention_layernorm.weight)
        self._qkv = network.projection(attention.q_proj.weight, attention.k_proj.weight, attention.v_proj.weight)
        self._out = network.projection(attention.o_proj.weight)
        self._q_norm_H = None if attention.q_norm is None else moved(attention.q_norm.weight)
        self._k_norm_H = None if attention.k_norm is None else moved(attention.k_norm.weight)
        self._mlp = _mlp(block, network)

    def __call__(self, x_TD: Tensor, number: int, turns: tuple[Tensor, Tensor], views: Sequence[_View]) -> Tensor:
        width = (x_TD.shape[1],)
        qkv = self._qkv(F.rms_norm(x_TD, width, self._norm_D, self._eps)).view(len(x_TD), -1, self._width)
        turned, v_TKH = self._rotated(qkv, turns), qkv[:, self._heads + self._kv_heads :]
        q_TNH, k_TKH = turned[:, : self._heads], turned[:, self._heads :]
        if self._scale != 1.0:
            q_TNH = q_TNH * self._scale
        mixed = []
        for view in views:
            kept = view.room[number]
            kept[0, view.start : view.stop] = k_TKH[view.rows]
            kept[1, view.start : view.stop] = v_TKH[view.rows]
            mixed.append(self._attend(q_TNH[view.rows], kept[:, : view.stop], view))
        x_TD = x_TD + self._out(mixed[0] if len(mixed) == 1 else torch.cat(mixed))
        return x_TD + self._mlp(F.rms_norm(x_TD, width, self._after_D, self._eps))

    def _rotated(self, qkv: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
        """Queries and keys side by side, normalized where the family does, turned by their positions."""
        both = qkv[:, : self._heads + self._kv_heads]
        if self._q_norm_H is not None and self._k_norm_H is not None:
            width = (self._width,)
            q_TNH = F.rms_norm(both[:, : self._heads], width, self._q_norm_H, self._eps)
            k_TKH = F.rms_norm(both[:, self._heads :], width, self._k_norm_H, self._eps)
            both = torch.cat((q_TNH, k_TKH), dim=1)
        return rotate(both, *turns)

    def _attend(self, q_LNH: Tensor, kept_2SKH: Tensor, view: _View) -> Tensor:
        """Attention of one text, [L, N * H]. Query heads that share keys are computed as further queries of them."""
        length, heads, width = q_LNH.shape
        shared = heads // self._kv_heads
        q_KMH = q_LNH.view(length, self._kv_heads, shared, width).permute(1, 2, 0, 3).reshape(self._kv_heads, -1, width)
        k_KSH, v_KSH = kept_2SKH[0].transpose(0, 1), kept_2SKH[1].transpose(0, 1)
        mixed_KMH = F.scaled_dot_product_attention(
            q_KMH[None], k_KSH[None], v_KSH[None], attn_mask=view.mask, is_causal=view.causal
        )[0]
        return mixed_KMH.view(self._kv_heads, shared, length, width).permute(2, 0, 1, 3).reshape(length, heads * width)


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


def _turns(architecture: Architecture, positions_T: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines of positions, [T, 1, R] each."""
    cos, sin = angles(positions_T[None], architecture.rotary_width, architecture.rope_theta, architecture.rope_scaling)
    return cos[0, 0][:, None], sin[0, 0][:, None]


def _views(parts: Sequence[Part], dtype: torch.dtype, device: torch.device, shared: int) -> list[_View]:
    views, row = [], 0
    for part in parts:
        length = len(part.tokens)
        stop = part.start + length
        causal = length > 1 and part.start == 0 and shared == 1
        mask = None
        if length > 1 and not causal:
            hidden_LS = torch.ones(length, stop, dtype=torch.bool, device=device).triu(part.start + 1)
            mask_LS = torch.zeros(length, stop, dtype=dtype, device=device).masked_fill_(hidden_LS, float("-inf"))
            mask = mask_LS.repeat(shared, 1)
        views.append(_View(slice(row, row + length), part.room, part.start, stop, mask, causal))
        row += length
    return views


def _wanted(parts: Sequence[Part], device: torch.device) -> Tensor:
    """Rows whose logits are wanted."""
    rows: list[int] = []
    end = 0
    for part in parts:
        end += len(part.tokens)
        rows += range(end - part.wanted, end)
    return torch.tensor(rows, dtype=torch.int64, device=device)
