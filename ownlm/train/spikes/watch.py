"""`SpikeWatch`: looks at every step, writes what it saw, and answers spikes as the recipe says.

A spike is judged before the update, so that a skipped batch leaves no trace in the weights. An incident is written
while the gradient of the very step is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from pydantic import JsonValue

from ownlm.errors import TrainingError
from ownlm.tokens.shards.batches import Batch
from ownlm.train.observer import Action, Observer, Parts, Rewind, Skip, Stop
from ownlm.train.position import Position
from ownlm.train.spikes.detector import Detector, Seen, Verdict
from ownlm.train.spikes.incident import take_apart
from ownlm.train.spikes.records import RUN, STEPS, Record, StepRecords, write_run
from ownlm.train.step import Measured

FOLDER = "report/incidents"


class SpikeWatch(Observer):
    """See the module.

    Args:
        parts: of the run.
        writes: write incidents; False when a run is replayed, which decides alike and writes none again.
    """

    name = "spikes"

    def __init__(self, parts: Parts, *, writes: bool = True) -> None:
        self._parts, self._config, self._writes = parts, parts.settings.spikes, writes
        self.rewinds = self._config.policy == "rewind"
        self.verdict: Verdict | None = None
        """Of the step that was looked at last."""
        self._detector = Detector(self._config)
        self._records = StepRecords(parts.context.out / STEPS)
        self._incidents: list[int] = []
        self._skipped: list[int] = []

    def started(self, position: Position) -> None:
        """Drop the records of steps that will be done again; say what computes from here on."""
        if not self._parts.layout.is_first:
            return
        self._records.rewind(position.step)
        context, layout = self._parts.context, self._parts.layout
        inputs: dict[str, JsonValue] = {
            name: {"id": made.id, "content": made.manifest.content} for name, made in context.inputs.items()
        }
        made_of: dict[str, JsonValue] = {
            "config": context.config.model_dump(mode="json"),
            "inputs": inputs,
            "fingerprint": self._parts.fingerprint,
        }
        execution = layout.execution(self._parts.execution.to_json()) | {"torch": torch.__version__}
        write_run(context.out / RUN, position.step, execution, made_of)

    def before_update(self, position: Position, seen: Measured, batches: Sequence[Batch]) -> Action | None:
        """Judge the step; act as the policy says."""
        record = record_of(position, seen)
        if self._parts.layout.is_first:
            self._records.add(record)
        if self._config.policy == "off":
            return None
        history: list[Seen] = self._detector.history
        self.verdict = verdict = self._detector.look(record.step, (record.loss, record.grad_norm))
        if not verdict.is_spike:
            return None
        action = self._action(position, record)
        if action is not None or self._is_due(record.step):
            self._note(record, verdict, action, history)
        if isinstance(action, Skip):
            self._skipped.append(record.step)
        return action

    def state(self) -> dict[str, JsonValue]:
        """The window, and what was done so far."""
        history: list[JsonValue] = [list(seen) for seen in self._detector.history]
        return {"history": history, "incidents": list(self._incidents), "skipped": list(self._skipped)}

    def load(self, state: dict[str, Any]) -> None:
        """See `Observer`."""
        self._detector.history = [(loss, norm) for loss, norm in state["history"]]
        self._incidents, self._skipped = list(state["incidents"]), list(state["skipped"])

    def _action(self, position: Position, record: Record) -> Action | None:
        config = self._config
        if config.policy == "note":
            return None
        recent = [step for step in self._skipped if step > record.step - config.window]
        if config.policy == "stop" or len(recent) + len(position.rewound) >= config.most:
            return Stop(self._stopped(record))
        if config.policy == "skip":
            return Skip()
        back = max(0, position.step - config.rewind_steps)
        return Rewind(back, range(back + 1, record.step + 1 + config.leave_out_after))

    def _is_due(self, step: int) -> bool:
        """Whether a spike nothing is done about is an incident of its own, not the last one's tail."""
        return not self._incidents or step - self._incidents[-1] >= self._config.apart

    def _note(self, record: Record, verdict: Verdict, action: Action | None, history: Sequence[Seen]) -> None:
        self._incidents.append(record.step)
        if not self._writes or len(self._incidents) > self._config.incidents:
            return
        found = take_apart(self._parts, record, verdict, told(action), history, self._config)
        if self._parts.layout.is_first:
            found.write(self._folder(record))

    def _folder(self, record: Record) -> Path:
        return self._parts.context.out / FOLDER / folder_name(record)

    def _stopped(self, record: Record) -> TrainingError:
        where = self._folder(record) / "index.html"
        return TrainingError(
            f"step {record.step} is a spike (loss {record.loss:.3f}, gradient {record.grad_norm:.3g}), "
            f"and train.spikes.policy is {self._config.policy}",
            where=where,
            advice="look at the documents on that page and take them out of the sources or lower the learning rate; "
            "or set train.spikes.policy to skip or rewind",
        )


def record_of(position: Position, seen: Measured) -> Record:
    """What the step after `position` saw."""
    data = position.data_step(position.step)
    return Record(position.step + 1, data, seen.nats, seen.grad_norm, seen.labels, seen.bytes)


def folder_name(record: Record) -> str:
    """Of an incident; a step that is done again with other data has another one."""
    moved = "" if record.data_step == record.step - 1 else f"-data-{record.data_step:08d}"
    return f"step-{record.step:08d}{moved}"


def told(action: Action | None) -> str:
    """What was done, in words."""
    if isinstance(action, Skip):
        return "skipped: the weights did not change"
    if isinstance(action, Rewind):
        data = f"{action.leave_out.start} to {action.leave_out.stop - 1}"
        return f"rewound to step {action.step} or before; the data of steps {data} are left out"
    return "noted: training went on" if action is None else "stopped"
