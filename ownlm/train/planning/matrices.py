"""Every weight of an architecture: name, shape, block; as `Decoder.named_parameters()`, but no torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ownlm.model.architecture import Architecture

Shapes = Iterator[tuple[str, tuple[int, ...]]]


@dataclass(frozen=True)
class Matrix:
    """A weight.

    Attributes:
        name: as in the decoder.
        shape: of the whole of it.
        layer: its block; None: embedding, last norm, head.
    """

    name: str
    shape: tuple[int, ...]
    layer: int | None

    @property
    def for_muon(self) -> bool:
        """As `ownlm.train.optimizers.for_muon`."""
        outside = self.name.endswith(("mlp.gate.weight", "conv1d.weight"))
        return self.layer is not None and len(self.shape) >= 2 and not outside

    @property
    def of_expert(self) -> bool:
        """It has a first axis of experts."""
        return ".mlp.experts." in self.name

    @property
    def divisible(self) -> bool:
        """Tensor parallel divides it: matrices and experts, not norms, routers and state-space layers."""
        everywhere = ".mamba." in self.name or self.name.endswith("mlp.gate.weight")
        return self.of_expert or (len(self.shape) == 2 and not everywhere)


def matrices(
    architecture: Architecture, layers: Iterable[int], *, first: bool = True, last: bool = True
) -> Iterator[Matrix]:
    """The weights of some blocks.

    Args:
        architecture: of the model.
        layers: numbers of the blocks.
        first: with the embedding.
        last: with the last norm, and with the head unless that is the embedding held here.
    """
    table = (architecture.vocab_size, architecture.d_model)
    if first:
        yield Matrix("embed_tokens.weight", table, None)
    for layer in layers:
        for name, shape in _block(architecture, layer):
            yield Matrix(f"layers.{layer}.{name}", shape, layer)
    if last:
        yield Matrix("norm.weight", (architecture.d_model,), None)
        if not (architecture.tied and first):
            yield Matrix("lm_head.weight", table, None)


def _block(architecture: Architecture, layer: int) -> Shapes:
    width = architecture.d_model
    yield "input_layernorm.weight", (width,)
    if architecture.has_attention(layer):
        yield from _attention(architecture)
    else:
        yield from _state_space(architecture)
    yield "post_attention_layernorm.weight", (width,)
    experts = architecture.experts
    if experts is None or not architecture.has_experts(layer):
        yield from _feed_forward("mlp.", width, architecture.d_ff)
        return
    yield "mlp.gate.weight", (experts.count, width)
    for name in ("gate_proj", "up_proj"):
        yield f"mlp.experts.{name}", (experts.count, experts.d_ff, width)
    yield "mlp.experts.down_proj", (experts.count, width, experts.d_ff)
    if experts.shared:
        yield from _feed_forward("mlp.shared_experts.", width, experts.shared * experts.d_ff)


def _attention(architecture: Architecture) -> Shapes:
    width, head = architecture.d_model, architecture.head_width
    yield "self_attn.q_proj.weight", (architecture.heads * head, width)
    yield "self_attn.k_proj.weight", (architecture.kv_heads * head, width)
    yield "self_attn.v_proj.weight", (architecture.kv_heads * head, width)
    yield "self_attn.o_proj.weight", (width, architecture.heads * head)
    if architecture.qk_norm:
        yield "self_attn.q_norm.weight", (head,)
        yield "self_attn.k_norm.weight", (head,)


def _state_space(architecture: Architecture) -> Shapes:
    shape = architecture.state_space
    assert shape is not None
    yield "mamba.in_proj.weight", (shape.inner + shape.conv_width + shape.heads, architecture.d_model)
    yield "mamba.conv1d.weight", (shape.conv_width, 1, shape.d_conv)
    yield "mamba.conv1d.bias", (shape.conv_width,)
    for name in ("dt_bias", "A_log", "D"):
        yield f"mamba.{name}", (shape.heads,)
    yield "mamba.norm.weight", (shape.inner,)
    yield "mamba.out_proj.weight", (architecture.d_model, shape.inner)


def _feed_forward(prefix: str, width: int, d_ff: int) -> Shapes:
    yield f"{prefix}gate_proj.weight", (d_ff, width)
    yield f"{prefix}up_proj.weight", (d_ff, width)
    yield f"{prefix}down_proj.weight", (width, d_ff)
