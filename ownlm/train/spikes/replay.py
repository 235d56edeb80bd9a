"""Replay: one step of a run again, bit for bit, from the nearest checkpoint before it or from the first step.

    checkpoint at or before N-1 ─► the same stage function, loop, layout ─► step N: stop before the update
                                        │                                     │
                                        └─ every step's loss and gradient ────┴─► compared with log/steps.bin by bits

There is no second loop that could differ: a replay is the train stage itself with an observer that stops it, in a
folder of its own. So skips, rewinds and data left out happen again as they did. It works on any machine that has the
shards and the vocabulary; bits are equal on the same kind of machine in the same layout, and where they are not, the
difference and what differs between the machines is said.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from ownlm.errors import ArtifactError, InputError, OwnlmError
from ownlm.pipeline.stage import StageContext
from ownlm.pipeline.tracking.log import MetricLog
from ownlm.tokens.shards.batches import Batch
from ownlm.train.checkpoint.description import DESCRIPTION
from ownlm.train.checkpoint.place import Folder, Place, open_place, step_of
from ownlm.train.checkpoint.stored import DamagedError, Stored
from ownlm.train.config import TrainStage
from ownlm.train.identity import kept_at
from ownlm.train.observer import Action, Parts, Stop
from ownlm.train.position import Position
from ownlm.train.spikes.incident import take_apart
from ownlm.train.spikes.records import RUN, STEPS, Record, StepRecords, read_run
from ownlm.train.spikes.watch import SpikeWatch, record_of
from ownlm.train.step import Measured

_REQUEST, _ANSWER, _PAGE = "replay.json", "replayed.json", "blame"
_BLOCK = 1 << 24


@dataclass(frozen=True)
class Request:
    """What a replay is for.

    Attributes:
        step: the number of the step, from 1.
        data_step: what it read, where that is known: a step that was rewound was done twice.
        start: steps done at the checkpoint it starts from; 0: none.
        blame: also take the step apart.
        documents: how many of them to look into.
    """

    step: int
    data_step: int | None
    start: int
    blame: bool
    documents: int


@dataclass(frozen=True)
class Replayed:
    """What came of it.

    Attributes:
        start: steps done at the checkpoint it started from.
        got: the step, replayed.
        logged: the step as it was logged; None: the run has not come that far.
        compared: steps that were replayed and are in the log.
        equal: how many of them are the same to the last bit.
        first: the first one that is not.
        differs: what differs between the machines and layouts: name -> (then, now).
        folder: where the step's page is, if it was taken apart.
    """

    start: int
    got: Record
    logged: Record | None
    compared: int
    equal: int
    first: int | None
    differs: Mapping[str, tuple[Any, Any]]
    folder: Path | None

    @property
    def identical(self) -> bool:
        """Whether the step, and all that was replayed before it, is the same to the last bit."""
        return self.compared > 0 and self.equal == self.compared and self.logged is not None


class Replay(SpikeWatch):
    """Watches as in the run, and stops it in one step.

    Args:
        parts: of the run.
        request: which step.
    """

    def __init__(self, parts: Parts, request: Request) -> None:
        super().__init__(parts, writes=False)
        self._request = request

    def started(self, position: Position) -> None:
        """See `Observer`; the checkpoint that was chosen must be the one that is used.

        Raises:
            ArtifactError: it is of another run.
        """
        if position.step != self._request.start and not position.rewound:
            raise ArtifactError(
                f"the checkpoint of step {self._request.start} cannot be used for this run",
                advice="it is damaged, or of other settings, data or another model: name another one",
            )
        super().started(position)

    def before_update(self, position: Position, seen: Measured, batches: Sequence[Batch]) -> Action | None:
        """As in the run, up to the step that is asked for."""
        record = record_of(position, seen)
        history = self._detector.history
        decided = super().before_update(position, seen, batches)
        asked = self._request
        if record.step != asked.step or asked.data_step not in (None, record.data_step):
            return decided
        context = self._parts.context
        if asked.blame:
            config = self._config.model_copy(update={"documents": asked.documents})
            found = take_apart(self._parts, record, self.verdict, "replayed", history, config)
            if self._parts.layout.is_first:
                found.write(context.out / _PAGE)
        if self._parts.layout.is_first:
            (context.out / _ANSWER).write_text(json.dumps(asdict(record)), encoding="utf-8")
        return Stop(OwnlmError(f"step {record.step} is replayed"), save=False)


def read_request(context: StageContext) -> Request | None:
    """What a stage's folder is for, if it is a replay's."""
    try:
        return Request(**json.loads((context.scratch / _REQUEST).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def replay(
    context: StageContext, run: Path, step: int, *, checkpoint: str | None = None, blame: int | None = None
) -> Replayed:
    """Do one step again.

    Args:
        context: the run's settings and inputs; `out` is a folder for replays of this run, kept for the next one.
        run: the folder of the run: a train artifact, or the stage's folder while it is made.
        step: its number, from 1.
        checkpoint: folder or URL of one to start from; None: the nearest that is found.
        blame: also take it apart, and look into so many of its documents.

    Raises:
        InputError: the run has no such step.
        ArtifactError: the checkpoint is damaged or of another run.
        OwnlmError: what training ends with before that step.
    """
    config = context.config
    assert isinstance(config, TrainStage)
    if not 1 <= step <= config.train.steps:
        raise InputError(f"There is no step {step}.", advice=f"They go from 1 to {config.train.steps}.")
    logged = {record.step: record for record in StepRecords(run / STEPS).read()}
    wanted = logged.get(step)
    own = config.train.checkpoints.model_copy(update={"to": ""})
    changed = {"checkpoints": own, "monitor": None}
    here = config.model_copy(update={"train": config.train.model_copy(update=changed)})
    context = replace(context, config=here, metrics=MetricLog(context.out / "metrics.jsonl"))
    start = _prepare(context, step, _sources(run, config, checkpoint))
    request = Request(step, None if wanted is None else wanted.data_step, start, blame is not None, blame or 0)
    (context.scratch / _REQUEST).write_text(json.dumps(asdict(request)), encoding="utf-8")
    got = _run(context)
    pairs = [(logged[one.step], one) for one in StepRecords(context.out / STEPS).read() if one.step in logged]
    pairs = [(old, new) for old, new in pairs if start < new.step <= step and old.data_step == new.data_step]
    different = [old.step for old, new in pairs if not old.same_bits(new)]
    return Replayed(
        start=start,
        got=got,
        logged=wanted,
        compared=len(pairs),
        equal=len(pairs) - len(different),
        first=different[0] if different else None,
        differs=_differences(run / RUN, context.out / RUN, step),
        folder=context.out / _PAGE if blame is not None else None,
    )


def _run(context: StageContext) -> Record:
    from ownlm.train.run import train

    answer = context.out / _ANSWER
    answer.unlink(missing_ok=True)
    try:
        train(context)
    except OwnlmError:
        if not answer.exists():
            raise
    if not answer.exists():
        raise ArtifactError(
            "The run never came to this step with the data that were logged.",
            where=context.out,
            advice="it was rewound in between: replay from a checkpoint after that",
        )
    return Record(**json.loads(answer.read_text(encoding="utf-8")))


def _prepare(context: StageContext, step: int, sources: Sequence[tuple[Place, int | None]]) -> int:
    """Lay the nearest checkpoint before a step where the stage looks for it; the steps done there, 0 without one."""
    folder = context.scratch / "checkpoints"
    for name in (STEPS, RUN):
        (context.out / name).unlink(missing_ok=True)
    shutil.rmtree(context.out / _PAGE, ignore_errors=True)
    here = Folder(folder)
    named = [(place, only) for place, only in sources if only is not None]
    found = [(only, place) for place, only in named if only is not None and only < step]
    if not named:
        for place, _ in [*sources, (here, None)]:
            found += [(one, place) for one in place.steps() if one < step]
    elif not found:
        raise InputError(
            f"The checkpoint of step {named[0][1]} comes after what is to be replayed.",
            advice=f"Name one of step {step - 1} or before.",
        )
    for start, place in sorted(found, key=lambda pair: (pair[0], pair[1] is here), reverse=True):
        if place is not here and not _copied(place, start, here, required=bool(named)):
            continue
        for other in here.steps():
            if other > start:
                here.remove(other)
        return start
    shutil.rmtree(folder, ignore_errors=True)
    context.scratch.mkdir(parents=True, exist_ok=True)
    return 0


def _copied(place: Place, step: int, here: Folder, *, required: bool) -> bool:
    """Bring a checkpoint over, if it is sound."""
    try:
        stored = Stored.at(place, step)
        stored.check()
    except DamagedError as error:
        if not required:
            return False
        raise ArtifactError(
            f"this checkpoint is missing, incomplete or damaged: {error}",
            where=place.where,
            advice="use another checkpoint",
        ) from error
    names = []
    for name, size in stored.files():
        with here.writing(step, name) as stream:
            for at in range(0, size, _BLOCK):
                stream.write(place.read(step, name, at, min(at + _BLOCK, size)))
        names.append(name)
    here.publish(step, place.description(step), set(names))
    return True


def _sources(run: Path, config: TrainStage, checkpoint: str | None) -> list[tuple[Place, int | None]]:
    """Where checkpoints may lie, and which one where one was named."""
    if checkpoint is not None:
        parent, _, name = checkpoint.rstrip("/").rpartition("/")
        only = step_of(name)
        if only is None:
            raise InputError(
                f"This is no checkpoint: it has no {DESCRIPTION}.", where=checkpoint, advice="Name .../step-N."
            )
        return [(open_place(parent or "."), only)]
    places: list[tuple[Place, int | None]] = [(Folder(run / "scratch" / "checkpoints"), None)]
    if config.train.checkpoints.to:
        places.append((open_place(kept_at(config.train.checkpoints.to, read_run(run / RUN)["fingerprint"])), None))
    return places


def _differences(then: Path, now: Path, step: int) -> dict[str, tuple[Any, Any]]:
    """What of layout, machine and execution is not as it was when a step was logged."""
    try:
        before, after = _computed(then, step), _computed(now, step)
    except ArtifactError:
        return {}
    names = sorted({*before, *after})
    return {name: (before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)}


def _computed(path: Path, step: int) -> dict[str, JsonValue]:
    stages = [one for one in read_run(path)["computed"] if one["from"] < step]
    return dict(stages[-1]["execution"]) if stages else {}
