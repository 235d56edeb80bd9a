"""The decoder: Llama's architecture (arXiv 2302.13971) in plain PyTorch.

    tokens_BL ─► embedding ─► layers * [ x += attention(norm(x)) ─► x += feed_forward(norm(x)) ] ─► norm ─► head

Shapes in names: B batch, L length, D d_model, N heads, K key/value heads, H head width, V vocabulary, S keys seen.

Parameter names are Hugging Face's `LlamaForCausalLM` names without the leading `model.`, so conversion renames nothing
else. Documents packed into one window do not see each other: the attention mask is causal inside each segment. It is
added in full (L * L numbers a row), which costs 7-9 % of the attention's time against a plain causal mask on a CPU.

Not here: dropout (one pass over the data needs none), biases, tensor or pipeline parallelism.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ownlm.model.cache import KeyValueCache
from ownlm.model.config import Architecture
from ownlm.model.rope import angles, rotate

IGNORED = -100
"""The label of a position that has no loss."""

INIT_STD = 0.02


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


class Attention(nn.Module):
    """Causal self-attention with rotary positions and shared key/value heads (GQA, arXiv 2305.13245)."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        width, head = architecture.d_model, architecture.head_width
        self.heads, self.kv_heads, self.head_width = architecture.heads, architecture.kv_heads, head
        self.q_proj = nn.Linear(width, self.heads * head, bias=False)
        self.k_proj = nn.Linear(width, self.kv_heads * head, bias=False)
        self.v_proj = nn.Linear(width, self.kv_heads * head, bias=False)
        self.o_proj = nn.Linear(self.heads * head, width, bias=False)

    def forward(
        self,
        x_BLD: Tensor,
        turns: tuple[Tensor, Tensor],
        mask_BLS: Tensor | None,
        cache: KeyValueCache | None,
        layer: int,
    ) -> Tensor:
        """Mix positions.

        Args:
            x_BLD: normalized input.
            turns: cosines and sines of the positions.
            mask_BLS: additive [B, 1, L, S], 0 or -inf; None: plain causal, without a cache.
            cache: keys and values seen before, extended by this call.
            layer: this block's place in the cache.
        """
        batch, length, _ = x_BLD.shape
        q_BNLH = self.q_proj(x_BLD).view(batch, length, self.heads, self.head_width).transpose(1, 2)
        k_BKLH = self.k_proj(x_BLD).view(batch, length, self.kv_heads, self.head_width).transpose(1, 2)
        v_BKSH = self.v_proj(x_BLD).view(batch, length, self.kv_heads, self.head_width).transpose(1, 2)
        q_BNLH, k_BKSH = rotate(q_BNLH, *turns), rotate(k_BKLH, *turns)
        if cache is not None:
            k_BKSH, v_BKSH = cache.extend(layer, k_BKSH, v_BKSH)
        if self.kv_heads != self.heads:
            share = self.heads // self.kv_heads
            k_BKSH, v_BKSH = k_BKSH.repeat_interleave(share, dim=1), v_BKSH.repeat_interleave(share, dim=1)
        mask = None if mask_BLS is None else mask_BLS.to(q_BNLH.dtype)
        mixed_BNLH = F.scaled_dot_product_attention(q_BNLH, k_BKSH, v_BKSH, attn_mask=mask, is_causal=mask is None)
        out: Tensor = self.o_proj(mixed_BNLH.transpose(1, 2).reshape(batch, length, -1))
        return out


class FeedForward(nn.Module):
    """SwiGLU: down(silu(gate(x)) * up(x)) (arXiv 2002.05202)."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(architecture.d_model, architecture.d_ff, bias=False)
        self.up_proj = nn.Linear(architecture.d_model, architecture.d_ff, bias=False)
        self.down_proj = nn.Linear(architecture.d_ff, architecture.d_model, bias=False)

    def forward(self, x_BLD: Tensor) -> Tensor:
        """Transform every position by itself."""
        out: Tensor = self.down_proj(F.silu(self.gate_proj(x_BLD)) * self.up_proj(x_BLD))
        return out


class Block(nn.Module):
    """Attention and feed-forward, each normalized before and added to the stream."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(architecture.d_model, architecture.norm_eps)
        self.self_attn = Attention(architecture)
        self.post_attention_layernorm = RMSNorm(architecture.d_model, architecture.norm_eps)
        self.mlp = FeedForward(architecture)

    def forward(
        self,
        x_BLD: Tensor,
        turns: tuple[Tensor, Tensor],
        mask_BLS: Tensor | None,
        cache: KeyValueCache | None,
        layer: int,
    ) -> Tensor:
        """One block; arguments as in `Attention.forward`."""
        x_BLD = x_BLD + self.self_attn(self.input_layernorm(x_BLD), turns, mask_BLS, cache, layer)
        out: Tensor = x_BLD + self.mlp(self.post_attention_layernorm(x_BLD))
        return out


