"""The loop: data in, weights out, checkpoints on the way.

    start or newest checkpoint ─► [ step ─► observers ─► log ─► held-out ─► checkpoint ] ─► trained
                        ▲                      │
                        └────── rewind ◄───────┘

All state is the weights, the optimizer's tensors, the observers' state and the `Position`; data and learning rate are
functions of the position. So a run that continues from a checkpoint is, bit for bit, the run that was never stopped, on
the same kind of machine with the same execution (`ownlm.train.execution`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import Any

from pydantic import JsonValue

from ownlm.errors import ArtifactError, TrainingError
from ownlm.model.decoder import Decoder
from ownlm.model.load import put_weights
from ownlm.pipeline.progress import Progress, Task
from ownlm.pipeline.tracking.log import MetricLog
from ownlm.tokens.shards.batches import Batch, Batches
from ownlm.tokens.shards.loader import open_loader
from ownlm.tokens.shards.sizes import RankShare
from ownlm.train.average import Average
from ownlm.train.branch import decaying_from
from ownlm.train.checkpoint import Checkpoint, CheckpointFolder, split_tensors
from ownlm.train.config import TrainConfig
from ownlm.train.execution import Execution
from ownlm.train.observer import Action, Observer, Rewind, Skip, Stop, strongest
from ownlm.train.optimizers import Optimizer
from ownlm.train.parallel.layout import Layout
from ownlm.train.parallel.state import mine, put, whole
from ownlm.train.position import Position
from ownlm.train.schedule import learning_rate
from ownlm.train.step import Measured, Stepper, total

_WEIGHTS, _OPTIMIZER, _AVERAGE = "weights/", "optimizer/", "average/"
_DOCUMENTS_NAMED = 8


class Trainer:
    """One training run.

    Args:
        config: the recipe's settings.
        decoder: the freshly initialized model, on the execution's device.
        execution: how this machine computes.
        batches: the training data.
        heldout: the batches of the small held-out measurement; empty: none.
        stepper: does the steps of this decoder.
        optimizer: the stepper's.
        checkpoints: where to continue from.
        metrics: where numbers over time go.
        progress: where the rate and time left are shown.
        observers: asked in every step, in this order.
        average: of the decoder's weights, if one is wanted; it is measured in place of them.
        layout: this process's place among those that train together.
        branch: a checkpoint of another run to start from; the schedule decays from there on.
        origin: of the model and the data: a checkpoint of another origin is not branched from.
    """

    def __init__(
        self,
        config: TrainConfig,
        decoder: Decoder,
        execution: Execution,
        batches: Batches,
        heldout: Sequence[Batch],
        stepper: Stepper,
        optimizer: Optimizer,
        checkpoints: CheckpointFolder,
        metrics: MetricLog,
        progress: Progress,
        observers: Sequence[Observer] = (),
        average: Average | None = None,
        layout: Layout | None = None,
        branch: Checkpoint | None = None,
        origin: str = "",
    ) -> None:
        self._config, self._decoder, self._execution = config, decoder, execution
        self._batches, self._heldout = batches, heldout
        self._stepper, self._optimizer = stepper, optimizer
        self._checkpoints, self._metrics, self._progress = checkpoints, metrics, progress
        self._observers, self._average = list(observers), average
        self._layout = layout or Layout()
        self._branch, self._origin, self._schedule = branch, origin, config.schedule
        if branch is not None:
            self._schedule = decaying_from(config.schedule, branch.step, config.steps)
        self._logged = time.monotonic()

    def run(self) -> Position:
        """Train to the last step, from the newest checkpoint if there is one.

        Raises:
            TrainingError: when the loss or the gradient is not a number, or the device refuses.
            StorageError: when a checkpoint or a metric cannot be written.
            OwnlmError: what an observer stops the run with.
        """
        position = self._resume()
        with self._progress.task("train", total=self._tokens(0, self._config.steps), unit="tokens") as task:
            task.advance(self._tokens(0, position.step))
            while position.step < self._config.steps:
                action = self._stretch(position, task)
                if isinstance(action, Stop):
                    if action.save:
                        self._save(position)
                    raise action.error
                if isinstance(action, Rewind):
                    left = position.step
                    position = self._rewind(position, action)
                    task.advance(-self._tokens(position.step, left))
        for observer in self._observers:
            observer.finished(position)
        return position

    def _stretch(self, position: Position, task: Task) -> Action | None:
        """Steps whose data follow each other: to the end, to where data are left out, or to an observer's action."""
        config = self._config
        first, end = position.contiguous(config.steps)
        self._logged = time.monotonic()
        with (
            self._batches.fetched_ahead(first),
            open_loader(self._batches, config.loader, first, end, self._share()) as data,
        ):
            for step in data:
                started = time.monotonic()
                action = self._one_step(position, self._passes(step))
                if action is not None:
                    return action
                task.advance(self._tokens(position.step - 1, position.step))
                if position.step % config.log_every == 0 or position.step == config.steps:
                    self._log(position, task)
                position.seconds += time.monotonic() - started
                if position.step % config.checkpoint_every == 0 or position.step == config.steps:
                    self._save(position)
        return None

    def _share(self) -> RankShare | None:
        """Which rows of every step this process reads; None: all."""
        parts = self._layout.config.row_parts
        return None if parts == 1 else RankShare(self._layout.rows(parts).start, parts)

    def _passes(self, step: Batch) -> list[Batch]:
        """A step's rows as the batches of its forward passes."""
        rows, size = len(step.tokens_BL), max(1, self._config.batch // self._layout.config.row_parts)
        parts = [slice(start, start + size) for start in range(0, rows, size)]
        return [Batch(step.tokens_BL[part], step.labels_BL[part], step.segments_BL[part]) for part in parts]

    def _tokens(self, first: int, end: int) -> int:
        """Tokens of the steps from `first` until before `end`, over all processes."""
        sizes = self._batches.sizes
        return (sizes.samples(end).start - sizes.samples(first).start) * self._batches.context

    def _one_step(self, position: Position, batches: list[Batch]) -> Action | None:
        """Train on batches; what the observers want instead of going on."""
        try:
            seen = self._stepper.gradient(batches)
        except TrainingError as error:
            raise TrainingError(error.what, where=f"step {position.step + 1}", advice=error.advice) from error
        action = strongest([observer.before_update(position, seen, batches) for observer in self._observers])
        if action is None and not (math.isfinite(seen.nats) and math.isfinite(seen.grad_norm)):
            raise self._not_finite(position, seen)
        if action is None:
            self._stepper.update(learning_rate(self._schedule, position.step, self._config.steps))
            if self._average is not None:
                self._average.update(position.step + 1)
            position.since_log.append(seen)
        else:
            self._stepper.drop()
            if not isinstance(action, Skip):
                return action
            position.skipped.append(position.step + 1)
        position.step += 1
        return strongest([observer.after_step(position, seen, batches) for observer in self._observers])

    def _log(self, position: Position, task: Task) -> None:
        """Write a line; measure on held-out files when it is time to."""
        config, seen = self._config, total(position.since_log)
        seconds = max(time.monotonic() - self._logged, 1e-9)
        values = {"lr": self._optimizer.peak * learning_rate(self._schedule, position.step - 1, config.steps)}
        if position.since_log:  # else all steps since were skipped
            values |= {
                "loss": seen.loss,
                "bits_per_byte": seen.bits_per_byte,
                "grad_norm": seen.grad_norm,
                "tokens_per_s": self._tokens(position.step - len(position.since_log), position.step) / seconds,
            }
            position.loss, position.since_log = seen, []
            task.note(f"loss {seen.loss:.3f}, {seen.bits_per_byte:.3f} bits per byte")
        if self._heldout and self._heldout_due(position.step):
            with self._average.applied() if self._average is not None else nullcontext():
                position.heldout = self._stepper.evaluate(self._heldout)
            values["heldout_loss"] = position.heldout.loss
            values["heldout_bits_per_byte"] = position.heldout.bits_per_byte
        for observer in self._observers:
            values |= observer.numbers(position)
        self._metrics.log(position.step, values)
        self._logged = time.monotonic()

    def _heldout_due(self, step: int) -> bool:
        """At the end, and at the first log line at or after every multiple of `eval_every`."""
        config = self._config
        if step == config.steps:
            return True
        return config.eval_every > 0 and step // config.eval_every > (step - config.log_every) // config.eval_every

    def _save(self, position: Position) -> None:
        parts = {_WEIGHTS: self._decoder.state_dict(), _OPTIMIZER: self._optimizer.state()}
        if self._average is not None:
            parts[_AVERAGE] = self._average.state()
        tensors = {
            prefix + name: tensor
            for prefix, part in parts.items()
            for name, tensor in whole(self._decoder, part, self._layout).items()
        }
        progress: dict[str, JsonValue] = {
            "position": position.to_json(),
            "execution": self._layout.execution(self._execution.to_json()),
            "origin": self._origin,
            "observers": {observer.name: observer.state() for observer in self._observers},
        }
        if self._layout.is_first:
            self._checkpoints.save(Checkpoint(position.step, tensors, progress))
        self._layout.barrier()

    def _newest(self, until: int | None = None) -> Checkpoint | None:
        """The newest checkpoint; the first process has removed what is damaged before others look."""
        if self._layout.is_first:
            self._checkpoints.newest(until)
        self._layout.barrier()
        return self._checkpoints.newest(until)

    def _resume(self) -> Position:
        """Put back the newest checkpoint's state, if there is one."""
        found = self._newest()
        if found is not None:
            position = self._restore(found)
            position.resumed.append(position.step)
        elif self._branch is not None:
            position = self._branched(self._branch)
        else:
            position = Position()
            self._metrics.rewind(0)
            if any(observer.rewinds for observer in self._observers):
                self._save(position)
        for observer in self._observers:
            observer.started(position)
        return position

    def _branched(self, branch: Checkpoint) -> Position:
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

    def _rewind(self, position: Position, action: Rewind) -> Position:
        """Go back to a checkpoint and leave data out.

        What came after is dropped before the new state is saved: killed in between, the resumed run takes the old way
        again, comes to the same decision, and finds the same checkpoint to go back to.

        Raises:
            TrainingError: when no checkpoint is old enough, or nothing that is still to be read is left out.
        """
        found = self._newest(until=action.step)
        if found is None:
            raise TrainingError(
                f"step {position.step} asks to go back to step {action.step}, but no checkpoint that old is kept",
                where=self._checkpoints.path,
                advice="lower train.checkpoint_every, or rewind fewer steps",
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
        if self._layout.is_first:
            self._checkpoints.drop_after(back.step)
        self._save(back)
        return back

    def _restore(self, found: Checkpoint) -> Position:
        """Put back a checkpoint's state; metrics logged after it are dropped."""
        weights, optimizer, average = (
            dict(split_tensors(found.tensors, prefix)) for prefix in (_WEIGHTS, _OPTIMIZER, _AVERAGE)
        )
        if self._layout.mesh is None:
            put_weights(self._decoder, weights, self._checkpoints.path)
        else:
            put(self._decoder, weights)
        self._optimizer.load(mine(self._decoder, optimizer, self._layout))
        if self._average is not None:
            self._average.load(mine(self._decoder, average, self._layout))
        self._metrics.rewind(found.step)
        progress: dict[str, Any] = found.progress
        for observer in self._observers:
            if observer.name in progress["observers"]:
                observer.load(progress["observers"][observer.name])
        position = Position.from_json(found.step, progress["position"])
        position.moved |= progress["execution"] != self._layout.execution(self._execution.to_json())
        return position

    def _not_finite(self, position: Position, seen: Measured) -> TrainingError:
        """Name the step and the documents that were in it."""
        spans = self._documents_of(position.data_step(position.step))
        documents = [f"{span.repo}/{span.path}" for span in spans]
        more = len(documents) - _DOCUMENTS_NAMED
        named = ", ".join(documents[:_DOCUMENTS_NAMED]) + (f" and {more} more" if more > 0 else "")
        return TrainingError(
            f"step {position.step + 1} is not a number: loss {seen.loss:g}, gradient {seen.grad_norm:g}",
            where=f"documents of the batch: {named}",
            advice="lower the learning rate (train.optimizer) or lengthen the warm-up (train.schedule), and look at "
            "those documents; the same command fails the same way again",
        )

    def _documents_of(self, step: int) -> Iterator[Any]:
        """Each document of a data step once, in order."""
        seen: set[int] = set()
        for row in self._batches.documents_of(step):
            for span, _ in row:
                if span.index not in seen:
                    seen.add(span.index)
                    yield span
