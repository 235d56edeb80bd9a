"""`Monitors`: what is seen of a run, as numbers in its log lines. Nothing here changes the weights.

    every step      loss by source and language, norms of one group of layers
    log lines       their sums since the last one; speed, time by place, the machine, money
    measurements    held-out bits per byte by language, fill-in-the-middle, completions

Sums over steps are in the checkpoint, so a resumed run logs what one that was never stopped would have logged. Clocks
and the machine's numbers (`CLOCKS`) are not repeatable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
from pydantic import JsonValue

from ownlm.tokens.shards.batches import Batch
from ownlm.train.config import TrainStage
from ownlm.train.heldout import heldout_reader
from ownlm.train.loss import token_nats
from ownlm.train.monitor.communication import Communication
from ownlm.train.monitor.completions import Completions, choose_prompts
from ownlm.train.monitor.config import MonitorConfig
from ownlm.train.monitor.heldout import HeldOut
from ownlm.train.monitor.losses import Groups, Sums, measured
from ownlm.train.monitor.norms import Norms
from ownlm.train.monitor.ranks import summed
from ownlm.train.monitor.speed import Speed
from ownlm.train.monitor.stopwatch import COMPUTE, MONITOR
from ownlm.train.observer import Action, Observer, Parts, Rewind, Stop
from ownlm.train.position import Position
from ownlm.train.step import Measured

CLOCKS = ("time", "tokens_per_s", "mfu", "time/", "machine/", "ranks/", "run/")
"""Names, and beginnings of names, of numbers that another run of the same recipe has differently."""


def is_clock(name: str) -> bool:
    """Whether a number of the log depends on the machine and the hour."""
    return any(name == clock or (clock.endswith("/") and name.startswith(clock)) for clock in CLOCKS)


class Monitors(Observer):
    """Watches a run; one on every process.

    Args:
        parts: of the run.
        config: the recipe's `train.monitor`.
    """

    name = "monitors"

    def __init__(self, parts: Parts, config: MonitorConfig) -> None:
        self._parts, self._clock = parts, parts.clock
        self._token_bytes = np.array([len(token) for token in parts.vocabulary.token_bytes], dtype=np.int64)
        self._groups = Groups(parts.reader)
        self._sums = self._step_sums = Sums.zero(len(self._groups.names))
        self._norms = Norms(parts.decoder, parts.layout, parts.settings.clip) if config.norms else None
        self._norm_squares, self._lengths = 0.0, dict[str, float]()
        self._heldout = HeldOut(parts, self._token_bytes)
        self._completions = _completions(parts, config)
        self._speed = Speed(parts)
        self._talk = Communication(parts.layout, config.profile_every, parts.execution.device)
        self._open = ExitStack()
        self._kept = self._open.enter_context(token_nats())

    def started(self, position: Position) -> None:
        """See `Observer`."""
        self._speed.started(position)
        self._completions.rewind(position.step)
        self._arm(position)

    def before_update(self, position: Position, seen: Measured, batches: Sequence[Batch]) -> Action | None:
        """Add up the step's losses; look at one group's gradient."""
        with self._clock(MONITOR):
            layout, data_step = self._parts.layout, position.data_step(position.step)
            rows = layout.rows(len(self._parts.batches.samples_of(data_step)))
            groups = self._groups.of(self._parts.batches.document_numbers(data_step, rows))
            labels_BL = np.concatenate([batch.labels_BL for batch in batches])
            size = len(self._groups.names)
            self._step_sums = measured(layout, self._kept, groups, labels_BL, self._token_bytes, size)
            self._kept.clear()
            if self._norms is not None:
                self._norm_squares = self._norms.before(position.step, seen.grad_norm)
        return None

    def after_step(self, position: Position, seen: Measured, batches: Sequence[Batch]) -> Rewind | Stop | None:
        """Sum over processes; a skipped step's losses are left out, as from the loss itself."""
        with self._clock(MONITOR):
            step = position.step - 1
            moved = 0.0 if self._norms is None else self._norms.after(step)
            values = np.concatenate([self._step_sums.vector(), [self._norm_squares, moved]])
            values = summed(self._parts.layout, values)
            if position.step not in position.skipped[-1:]:
                self._sums = Sums.of_vector(self._sums.vector() + values[:-2])
                if self._norms is not None:
                    name = self._norms.names[self._norms.group(step)]
                    self._lengths[f"grad_norm/{name}"] = float(np.sqrt(values[-2]))
                    self._lengths[f"update_norm/{name}"] = float(np.sqrt(values[-1]))
            self._speed.step(position)
            self._arm(position)
        return None

    def evaluated(self, position: Position) -> Mapping[str, float]:
        """A closer look at held-out text, with the weights that would be saved."""
        found = self._heldout.by_language(self._kept) | self._heldout.middle(self._kept)
        self._kept.clear()
        self._completions.write(position.step)
        return found

    def numbers(self, position: Position) -> Mapping[str, float]:
        """The sums since the last line, and what clocks say."""
        with self._clock(MONITOR):
            found = self._losses() | self._lengths | self._talk.numbers()
            self._sums, self._lengths = Sums.zero(len(self._groups.names)), {}
            found |= self._speed.numbers(position)
        return found

    def closed(self) -> None:
        """See `Observer`."""
        self._open.close()

    def state(self) -> dict[str, JsonValue]:
        """See `Observer`; the same on every process."""
        return {"sums": self._sums.vector().tolist(), "lengths": dict(self._lengths), "speed": self._speed.state()}

    def load(self, state: dict[str, Any]) -> None:
        """See `Observer`."""
        sums = Sums.of_vector(np.array(state["sums"]))
        self._sums = sums if len(sums.nats) == len(self._groups.names) else Sums.zero(len(self._groups.names))
        self._lengths = dict(state["lengths"])
        self._speed.load(state["speed"])

    def _losses(self) -> dict[str, float]:
        """Nats a token, where there is more than one source or language."""
        return {
            f"loss_by_{kind}/{name}": float(self._sums.nats[number] / self._sums.labels[number])
            for number, (name, kind) in enumerate(zip(self._groups.names, self._groups.kinds, strict=True))
            if self._groups.kinds.count(kind) > 1 and self._sums.labels[number] > 0
        }

    def _arm(self, position: Position) -> None:
        """Have the next step's communication timed, if it is its turn."""
        due = self._talk.due(position.step)
        self._clock.inside = {COMPUTE: self._talk.timed} if due else {}


def _completions(parts: Parts, config: MonitorConfig) -> Completions:
    """On fixed places in held-out files."""
    stage, reader = parts.context.config, heldout_reader(parts.context)
    assert isinstance(stage, TrainStage)
    prompts = (
        []
        if reader is None
        else choose_prompts(reader, parts.vocabulary, config.completions, config.completion_tokens, stage.context)
    )
    return Completions(parts, prompts, config.completion_tokens)
