"""The loop: data in, weights out, checkpoints on the way.

    start or newest checkpoint ─► [ step ─► observers ─► log ─► held-out ─► checkpoint ] ─► trained
                        ▲                      │
                        └────── rewind ◄───────┘

All state is in `RunState` (weights, the optimizer's tensors, the observers' state, the `Position`); data and learning
rate are functions of the position. So a run that continues from a checkpoint is, bit for bit, the run that was never
stopped, on the same kind of machine with the same execution (`ownlm.train.execution`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import Any

from ownlm.errors import TrainingError
from ownlm.pipeline.progress import Progress, Task
from ownlm.pipeline.tracking.log import MetricLog
from ownlm.tokens.shards.batches import Batch, Batches
from ownlm.tokens.shards.loader import open_loader
from ownlm.tokens.shards.sizes import RankShare
from ownlm.train.average import Average
from ownlm.train.config import TrainConfig
from ownlm.train.monitor.console import show
from ownlm.train.monitor.stopwatch import CHECKPOINT, COMPUTE, DATA, EVALUATE, Stopwatch
from ownlm.train.observer import Action, Observer, Rewind, Skip, Stop, strongest
from ownlm.train.optimizers import Optimizer
from ownlm.train.parallel.layout import Layout
from ownlm.train.position import Position
from ownlm.train.resume import RunState
from ownlm.train.schedule import learning_rate
from ownlm.train.step import Measured, Stepper, total

_DOCUMENTS_NAMED = 8


class Trainer:
    """One training run.

    Args:
        config: the recipe's settings.
        batches: the training data.
        heldout: the batches of the small held-out measurement; empty: none.
        stepper: does the steps.
        optimizer: the stepper's.
        state: what is saved, and continued from.
        metrics: where numbers over time go.
        progress: where the rate and time left are shown.
        observers: asked in every step, in this order.
        average: of the weights, if one is wanted; it is measured in place of them.
        layout: this process's place among those that train together.
        clock: measures where the time goes.
    """

    def __init__(
        self,
        config: TrainConfig,
        batches: Batches,
        heldout: Sequence[Batch],
        stepper: Stepper,
        optimizer: Optimizer,
        state: RunState,
        metrics: MetricLog,
        progress: Progress,
        observers: Sequence[Observer] = (),
        average: Average | None = None,
        layout: Layout | None = None,
        clock: Stopwatch | None = None,
    ) -> None:
        self._config, self._batches, self._heldout = config, batches, heldout
        self._stepper, self._optimizer, self._state = stepper, optimizer, state
        self._metrics, self._progress = metrics, progress
        self._observers, self._average = list(observers), average
        self._layout, self._clock = layout or Layout(), clock or Stopwatch()
        self._logged = time.monotonic()

    def run(self) -> Position:
        """Train to the last step, from the newest checkpoint if there is one.

        Raises:
            TrainingError: when the loss or the gradient is not a number, or the device refuses.
            StorageError: when a checkpoint or a metric cannot be written.
            OwnlmError: what an observer stops the run with.
        """
        try:
            return self._run()
        finally:
            for observer in self._observers:
                observer.closed()

    def _run(self) -> Position:
        position = self._state.resume()
        with self._progress.task("train", total=self._tokens(0, self._config.steps), unit="tokens") as task:
            task.advance(self._tokens(0, position.step))
            while position.step < self._config.steps:
                action = self._stretch(position, task)
                if isinstance(action, Stop):
                    if action.save:
                        self._state.save(position)
                        self._state.settle()
                    raise action.error
                if isinstance(action, Rewind):
                    left = position.step
                    position = self._state.rewind(position, action)
                    task.advance(-self._tokens(position.step, left))
        self._state.settle()
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
            for step in self._clock.waited(DATA, data):
                started = time.monotonic()
                action = self._one_step(position, self._passes(step))
                if action is not None:
                    return action
                task.advance(self._tokens(position.step - 1, position.step))
                if position.step % config.log_every == 0 or position.step == config.steps:
                    self._log(position, task)
                position.seconds += time.monotonic() - started
                if position.step % config.checkpoints.every == 0 or position.step == config.steps:
                    with self._clock(CHECKPOINT):
                        self._state.save(position)
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
            with self._clock(COMPUTE):
                seen = self._stepper.gradient(batches)
        except TrainingError as error:
            raise type(error)(error.what, where=f"step {position.step + 1}", advice=error.advice) from error
        action = strongest([observer.before_update(position, seen, batches) for observer in self._observers])
        if action is None and not (math.isfinite(seen.nats) and math.isfinite(seen.grad_norm)):
            raise self._not_finite(position, seen)
        if action is None:
            with self._clock(COMPUTE):
                self._stepper.update(learning_rate(self._config.schedule, position.step, self._config.steps))
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
        values = {"lr": self._optimizer.peak * learning_rate(self._config.schedule, position.step - 1, config.steps)}
        if position.since_log:  # else all steps since were skipped
            values |= {
                "loss": seen.loss,
                "bits_per_byte": seen.bits_per_byte,
                "grad_norm": seen.grad_norm,
                "tokens_per_s": self._tokens(position.step - len(position.since_log), position.step) / seconds,
            }
            position.loss, position.since_log = seen, []
        if self._heldout and self._heldout_due(position.step):
            values |= self._measure(position)
        for observer in self._observers:
            values |= observer.numbers(position)
        self._metrics.log(position.step, values)
        show(task, self._metrics.path.parent, position.step, values, config.currency)
        self._logged = time.monotonic()

    def _measure(self, position: Position) -> dict[str, float]:
        """The small held-out measurement, and what observers measure beside it."""
        applied = self._average.applied() if self._average is not None else nullcontext()
        with self._clock(EVALUATE), applied:
            position.heldout = self._stepper.evaluate(self._heldout)
            values = {
                "heldout_loss": position.heldout.loss,
                "heldout_bits_per_byte": position.heldout.bits_per_byte,
            }
            for observer in self._observers:
                values |= observer.evaluated(position)
        return values

    def _heldout_due(self, step: int) -> bool:
        """At the end, and at the first log line at or after every multiple of `eval_every`."""
        config = self._config
        if step == config.steps:
            return True
        return config.eval_every > 0 and step // config.eval_every > (step - config.log_every) // config.eval_every

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
