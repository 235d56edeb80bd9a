"""Bytes of activations a block keeps for its backward pass, counted tensor by tensor. No torch.

Korthikanti et al. (arXiv 2205.05198, section 4) count `s b h (34 + 5 a s / h)` bytes for a GPT block in half precision
with dropout. The same count for these blocks, as torch's autograd keeps them when the code is not compiled:

    norm          the stream, what was normalized, and the result once for every matrix that casts it
    attention     queries, keys and values as the kernel gets them, its result, the mask
    feed-forward  gate, silu(gate), up and their product: 4 d_ff
    experts       the same for every copy of a token, and the copies
    state space   the convolution's channels, the scores of every chunk, the states between chunks

D, F, ... are the architecture's widths; w is 4 bytes in float32 and 2 under bf16 autocast, where the stream and all
that is normalized stay float32. What tensor parallel divides is `inner`; `stream` is divided by sequence parallel
only, `whole` by neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from ownlm.model.architecture import Architecture, Experts, StateSpace
from ownlm.model.counting import SCAN_CHUNK


@dataclass(frozen=True)
class Kept:
    """Bytes a token.

    Attributes:
        stream: as wide as the model.
        inner: of heads and inner widths, which tensor parallel divides.
        whole: of what every tensor place computes for all tokens: routers, copies for experts, state-space layers.
    """

    stream: float = 0.0
    inner: float = 0.0
    whole: float = 0.0

    def __add__(self, other: Kept) -> Kept:
        return Kept(self.stream + other.stream, self.inner + other.inner, self.whole + other.whole)

    def divided(self, tensor: int, *, sequence: bool) -> float:
        """Bytes a token of one of `tensor` places."""
        return self.stream / (tensor if sequence else 1) + self.inner / tensor + self.whole


def block_input(architecture: Architecture) -> Kept:
    """What full checkpointing keeps of a block."""
    return Kept(stream=4 * architecture.d_model)


@cache
def kept_by_block(
    architecture: Architecture, layer: int, *, bf16: bool, mask: float, in_documents: bool = False
) -> Kept:
    """What a block keeps without checkpointing.

    Args:
        architecture: of the model.
        layer: the block's number.
        bf16: under autocast.
        mask: keys a query's mask has, 0 where attention has none.
        in_documents: attention goes document by document, and its results are put together.
    """
    found = _norm(architecture, copies=_readers(architecture, layer, mixing=True), bf16=bf16)
    found += _norm(architecture, copies=_readers(architecture, layer, mixing=False), bf16=bf16)
    if architecture.has_attention(layer):
        found += _attention(architecture, bf16=bf16, mask=mask, in_documents=in_documents)
    else:
        assert architecture.state_space is not None
        found += _state_space(architecture.state_space, bf16=bf16)
    if architecture.has_experts(layer):
        assert architecture.experts is not None
        return found + _experts(architecture.d_model, architecture.experts, bf16=bf16)
    return found + Kept(inner=4 * (2 if bf16 else 4) * architecture.d_ff)


@cache
def kept_products(architecture: Architecture, layer: int, *, bf16: bool) -> Kept:
    """What selective checkpointing keeps: the block's input, results of matrix products and of attention."""
    w, width = (2 if bf16 else 4), architecture.d_model
    found = block_input(architecture) + Kept(stream=w * width)
    if architecture.has_attention(layer):
        heads = architecture.heads + architecture.kv_heads
        found += Kept(inner=w * 2 * heads * architecture.head_width + 4 * architecture.heads)
    else:
        shape = architecture.state_space
        assert shape is not None
        states = shape.inner * shape.d_state / SCAN_CHUNK
        scan = w * (shape.heads * SCAN_CHUNK + 2 * shape.inner + states) + 4 * states
        found += Kept(whole=w * (shape.inner + shape.conv_width + shape.heads) + scan)
    experts = architecture.experts
    if experts is None or not architecture.has_experts(layer):
        return found + Kept(stream=w * width, inner=w * 2 * architecture.d_ff)
    chosen = experts.per_token * w
    found += Kept(whole=4 * experts.count + chosen * width, inner=chosen * 2 * experts.d_ff)
    if experts.shared:
        found += Kept(stream=w * width, inner=2 * w * experts.shared * experts.d_ff)
    return found


def _readers(architecture: Architecture, layer: int, *, mixing: bool) -> int:
    """Matrices that read what a norm gives, each with a bf16 copy of its own under autocast."""
    if mixing:
        return 3 if architecture.has_attention(layer) else 1
    experts = architecture.experts
    if experts is not None and architecture.has_experts(layer):
        return 2 if experts.shared else 0
    return 2


def _norm(architecture: Architecture, *, copies: int, bf16: bool) -> Kept:
    """The stream, what was normalized, and the result. Experts route in float32, so theirs is kept once more."""
    width = architecture.d_model
    result = 2 * copies if bf16 else 4 * min(copies, 1)
    return Kept(stream=(4 + 4 + result) * width + 4)


def _attention(architecture: Architecture, *, bf16: bool, mask: float, in_documents: bool) -> Kept:
    """Queries, keys, values, the result. With a mask, keys and values are repeated for the heads that share them."""
    w, head = (2 if bf16 else 4), architecture.head_width
    heads, keys = architecture.heads, architecture.heads if mask else architecture.kv_heads
    found = Kept(inner=w * (2 * heads + 2 * keys + (heads if in_documents else 0)) * head + 4 * heads)
    if architecture.qk_norm:
        found += Kept(inner=2 * 4 * (heads + architecture.kv_heads) * head)
    return found + Kept(stream=w * mask if bf16 else 0)


def _experts(width: int, experts: Experts, *, bf16: bool) -> Kept:
    """Router in float32; for every choice the copy of a token, four inner widths, the result."""
    w, chosen = (2 if bf16 else 4), experts.per_token
    router = 4 * width + 2 * 4 * experts.count + 12 * chosen + 16 * chosen
    if experts.shared and not bf16:
        router -= 4 * width  # the shared experts' input is the router's
    copies = chosen * width * (2 * 2 if bf16 else 4)
    shared = 4 * w * experts.shared * experts.d_ff
    return Kept(whole=router + copies + chosen * w * width, inner=chosen * w * 4 * experts.d_ff + shared)


def _state_space(shape: StateSpace, *, bf16: bool) -> Kept:
    """Channels before and after the convolution, maps repeated for every head, scores of a chunk, states."""
    w = 2 if bf16 else 4
    channels = w * (shape.inner + shape.conv_width + shape.heads) + (w + 4 + 4) * shape.conv_width
    maps = 5 * w * shape.heads * shape.d_state
    scores = (4 + 4 * w if bf16 else 5 * w) * shape.heads * SCAN_CHUNK
    states = 4 * shape.inner * shape.d_state / SCAN_CHUNK
    return Kept(whole=channels + maps + scores + states + 28 * shape.inner + 7 * 4 * shape.heads)
