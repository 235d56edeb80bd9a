"""One optimizer step: forward and backward over the batches of a step, clipping, update.

    batches ─► loss of each (bf16 and compiled where chosen) ─► gradients summed ─► clipped ─► optimizer

The loss is the mean over all labelled tokens of the step, however many batches it is accumulated from.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ownlm.errors import LostError, TrainingError, first_line
from ownlm.model.decoder import IGNORED, Decoder
from ownlm.tokens.shards.batches import Batch
from ownlm.train.execution import Execution
from ownlm.train.optimizers import Optimizer
from ownlm.train.parallel.computation import Computation, OneProcess
from ownlm.train.parallel.failure import is_lost
from ownlm.train.parallel.layout import Layout


@dataclass(frozen=True)
class Measured:
    """What a step saw: sums, so that means over any number of steps are exact.

    Attributes:
        nats: sum of the cross-entropies of the labelled tokens.
        labels: how many labelled tokens.
        bytes: UTF-8 bytes those tokens stand for; special tokens stand for none.
        grad_norm: length of the gradient before clipping.
    """

    nats: float
    labels: int
    bytes: int
    grad_norm: float = 0.0

    @property
    def loss(self) -> float:
        """Nats per labelled token."""
        return self.nats / max(1, self.labels)

    @property
    def bits_per_byte(self) -> float:
        """Bits needed per byte of the labelled text, markers included in the cost."""
        return self.nats / math.log(2) / max(1, self.bytes)


def total(parts: Sequence[Measured]) -> Measured:
    """Sums of everything; the gradient's length is averaged."""
    return Measured(
        nats=math.fsum(part.nats for part in parts),
        labels=sum(part.labels for part in parts),
        bytes=sum(part.bytes for part in parts),
        grad_norm=math.fsum(part.grad_norm for part in parts) / max(1, len(parts)),
    )


class Stepper:
    """Trains a decoder, step by step.

    Args:
        decoder: the model, already on the execution's device.
        optimizer: of its weights.
        execution: precision and compilation.
        clip: longest gradient.
        token_bytes: bytes each token stands for, by id.
        layout: this process's place among those that train together. Every method is then called by all of them,
            each with its own rows of the same batches.
        computation: forward and backward as the layout divides them (`ownlm.train.parallel.place`).
    """

    def __init__(
        self,
        decoder: Decoder,
        optimizer: Optimizer,
        execution: Execution,
        clip: float,
        token_bytes: npt.NDArray[np.int64],
        layout: Layout | None = None,
        computation: Computation | None = None,
    ) -> None:
        self._optimizer, self._execution, self._clip = optimizer, execution, clip
        self._token_bytes, self._decoder = token_bytes, decoder
        experts = decoder.architecture.experts
        self._balances = experts is not None and experts.balance == "bias"
        self._load: Tensor | None = None
        self._layout = layout or Layout()
        self._computation = computation or OneProcess(decoder, execution)

    def step(self, batches: Sequence[Batch], factor: float) -> Measured:
        """One update at `factor` times the peak learning rate: `gradient`, then `update`.

        Returns:
            What was seen. If the loss or the gradient is not finite, nothing is updated: the caller looks at it.

        Raises:
            TrainingError: when the machine refuses: out of memory, or the compiler fails.
        """
        measured = self.gradient(batches)
        if math.isfinite(measured.nats) and math.isfinite(measured.grad_norm):
            self.update(factor)
        else:
            self.drop()
        return measured

    def gradient(self, batches: Sequence[Batch]) -> Measured:
        """The gradient of a step, clipped, in every weight's `grad`; follow it with `update` or `drop`.

        Returns:
            What was seen, summed over all processes.

        Raises:
            TrainingError: when the machine refuses: out of memory, or the compiler fails.
        """
        labels, size = self._counts(batches)
        try:
            self._load, parts = None, []
            for batch in batches:
                parts.append(self._computation.backward(self._tensors(batch), labels))
                self._count_experts()
            nats = self._summed(parts)
            norm = self._computation.clip(self._clip)
        except RuntimeError as error:  # torch's out-of-memory and compiler errors are RuntimeErrors
            if is_lost(error):
                raise LostError(
                    f"another process of this run is gone: {first_line(error)}",
                    advice="the same command goes on from the last checkpoint",
                ) from error
            raise TrainingError(
                f"the {self._execution.device} refused a training step: {str(error).splitlines()[0]}",
                advice="lower train.batch and raise train.accumulate, or set train.compile to off",
            ) from error
        return Measured(nats, labels, size, norm)

    def update(self, factor: float) -> None:
        """Move the weights along the gradient, at `factor` times the peak learning rate, and forget it."""
        self._optimizer.step(factor)
        self.drop()
        if self._load is not None:
            summed = self._layout.total(self._load.double().flatten().tolist())
            self._decoder.balance(torch.tensor(summed).view_as(self._load))

    def drop(self) -> None:
        """Forget the gradient: the weights stay."""
        for weight in self._computation.weights():
            weight.grad = None

    @torch.no_grad()
    def evaluate(self, batches: Sequence[Batch]) -> Measured:
        """The loss on batches, without an update. Not compiled: it would cost a second start-up."""
        parts = [self._computation.measure(self._tensors(batch)) for batch in batches]
        labels, size = self._counts(batches)
        return Measured(self._summed(parts), labels, size)

    def _summed(self, parts: Sequence[Tensor]) -> float:
        """Over batches and processes; the one transfer from the device."""
        (nats,) = self._layout.total([math.fsum(torch.cat(list(parts)).tolist())])
        return nats

    def _count_experts(self) -> None:
        """Add up what the last batch's tokens chose, where that balances the experts."""
        if self._balances:
            load = self._computation.expert_load()
            assert load is not None
            self._load = load if self._load is None else self._load + load

    def _counts(self, batches: Sequence[Batch]) -> tuple[int, int]:
        """Labels, and bytes they stand for, over all processes."""
        labels = sum(int((batch.labels_BL != IGNORED).sum()) for batch in batches)
        counts = self._layout.sum([labels, sum(self._bytes(batch) for batch in batches)])
        return int(counts[0]), int(counts[1])

    def _tensors(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        device = self._execution.device
        arrays = (batch.tokens_BL, batch.labels_BL, batch.segments_BL)
        tokens_BL, labels_BL, segments_BL = (torch.from_numpy(array).to(device) for array in arrays)
        return tokens_BL, labels_BL, segments_BL

    def _bytes(self, batch: Batch) -> int:
        labels = batch.labels_BL[batch.labels_BL != IGNORED]
        return int(self._token_bytes[labels].sum())
