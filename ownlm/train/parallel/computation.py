"""`Computation`: forward and backward of a model as a layout divides it. One process: the decoder itself.

Stepper ─► Computation.backward(batch) ─┬─ one process        decoder.loss_sum, compiled where chosen
                                        ├─ one stage          Stage under data, tensor, context parallel
                                        └─ several stages     torch.distributed.pipelining (pipeline.py)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor, nn

from ownlm.model.decoder import Decoder
from ownlm.train.execution import Execution

Rows = tuple[Tensor, Tensor, Tensor]
"""tokens_BL, labels_BL, segments_BL of this process's rows, on its device."""


class Computation(Protocol):
    """What a step does with the model. With several processes every method is called by all of them."""

    def backward(self, rows: Rows, labels: int) -> float:
        """Add (nats of the rows / labels)'s gradient; returns the nats this process measured itself."""

    def measure(self, rows: Rows) -> float:
        """The nats this process measured itself, without a gradient."""

    def clip(self, longest: float) -> float:
        """Scale the summed gradient to at most this length; returns its length before."""

    def weights(self) -> Iterator[nn.Parameter]:
        """What this process holds."""


class OneProcess:
    """A whole decoder in one process.

    Args:
        decoder: on the execution's device.
        execution: precision and compilation.
    """

    def __init__(self, decoder: Decoder, execution: Execution) -> None:
        self._decoder, self._execution = decoder, execution
        compiled = torch.compile(decoder.loss_sum, dynamic=False) if execution.compiled else None
        self._loss = compiled or decoder.loss_sum

    def backward(self, rows: Rows, labels: int) -> float:
        """See `Computation`."""
        with self._execution.autocast():
            nats = self._loss(*rows)
        (nats / max(1, labels)).backward()  # type: ignore[no-untyped-call]
        return nats.item()

    def measure(self, rows: Rows) -> float:
        """See `Computation`. Not compiled: it would cost a second start-up."""
        with self._execution.autocast():
            return self._decoder.loss_sum(*rows).item()

    def clip(self, longest: float) -> float:
        """See `Computation`."""
        return torch.nn.utils.clip_grad_norm_(self._decoder.parameters(), longest).item()

    def weights(self) -> Iterator[nn.Parameter]:
        """See `Computation`."""
        return self._decoder.parameters()