class Decoder(nn.Module):
    """A Llama-shaped language model.

    Weights are drawn from a normal distribution of deviation 0.02, those that write into the residual stream
    (`o_proj`, `down_proj`) from 0.02 / sqrt(2 * layers), as in GPT-2 (Radford et al. 2019, section 2.3); norms start
    at one.

    Args:
        architecture: the resolved shape.
        seed: of the initial weights; the same seed gives the same weights on every machine. On the meta device
            (`with torch.device("meta")`) none are drawn; `initial_weights` gives them afterwards.
    """

    def __init__(self, architecture: Architecture, seed: int = 0) -> None:
        super().__init__()
        self.architecture = architecture
        self.embed_tokens = nn.Embedding(architecture.vocab_size, architecture.d_model)
        self.layers = nn.ModuleList(Block(architecture) for _ in range(architecture.layers))
        self.norm = RMSNorm(architecture.d_model, architecture.norm_eps)
        self.lm_head = nn.Linear(architecture.d_model, architecture.vocab_size, bias=False)
        if architecture.tied:
            self.lm_head.weight = self.embed_tokens.weight
        if not self.embed_tokens.weight.is_meta:
            with torch.no_grad():
                weights = dict(self.named_parameters())
                for name, value in initial_weights(self, seed):
                    weights[name].copy_(value)

    @property
    def head_weight(self) -> Tensor:
        """The output head, [V, D]: logits are `hidden(...) @ head_weight.T`."""
        return self.lm_head.weight

    def auxiliary(self) -> Tensor | None:
        """What routers of experts add to the summed cross-entropy of the last forward pass; None: a dense model.

        Already weighted and summed over all positions, so that (cross-entropies + auxiliary) / labels is what is
        minimized in every layout of the rows.
        """
        return None

    def hidden(
        self,
        tokens_BL: Tensor,
        segments_BL: Tensor | None = None,
        *,
        positions_BL: Tensor | None = None,
        mask_BLS: Tensor | None = None,
        cache: KeyValueCache | None = None,
    ) -> Tensor:
        """What the head reads, after the last norm: x_BLD.

        Args:
            tokens_BL: token ids.
            segments_BL: positions with equal numbers may see each other, backwards; None: all of the row.
            positions_BL: where each token stands; None: 0, 1, 2, ... in every row.
            mask_BLS: an additive mask [B, 1, L, S] in place of segments, for generation.
            cache: keys and values of earlier tokens, extended by this call, for generation.
        """
        x_BLD = self.embed_tokens(tokens_BL)
        if positions_BL is None:
            positions_BL = torch.arange(tokens_BL.shape[1], device=tokens_BL.device)[None]
        turns = angles(positions_BL, self.architecture.head_width, self.architecture.rope_theta)
        if segments_BL is not None:
            mask_BLS = document_mask(segments_BL)
        for index, block in enumerate(self.layers):
            x_BLD = block(x_BLD, turns, mask_BLS, cache, index)
        out_BLD: Tensor = self.norm(x_BLD)
        return out_BLD

    def forward(
        self,
        tokens_BL: Tensor,
        segments_BL: Tensor | None = None,
        *,
        positions_BL: Tensor | None = None,
        mask_BLS: Tensor | None = None,
        cache: KeyValueCache | None = None,
        last_only: bool = False,
    ) -> Tensor:
        """Logits of the token after each position, in the type the head computed: logits_BLV.

        Args are those of `hidden`, and

        Args:
            last_only: compute the logits of the last position only, [B, 1, V].
        """
        x_BLD = self.hidden(tokens_BL, segments_BL, positions_BL=positions_BL, mask_BLS=mask_BLS, cache=cache)
        logits_BLV: Tensor = self.lm_head(x_BLD[:, -1:] if last_only else x_BLD)
        return logits_BLV

    def loss_sum(self, tokens_BL: Tensor, labels_BL: Tensor, segments_BL: Tensor | None = None) -> Tensor:
        """Sum of the cross-entropies (nats) of all labelled positions; divide by their number for the mean."""
        logits_BLV = self(tokens_BL, segments_BL)
        return F.cross_entropy(
            logits_BLV.float().flatten(0, 1), labels_BL.flatten(), ignore_index=IGNORED, reduction="sum"
        )

    def loss(self, tokens_BL: Tensor, labels_BL: Tensor, segments_BL: Tensor | None = None) -> Tensor:
        """Mean cross-entropy (nats) over the labelled positions; 0 when there is none."""
        labelled = (labels_BL != IGNORED).sum().clamp(min=1)
        return self.loss_sum(tokens_BL, labels_BL, segments_BL) / labelled


def initial_weights(decoder: Decoder, seed: int) -> Iterator[tuple[str, Tensor]]:
    """The weights a fresh decoder starts with, name by name, on the CPU: the same for every machine and layout.

    Only one is in memory at a time and the decoder's own are not read, so that it may be on the meta device or sharded.
    They are drawn one after another from one generator: take them all, or at least ask for them all.
    """
    generator = torch.Generator().manual_seed(seed)
    narrow = INIT_STD / math.sqrt(2 * decoder.architecture.layers)
    for name, weight in decoder.named_parameters():
        value = torch.ones(weight.shape, device="cpu")
        if weight.dim() == 2:
            std = narrow if name.endswith(("o_proj.weight", "down_proj.weight")) else INIT_STD
            nn.init.normal_(value, std=std, generator=generator)
        yield name, value


def document_mask(segments_BL: Tensor) -> Tensor:
    """The additive attention mask of packed documents.

    Returns:
        float32 [B, 1, L, L]: 0 where query l may see key s (s <= l and the same segment), -inf elsewhere. Every
        position sees itself, so that no row is empty.
    """
    length = segments_BL.shape[1]
    causal_LL = torch.ones(length, length, dtype=torch.bool, device=segments_BL.device).tril()
    allowed_BLL = (segments_BL[:, :, None] == segments_BL[:, None, :]) & causal_LL
    mask_BLL = torch.zeros(allowed_BLL.shape, device=segments_BL.device).masked_fill(~allowed_BLL, float("-inf"))
    return mask_BLL[:, None]
