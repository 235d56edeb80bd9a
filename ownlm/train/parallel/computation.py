"""`Computation`: forward and backward of a model as a layout divides it. One process: the decoder itself.

Stepper ─► Computation.backward(batch) ─┬─ one process        the decoder, blocks compiled where chosen
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
from ownlm.train.loss import linear_cross_entropy

Rows = tuple[Tensor, Tensor, Tensor]
"""tokens_BL, labels_BL, segments_BL of this process's rows, on its device."""


class Computation(Protocol):
    """What a step does with the model. With several processes every method is called by all of them."""

    def backward(self, rows: Rows, labels: int) -> Tensor:
        """Add (nats of the rows / labels)'s gradient; returns the nats this process measured itself, in parts, [P].

        They stay on the device: nobody waits for them in the middle of a step.
        """

    def measure(self, rows: Rows) -> Tensor:
        """The nats this process measured itself, in parts, [P], without a gradient."""

    def expert_load(self) -> Tensor | None:
        """How many tokens of the last `backward` chose each expert: see `Decoder.expert_load`."""

    def clip(self, longest: float) -> float:
        """Scale the summed gradient to at most this length; returns its length before."""

    def weights(self) -> Iterator[nn.Parameter]:
        """What this process holds."""


class OneProcess:
    """A whole decoder in one process.

    Args:
        decoder: on the execution's device.
        execution: precision; blocks are compiled already where chosen.
        z_loss: see `ownlm.train.loss`.
    """

    def __init__(self, decoder: Decoder, execution: Execution, z_loss: float = 0.0) -> None:
        self._decoder, self._execution, self._z_loss = decoder, execution, z_loss

    def backward(self, rows: Rows, labels: int) -> Tensor:
        """See `Computation`."""
        minimized, nats = self._loss(rows)
        auxiliary = self._decoder.auxiliary()
        if auxiliary is not None:
            minimized = minimized + auxiliary
        (minimized / max(1, labels)).backward()  # type: ignore[no-untyped-call]
        return nats.detach().view(1)

    @torch.no_grad()
    def measure(self, rows: Rows) -> Tensor:
        """See `Computation`. Not compiled: it would cost a second start-up."""
        with torch.compiler.set_stance("force_eager"):
            return self._loss(rows)[1].view(1)

    def _loss(self, rows: Rows) -> tuple[Tensor, Tensor]:
        tokens_BL, labels_BL, segments_BL = rows
        with self._execution.autocast():
            hidden_BLD = self._decoder.hidden(tokens_BL, segments_BL)
            return linear_cross_entropy(
                hidden_BLD.flatten(0, 1),
                self._decoder.head_weight,
                labels_BL.flatten(),
                z_loss=self._z_loss,
                compiled=self._execution.compiled and self._execution.device == "cuda",
            )

    def expert_load(self) -> Tensor | None:
        """See `Computation`."""
        return self._decoder.expert_load()

    def clip(self, longest: float) -> float:
        """See `Computation`."""
        return torch.nn.utils.clip_grad_norm_(self._decoder.parameters(), longest).item()

    def weights(self) -> Iterator[nn.Parameter]:
        """See `Computation`."""
        return self._decoder.parameters()
