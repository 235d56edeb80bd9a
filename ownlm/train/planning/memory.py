"""Memory one place of a mesh needs to train, in bytes, without building the model. No torch.

    16 bytes a parameter       weight, gradient and AdamW's two means in float32 (ZeRO, arXiv 1910.02054, section 3)
    + activations              what blocks keep for the backward pass (`ownlm.train.planning.activations`)
    + the loss's chunk         logits of some tokens, the head's gradient (`ownlm.train.loss`)
    + buffers                  casts, gathered weights, Muon's stacks

What is there changes in the course of a step, so the estimate goes through its moments, and is that of the largest:

    loss ─► backward of the last block ─► ... ─► of the first ─► optimizer
    all activations                              all gradients   Muon's stacks

Counted is code that is not compiled; a compiled block keeps less. docs/planning.md has it beside measured peaks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

from ownlm.model.architecture import Architecture
from ownlm.train.config import TrainConfig
from ownlm.train.planning.activations import Kept, block_input, kept_by_block, kept_products
from ownlm.train.planning.matrices import Matrix, matrices
from ownlm.train.planning.share import Share

DOCUMENTS_FROM = 1024
"""Positions from which attention on a CPU has no mask (`ownlm.model.attention.choose`)."""
CHUNK_LOGITS = {"cpu": 1 << 20, "cuda": 1 << 26}
LEAST_ROWS = 128
"""As in `ownlm.train.loss`, which needs torch; a test compares them."""

Parts = dict[str, float]


@dataclass(frozen=True)
class Memory:
    """The largest moment of a step, in one place.

    Attributes:
        moment: which: "loss", "backward" or "optimizer".
        parts: bytes by what they are for.
    """

    moment: str
    parts: dict[str, int]

    @property
    def peak(self) -> int:
        """Bytes of all parts."""
        return sum(self.parts.values())


def training_memory(
    architecture: Architecture, train: TrainConfig, *, bf16: bool, device: str = "cpu", stage: int = 0
) -> Memory:
    """What a place of the recipe's mesh needs.

    Args:
        architecture: the model.
        train: batch, mesh, optimizer, checkpointing.
        bf16: matrix products under autocast.
        device: "cpu" or "cuda".
        stage: the place's number in the pipeline; the first one keeps most activations, the last one has the head.
    """
    count = _Count(architecture, train, bf16, device, Share(architecture, train, stage))
    moments = [("loss", count.loss()), *(("backward", parts) for parts in count.backward())]
    moments += [("backward", count.embedding()), ("optimizer", count.optimizer())]
    moment, parts = max(moments, key=lambda one: sum(one[1].values()))
    return Memory(moment, {name: round(size) for name, size in parts.items()})


class _Count:
    """The moments of a step."""

    def __init__(self, architecture: Architecture, train: TrainConfig, bf16: bool, device: str, share: Share) -> None:
        self._model, self._train, self._bf16, self._device, self._share = architecture, train, bf16, device, share
        self._w = 2 if bf16 else 4
        self._weights = list(matrices(architecture, share.layers, first=share.is_first, last=share.is_last))
        self._held: dict[int | None, float] = defaultdict(float)
        self._cast: dict[int | None, float] = defaultdict(float)
        for one in self._weights:
            self._held[one.layer] += share.held(one)
            self._cast[one.layer] += share.held(one) if len(one.shape) > 1 else 0
        self._kept = [self._of_block(layer) for layer in share.layers]
        attention = any(architecture.has_attention(layer) for layer in share.layers)
        self._once = 4 * share.tokens * self._mask if attention else 0
        held = sum(self._held.values())
        self._always: Parts = {"weights": 4 * held, "optimizer": self._state()}
        self._always |= {} if train.average is None else {"average": 4 * held}

    def loss(self) -> Parts:
        """The forward pass is done, the last chunk of logits is there."""
        alone = self._train.accumulate == 1 and self._share.in_flight == 1
        last = 8 * self._model.d_model * self._share.tokens if self._share.is_last else 0
        kept = self._once + self._share.tokens * sum(self._kept) * self._share.in_flight + last
        return self._always | {
            "buffers": self._casts(self._share.layers),
            "gradients": 0 if alone else 4 * sum(self._held.values()),
            "activations": kept,
            "loss": max(self._chunk(), self._loss_backward()) if self._share.is_last else 0,
        }

    def backward(self) -> Iterator[Parts]:
        """Each block's backward pass, the last one's first."""
        alone = self._train.accumulate == 1 and self._share.in_flight == 1
        grads = 4 * (self._outside if alone else sum(self._held.values()))
        kept = self._once + self._share.tokens * sum(self._kept) * self._share.in_flight
        checkpointed = self._train.activation_checkpointing != "none"
        for index in reversed(range(len(self._kept))):
            layers = self._share.layers[: index + 1]
            working = self._recomputed(index) + self._in_backward(index)
            yield self._always | {
                "buffers": self._casts(layers[-1:] if checkpointed else layers),
                "gradients": grads,
                "activations": kept,
                "working": working,
            }
            kept -= self._share.tokens * self._kept[index]
            grads += 4 * self._held[layers[-1]] if alone else 0

    def embedding(self) -> Parts:
        """All blocks are done; a tied embedding's gradient is added to the head's."""
        alone = self._train.accumulate == 1 and self._share.in_flight == 1
        added = self._share.is_first and (self._model.tied or not alone)
        stream = 4 * self._model.d_model * self._share.tokens
        return self._always | {
            "buffers": 0 if self._share.shards == 1 else self._gathered,
            "gradients": 4 * sum(self._held.values()),
            "working": stream + (4 * self._share.embedding if added else 0),
        }

    def optimizer(self) -> Parts:
        """The update: Muon stacks matrices of one shape."""
        return self._always | {"gradients": 4 * sum(self._held.values()), "working": self._muon()}

    @property
    def _outside(self) -> float:
        """Numbers whose gradient is there when the blocks' backward pass begins: the head and the last norm."""
        untied = not self._model.tied and self._share.is_first
        return self._held[None] - (self._share.embedding / self._share.shards if untied else 0)

    def _state(self) -> float:
        """AdamW keeps two means, Muon one."""
        muon = self._train.optimizer.muon is not None
        return sum(self._share.held(one) * (4 if muon and one.for_muon else 8) for one in self._weights)

    def _casts(self, layers: Sequence[int]) -> float:
        """Under autocast every matrix of these blocks once more in bf16; sharded, two gathered blocks and the root."""
        if self._share.shards == 1:
            return 2 * sum(self._cast[layer] for layer in layers) if self._bf16 else 0
        return self._gathered

    @cached_property
    def _gathered(self) -> float:
        """Of sharded weights: what is outside of blocks, in float32, and two blocks, one fetched ahead."""
        blocks: dict[int | None, float] = defaultdict(float)
        for one in self._weights:
            blocks[one.layer] += self._share.gathered(one)
        outside = blocks.pop(None, 0.0)
        return 4 * outside + 2 * self._w * max(blocks.values(), default=0.0)

    def _of_block(self, layer: int) -> float:
        """Bytes a token kept of a block from its forward to its backward pass."""
        match self._train.activation_checkpointing:
            case "full":
                kept = block_input(self._model)
            case "selective":
                kept = kept_products(self._model, layer, bf16=self._bf16)
            case _:
                kept = self._unchecked(layer)
        return self._divided(kept)

    def _unchecked(self, layer: int) -> Kept:
        apart = self._device == "cpu" and not self._mask
        return kept_by_block(self._model, layer, bf16=self._bf16, mask=self._mask, in_documents=apart)

    def _divided(self, kept: Kept) -> float:
        return kept.divided(self._train.mesh.tensor, sequence=self._train.mesh.sequence)

    @property
    def _mask(self) -> float:
        """Keys a query's mask has."""
        length = self._model.context
        if self._train.mesh.context > 1:
            return length
        return 0 if self._device == "cuda" or length >= DOCUMENTS_FROM else length

    def _chunk(self) -> float:
        """The head's input, gradients of it and of the head, logits of a chunk."""
        tokens, width, head = self._share.tokens, self._model.d_model, self._share.head
        rows = min(tokens, max(LEAST_ROWS, CHUNK_LOGITS[self._device] // self._share.vocabulary))
        logits = rows * self._share.vocabulary
        before = self._w * logits if tokens > rows else 0
        hidden = (4 + self._w + (2 if self._bf16 else 0)) * tokens * width
        if not self._bf16:
            return hidden + 4 * head + 8 * logits + before
        product = 2 * logits + (2 if self._device == "cuda" else 6) * head  # a CPU adds bf16 to float32 through a copy
        return hidden + 6 * head + max(8 * logits + before, product)

    def _loss_backward(self) -> float:
        """Gradients of the head's input and of the head, kept and scaled."""
        return (
            2 * self._w * self._share.tokens * self._model.d_model + (8 + (2 if self._bf16 else 0)) * self._share.head
        )

    def _recomputed(self, index: int) -> float:
        """A checkpointed block's activations come back for its backward pass."""
        if self._train.activation_checkpointing == "none":
            return 0
        return self._share.tokens * (self._divided(self._unchecked(self._share.layers[index])) - self._kept[index])

    def _in_backward(self, index: int) -> float:
        """Gradients of the stream, of which autocast makes one more, and of gate and up."""
        experts, inner = self._model.experts, self._model.d_ff
        if experts is not None and self._model.has_experts(self._share.layers[index]):
            inner = (experts.per_token + experts.shared) * experts.d_ff
        stream = (12 if self._bf16 else 8) * self._model.d_model
        return self._share.tokens * (stream + 2 * self._w * inner / self._train.mesh.tensor)

    def _muon(self) -> float:
        """Directions, their stack normalized, and a round of Newton-Schulz, of all matrices of one shape."""
        if self._train.optimizer.muon is None:
            return 0
        alike: dict[tuple[int, ...], list[Matrix]] = {}
        for one in self._weights:
            if one.for_muon:
                alike.setdefault(one.shape, []).append(one)
        return max((self._stack(shape, len(ones)) for shape, ones in alike.items()), default=0)

    def _stack(self, shape: tuple[int, ...], count: int) -> float:
        number, side = count * prod(shape[:-2]), min(shape[-2:])
        elements, squares = number * prod(shape[-2:]), number * side * side
        share = self._share.muon_share
        return 4 * (elements + share * (4 * elements + 2 * squares))
