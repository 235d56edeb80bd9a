"""`OneStage`: all layers in one process group: data, tensor and context parallel in any combination."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from ownlm.train.execution import Execution
from ownlm.train.parallel.computation import Rows
from ownlm.train.parallel.gradients import clip, settle
from ownlm.train.parallel.layout import MeshLayout
from ownlm.train.parallel.stage import Stage


class OneStage:
    """See `ownlm.train.parallel.computation.Computation`.

    Args:
        stage: the whole model, distributed.
        execution: precision; blocks are compiled already where chosen.
        layout: of this process.
    """

    def __init__(self, stage: Stage, execution: Execution, layout: MeshLayout) -> None:
        self._stage, self._execution, self._layout = stage, execution, layout

    def backward(self, rows: Rows, labels: int) -> Tensor:
        """See `Computation`."""
        with self._execution.autocast():
            minimized, nats = self._stage(*rows)
        (minimized / max(1, labels)).backward()
        measured: Tensor = nats.detach()
        return measured.view(1)

    @torch.no_grad()
    def measure(self, rows: Rows) -> Tensor:
        """See `Computation`."""
        with self._execution.autocast():
            loss: Tensor = self._stage(*rows)
            return loss[1].view(1)

    def expert_load(self) -> Tensor | None:
        """See `Computation`."""
        return self._stage.decoder.expert_load()

    def clip(self, longest: float) -> float:
        """See `Computation`."""
        settle(self.weights())
        return clip(self.weights(), longest, self._layout.world)

    def weights(self) -> Iterator[nn.Parameter]:
        """See `Computation`."""
        return self._stage.parameters()
