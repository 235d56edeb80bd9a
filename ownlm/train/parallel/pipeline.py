"""Pipeline parallel: stages of consecutive layers, each in a process, a batch going through in parts.

    1f1b          one forward, one backward in turn (PipeDream-Flush, arXiv 2006.09503): least memory
    interleaved   two stages a process, half as deep (arXiv 2104.04473): less waiting, more traffic
    gpipe         all forwards, then all backwards (arXiv 1811.06965)

`torch.distributed.pipelining` does the work. Labels and segments are known to every process, so every stage gets its
own from its own rows. An embedding that is tied to the head exists twice, in the first and in the last stage: both
start equal, their gradients are summed, so they stay equal.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.distributed.pipelining import PipelineStage, Schedule1F1B, ScheduleGPipe, ScheduleInterleaved1F1B

from ownlm.model.decoder import Decoder
from ownlm.train.execution import Execution
from ownlm.train.parallel.computation import Rows
from ownlm.train.parallel.gradients import clip, local, settle
from ownlm.train.parallel.layout import MeshLayout
from ownlm.train.parallel.stage import Stage


def stages_of(layout: MeshLayout) -> list[int]:
    """The numbers of this process's stages."""
    config = layout.config
    return list(range(layout.mesh["pipeline"].get_local_rank(), config.stages, config.pipeline))


class Pipelined:
    """See `ownlm.train.parallel.computation.Computation`.

    Args:
        decoder: all layers of this process.
        stages: of this process, distributed.
        indices: their numbers.
        execution: precision; blocks are compiled already where chosen.
        layout: of this process.
        rows: of a training batch, over all processes.
    """

    def __init__(
        self,
        decoder: Decoder,
        stages: list[Stage],
        indices: list[int],
        execution: Execution,
        layout: MeshLayout,
        rows: int,
    ) -> None:
        self._decoder, self._stages, self._execution, self._layout = decoder, stages, execution, layout
        self._divisor, self._nats = 1, list[Tensor]()
        self._micro = layout.config.microbatches_of(rows)
        count = layout.config.stages
        part = len(layout.rows(rows)) // self._micro
        group = layout.mesh["pipeline"].get_group()
        pipes: list[Any] = [
            self._pipe(stage, index, count, part, group) for stage, index in zip(stages, indices, strict=True)
        ]
        settings: dict[str, Any] = {"n_microbatches": self._micro, "loss_fn": self._loss, "scale_grads": False}
        self._schedule: Any
        if layout.config.schedule == "interleaved":
            self._schedule = ScheduleInterleaved1F1B(pipes, **settings)
        else:
            kind = ScheduleGPipe if layout.config.schedule == "gpipe" else Schedule1F1B
            self._schedule = kind(pipes[0], **settings)
        self._is_first, self._is_last = 0 in indices, count - 1 in indices
        self._twins = self._twin_group() if decoder.architecture.tied else None

    def backward(self, rows: Rows, labels: int) -> Tensor:
        """See `Computation`."""
        self._divisor = max(1, labels)
        for stage in self._stages:
            stage.labels, stage.load = self._divisor, None
        return self._run(self._schedule.step, rows)

    @torch.no_grad()
    def measure(self, rows: Rows) -> Tensor:
        """See `Computation`."""
        return self._run(self._schedule.eval, rows)

    def expert_load(self) -> Tensor | None:
        """See `Computation`: of all parts of the batch."""
        loads = [stage.load for stage in self._stages if stage.load is not None]
        return torch.stack(loads).sum(0) if loads else None

    def clip(self, longest: float) -> float:
        """See `Computation`."""
        settle(self._decoder.parameters())
        twin = self._twin()
        if twin is not None and twin.grad is not None and self._twins is not None:
            distributed.all_reduce(local(twin.grad), group=self._twins)
        once = [weight for weight in self._decoder.parameters() if self._is_first or weight is not twin]
        norm = clip(once, longest, self._layout.world // self._layout.config.pipeline)
        factor = longest / (norm + 1e-6)
        if twin is not None and twin.grad is not None and not self._is_first and not factor >= 1:
            local(twin.grad).mul_(factor)
        return norm

    def weights(self) -> Iterator[nn.Parameter]:
        """See `Computation`."""
        return self._decoder.parameters()

    def _run(self, step: Any, rows: Rows) -> Tensor:
        tokens_BL, labels_BL, segments_BL = rows
        self._nats = []
        first = (tokens_BL,) if self._is_first else ()
        with self._execution.autocast():
            step(*first, target=labels_BL, labels_BL=labels_BL, segments_BL=segments_BL, return_outputs=False)
        return torch.stack(self._nats) if self._nats else torch.zeros(0, device=self._execution.device)

    def _loss(self, loss: Tensor, labels_BL: Tensor) -> Tensor:
        """Called by the schedule, in the last stage, for every part of a batch."""
        self._nats.append(loss[1].detach())
        return loss[0] / self._divisor

    def _pipe(self, stage: Stage, index: int, count: int, rows: int, group: Any) -> PipelineStage:
        """With the shapes that go between stages said beforehand, so that no extra pass finds them out."""
        architecture, device = self._decoder.architecture, torch.device(self._execution.device)
        length = architecture.context // self._layout.config.context
        if self._layout.config.sequence:
            length //= self._layout.config.tensor
        x_BLD = torch.empty(rows, length, architecture.d_model, device="meta", requires_grad=True)
        tokens_BL = torch.empty(rows, architecture.context, device="meta", dtype=torch.int64)
        return PipelineStage(
            stage,
            index,
            count,
            device,
            input_args=tokens_BL if index == 0 else x_BLD,
            output_args=torch.empty(2, device="meta", requires_grad=True) if index == count - 1 else x_BLD,
            group=group,
        )

    def _twin(self) -> Tensor | None:
        """This process's copy of a tied embedding."""
        if not self._decoder.architecture.tied:
            return None
        if self._is_first:
            return self._decoder.embed_tokens.weight
        return self._decoder.lm_head.weight if self._is_last else None

    def _twin_group(self) -> distributed.ProcessGroup | None:
        """The first and the last stage, of the same place in all else."""
        mesh = self._layout.mesh.mesh.flatten(1)
        mine = None
        for first, last in zip(mesh[0].tolist(), mesh[-1].tolist(), strict=True):
            group = distributed.new_group([first, last])
            if self._layout.rank in (first, last):
                mine = group
        return mine
