"""What single tokens and documents did in a step, in every layout: losses and gradients, without an update.

    rows of this place ─► forward, backward as in training ─► nats of its tokens ─┐
    other places ...                                                              ├─► sum ─► nats_RL of the whole step
                                                                                  ┘
    labels of one document only ─► forward, backward ─► that document's gradient, exactly: its length, and how much of
                                                        the step's gradient points its way

Every process of a layout calls these alike. Passes go backward as well as forward, though the first gradient is thrown
away: they are then the passes of training, in the same shapes (nothing is compiled anew, sharded weights are put away
again), and the losses are those of training. Gradients that stand in `weight.grad` are put aside and back.

Shapes: R rows of a step, L context.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, distributed, nn

from ownlm.model.decoder import IGNORED
from ownlm.tokens.shards.batches import Batch
from ownlm.tokens.shards.sizes import RankShare
from ownlm.train.loss import token_nats
from ownlm.train.observer import Parts
from ownlm.train.parallel.context import Part
from ownlm.train.parallel.gradients import local, shards

Gradient = dict[nn.Parameter, Tensor]


@dataclass(frozen=True)
class Pull:
    """The gradient of one document's part of a step's loss.

    Attributes:
        norm: its length.
        share: of the step's gradient, the part along it that comes from this document; all documents' sum up to 1.
    """

    norm: float
    share: float


def passes(parts: Parts, data_step: int) -> list[tuple[range, Batch]]:
    """The forward passes of this process over a step's rows: which rows, and their tokens; as the loop makes them."""
    config = parts.layout.config
    share = RankShare(parts.layout.rows(config.row_parts).start, config.row_parts)
    rows = share.rows(len(parts.batches.samples_of(data_step)))
    size = max(1, parts.settings.batch // config.row_parts)
    found = []
    for start in range(rows.start, rows.stop, size):
        part = range(start, min(start + size, rows.stop))
        found.append((part, parts.batches.rows(data_step, part)))
    return found


def token_losses(parts: Parts, data_step: int) -> npt.NDArray[np.float32]:
    """Each token's cross-entropy in a step's rows, nats_RL; 0 without a label. The same on every process."""
    shape = len(parts.batches.samples_of(data_step)), parts.batches.context
    nats_RL = torch.zeros(shape, dtype=torch.float32)
    with aside(parts):
        for rows, batch in passes(parts, data_step):
            with token_nats() as kept:
                parts.computation.backward(_tensors(parts, batch), 1)
            if kept and _counts(parts):
                nats_RL[rows.start : rows.stop, _columns(parts)] = torch.cat(kept).float().cpu().view(len(rows), -1)
    return _summed(parts, nats_RL).numpy()


def pulls(
    parts: Parts, data_step: int, masks: Sequence[npt.NDArray[np.bool_]], labels: int, gradient: Gradient, scale: float
) -> list[Pull]:
    """The gradients of documents.

    Args:
        parts: of the run.
        data_step: the step's data.
        masks: each document's labels among the step's rows, [R, L].
        labels: of the whole step, by which its loss was divided.
        gradient: of the step, as `aside` gave it.
        scale: what it was multiplied by when it was clipped.
    """
    found = []
    length = inner(parts, gradient, gradient)
    with aside(parts):
        mine = passes(parts, data_step)
        for mask_RL in masks:
            for number, (rows, batch) in enumerate(mine):
                if _anywhere(parts, mask_RL, number, len(rows)):
                    _backward(parts, batch, mask_RL[rows.start : rows.stop], labels)
            norm = parts.computation.clip(math.inf)
            dot = inner(parts, current(parts), gradient)
            found.append(Pull(norm, dot * scale / length if length > 0 else math.nan))
            _clear(parts)
    return found


def layer_norms(parts: Parts, gradient: Gradient, scale: float) -> dict[str, float]:
    """The length of a gradient's part in the embedding, each layer, the last norm and the head.

    Args:
        parts: of the run.
        gradient: of a step.
        scale: what it was multiplied by.
    """
    names = ["embed_tokens", *(f"layers.{n}" for n in range(parts.decoder.architecture.layers)), "norm", "lm_head"]
    squares = torch.zeros(len(names), dtype=torch.float64)
    for name, weight in once(parts):
        if weight in gradient:
            group = ".".join(name.split(".")[: 2 if name.startswith("layers.") else 1])
            squares[names.index(group)] += _dot(parts, gradient[weight], gradient[weight])
    lengths = (_summed(parts, squares).sqrt() / scale).tolist()
    return {name: length for name, length in zip(names, lengths, strict=True) if length > 0 or name != "lm_head"}


def inner(parts: Parts, one: Gradient, other: Gradient) -> float:
    """The inner product of two gradients, over all processes."""
    total = sum(_dot(parts, one[w], other[w]) for _, w in once(parts) if w in one and w in other)
    return float(_summed(parts, torch.tensor([total], dtype=torch.float64))[0])


def current(parts: Parts) -> Gradient:
    """What stands in `weight.grad`, of the weights this process holds."""
    return {weight: weight.grad for weight in parts.computation.weights() if weight.grad is not None}


@contextmanager
def aside(parts: Parts) -> Iterator[Gradient]:
    """The gradients that are there are put aside while the block runs, and back afterwards."""
    before = current(parts)
    _clear(parts)
    try:
        yield before
    finally:
        _clear(parts)
        for weight, grad in before.items():
            weight.grad = grad


def once(parts: Parts) -> Iterator[tuple[str, nn.Parameter]]:
    """The weights of this process by name; of a tied embedding that two stages hold, the first stage's."""
    named = dict(parts.decoder.named_parameters())
    for name, weight in named.items():
        if name == "lm_head.weight" and parts.decoder.architecture.tied and "embed_tokens.weight" not in named:
            continue
        yield name, weight


def _dot(parts: Parts, one: Tensor, other: Tensor) -> float:
    """This process's part of an inner product: what several hold alike is divided among them."""
    holders = parts.layout.world // parts.layout.config.pipeline
    product = torch.dot(local(one).flatten().double(), local(other).flatten().double())
    return product.item() * shards(one) / holders


def _backward(parts: Parts, batch: Batch, mask_BL: npt.NDArray[np.bool_], labels: int) -> None:
    """Add the gradient of some labels. One process leaves out the rows that have none of them."""
    rows = mask_BL.any(axis=1) if parts.layout.mesh is None else np.ones(len(mask_BL), dtype=np.bool_)
    labels_BL = np.where(mask_BL, batch.labels_BL, IGNORED)
    chosen = Batch(batch.tokens_BL[rows], labels_BL[rows], batch.segments_BL[rows])
    if parts.layout.mesh is None:
        with torch.compiler.set_stance("force_eager"):
            parts.computation.backward(_tensors(parts, chosen), labels)
    else:
        parts.computation.backward(_tensors(parts, chosen), labels)


def _anywhere(parts: Parts, mask_RL: npt.NDArray[np.bool_], number: int, size: int) -> bool:
    """Whether any process has one of these labels in its pass of this number: then all must take part."""
    count = parts.layout.config.row_parts
    for part in range(count):
        rows = RankShare(part, count).rows(len(mask_RL))
        if mask_RL[rows.start + number * size : min(rows.start + (number + 1) * size, rows.stop)].any():
            return True
    return False


def _tensors(parts: Parts, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    arrays = (batch.tokens_BL, batch.labels_BL, batch.segments_BL)
    tokens_BL, labels_BL, segments_BL = (torch.from_numpy(array).to(parts.execution.device) for array in arrays)
    return tokens_BL, labels_BL, segments_BL


def _columns(parts: Parts) -> Tensor:
    """The positions of a row that this process measures."""
    if parts.layout.mesh is None or parts.layout.config.context == 1:
        return torch.arange(parts.batches.context)
    return Part.of(parts.batches.context, parts.layout.mesh["context"], torch.device("cpu")).positions_L


def _counts(parts: Parts) -> bool:
    """Whether this process's losses count: all places of a tensor group measure the same."""
    return parts.layout.mesh is None or parts.layout.mesh["tensor"].get_local_rank() == 0


def _summed(parts: Parts, values: Tensor) -> Tensor:
    """The sum over all processes, on the CPU."""
    if parts.layout.mesh is None:
        return values
    values = values.to(parts.execution.device)
    distributed.all_reduce(values)
    return values.cpu()


def _clear(parts: Parts) -> None:
    for weight in parts.computation.weights():
        weight.grad = None
