"""`RunState`: all that a run is made of besides data and settings: saved, put back, taken back to an earlier step.

weights/NAME  optimizer/NAME/KEY  average/NAME     tensors
position, execution, origin, observers             plain values
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import JsonValue

from ownlm.errors import ArtifactError, TrainingError
from ownlm.model.decoder import Decoder
from ownlm.pipeline.tracking.log import MetricLog
from ownlm.train.average import Average
from ownlm.train.checkpoint import CheckpointFolder, Saver, Stored
from ownlm.train.checkpoint.parts import fill, state_for, without_tied_head
from ownlm.train.execution import Execution
from ownlm.train.observer import Observer, Rewind
from ownlm.train.optimizers import Optimizer
from ownlm.train.parallel.layout import Layout
from ownlm.train.position import Position

_WEIGHTS, _OPTIMIZER, _AVERAGE = "weights/", "optimizer/", "average/"


class RunState:
    """The state of one run, and the checkpoints it is kept in. With several processes all call every method.

    Args:
        decoder: the freshly initialized model, on the execution's device.
        optimizer: of its weights.
        average: of its weights, if one is wanted.
        checkpoints: where to continue from.
        metrics: numbers over time: those after a checkpoint are dropped when it is put back.
        execution: how this machine computes.
        layout: this process's place among those that train together.
        branch: a checkpoint of another run to start from.
        origin: of the model and the data: a checkpoint of another origin is not branched from.
        observers: whose state is kept, too.
    """

    def __init__(
        self,
        decoder: Decoder,
        optimizer: Optimizer,
        average: Average | None,
        checkpoints: CheckpointFolder,
        metrics: MetricLog,
        execution: Execution,
        layout: Layout,
        branch: Stored | None = None,
        origin: str = "",
        observers: Sequence[Observer] = (),
    ) -> None:
        self._decoder, self._optimizer, self._average = decoder, optimizer, average
        self._checkpoints, self._metrics, self._saver = checkpoints, metrics, Saver(checkpoints)
        self._execution, self._layout = execution, layout
        self._branch, self._origin, self._observers = branch, origin, list(observers)

    def save(self, position: Position) -> None:
        """Take a checkpoint; it is written while training goes on.

        Raises:
            StorageError: when those before could not be written; see `Saver`.
        """
        parts = {_WEIGHTS: self._decoder.state_dict(), _OPTIMIZER: self._optimizer.state()}
        if self._average is not None:
            parts[_AVERAGE] = self._average.state()
        tensors = {
            prefix + name: tensor
            for prefix, part in parts.items()
            for name, tensor in without_tied_head(self._decoder, part).items()
        }
        progress: dict[str, JsonValue] = {
            "position": position.to_json(),
            "execution": self._layout.execution(self._execution.to_json()),
            "origin": self._origin,
            "observers": {observer.name: observer.state() for observer in self._observers},
        }
        self._saver.save(position.step, tensors, progress)

    def settle(self) -> None:
        """Wait until the last checkpoint is durable; raises as `save`."""
        self._saver.wait()

    def close(self) -> None:
        """Leave no thread behind, however the run ended."""
        self._saver.join()

    def resume(self) -> Position:
        """Put back the newest checkpoint's state; without one, that of the branch; else begin.

        Raises:
            ArtifactError: when the branch is of another model or of other data.
        """
        found = self._checkpoints.newest()
        if found is not None:
            self._saver.resumed()
            position = self._restore(found)
            position.resumed.append(position.step)
        elif self._branch is not None:
            position = self._branched(self._branch)
        else:
            position = Position()
            self._metrics.rewind(0)
            if any(observer.rewinds for observer in self._observers):
                self.save(position)
        for observer in self._observers:
            observer.started(position)
        return position

    def rewind(self, position: Position, action: Rewind) -> Position:
        """Go back to a checkpoint and leave data out.

        What came after is dropped before the new state is saved: killed in between, the resumed run takes the old way
        again, comes to the same decision, and finds the same checkpoint to go back to.

        Raises:
            TrainingError: when no checkpoint is old enough, or nothing that is still to be read is left out.
        """
        self.settle()
        found = self._checkpoints.newest(until=action.step)
        if found is None:
            raise TrainingError(
                f"step {position.step} asks to go back to step {action.step}, but no checkpoint that old is kept",
                where=self._checkpoints.where,
                advice="lower train.checkpoints.every, raise keep_last, or rewind fewer steps",
            )
        back = self._restore(found)
        try:
            back.leave_out({position.data_step(number - 1) for number in action.leave_out})
        except ValueError as error:
            raise TrainingError(
                f"a rewind from step {position.step} to {back.step} must leave out the data of later steps, "
                f"not of {action.leave_out}",
                where=f"step {position.step}",
                advice="rewind further back, or skip the batch instead",
            ) from error
        back.seconds = position.seconds
        back.rewound = [*position.rewound, (position.step, back.step)]
        for observer in self._observers:
            observer.started(back)
        self._checkpoints.drop_after(back.step)
        self.save(back)
        return back

    def _branched(self, branch: Stored) -> Position:
        """Take over another run's state, and the data where it stood.

        Raises:
            ArtifactError: when its model or its data are others.
        """
        if branch.progress["origin"] != self._origin:
            raise ArtifactError(
                f"the checkpoint of step {branch.step} is of another model, or of other data, batches or optimizer",
                where="train.branch",
                advice="branch with the recipe of that run: only steps and schedule may differ",
            )
        position = self._restore(branch)
        position.resumed = []
        return position

    def _restore(self, found: Stored) -> Position:
        """Put back a checkpoint's state; metrics logged after it are dropped."""
        fill(self._decoder, found.part(_WEIGHTS))
        self._optimizer.load(state_for(self._decoder, found.part(_OPTIMIZER)))
        if self._average is not None:
            self._average.load(state_for(self._decoder, found.part(_AVERAGE)))
        self._metrics.rewind(found.step)
        progress: dict[str, Any] = found.progress
        for observer in self._observers:
            if observer.name in progress["observers"]:
                observer.load(progress["observers"][observer.name])
        position = Position.from_json(found.step, progress["position"])
        position.moved |= progress["execution"] != self._layout.execution(self._execution.to_json())
        return position
