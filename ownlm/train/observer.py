"""What watches a run from inside and may change its course: spike policies, monitors, preemption.

    gradient ─► before_update ─┬─ None ─► update ─► after_step ─┬─ None ─► log ─► checkpoint
                               ├─ Skip ─► no update ─► log      ├─ Rewind
                               ├─ Rewind ─► an earlier checkpoint, some steps' data left out
                               └─ Stop ─► checkpoint ─► the given error

Every rank of a distributed run asks its own observers, and all must answer alike: an observer decides from `Measured`
(sums over all ranks) and from its own state, or agrees with the other ranks first. What it has to remember goes into
the checkpoint (`state`, `load`), so that a resumed run decides as one that was never stopped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from ownlm.errors import OwnlmError
from ownlm.tokens.shards.batches import Batch
from ownlm.train.monitor.stopwatch import Stopwatch
from ownlm.train.position import Position
from ownlm.train.step import Measured

if TYPE_CHECKING:
    from ownlm.model.decoder import Decoder
    from ownlm.pipeline.stage import StageContext
    from ownlm.tokens.shards.batches import Batches
    from ownlm.tokens.shards.reader import ShardReader
    from ownlm.tokens.vocabulary.load import Vocabulary
    from ownlm.train.config import TrainConfig
    from ownlm.train.execution import Execution
    from ownlm.train.optimizers import Optimizer
    from ownlm.train.parallel.computation import Computation
    from ownlm.train.parallel.layout import Layout


@dataclass(frozen=True)
class Parts:
    """What a run is made of, for those who watch it: to look at, and to measure with, never to change.

    Attributes:
        context: the stage's; only the first process of a layout writes below `context.out`.
        settings: of the loop; the schedule is a branch's, if this is one.
        layout: this process's place.
        execution: device and precision.
        vocabulary: of the tokens.
        reader: the training split.
        batches: the training data.
        decoder: the weights this process holds.
        optimizer: of them.
        computation: forward and backward; every process calls it alike.
        heldout: this process's rows of the small held-out measurement.
        clock: the loop's; what observers take time for is measured with it, too.
        fingerprint: of all that the weights depend on.
    """

    context: StageContext
    settings: TrainConfig
    layout: Layout
    execution: Execution
    vocabulary: Vocabulary
    reader: ShardReader
    batches: Batches
    decoder: Decoder
    optimizer: Optimizer
    computation: Computation
    heldout: Sequence[Batch]
    clock: Stopwatch = field(default_factory=Stopwatch)
    fingerprint: str = ""


@dataclass(frozen=True)
class Skip:
    """Leave the weights and the optimizer as they are in this step; it counts as done and its data as read."""


@dataclass(frozen=True)
class Rewind:
    """Go back to the newest checkpoint at or before a step and go on from there, never reading some steps' data again.

    Attributes:
        step: steps done, as in `Position.step`.
        leave_out: numbers of steps as in the log, from 1, whose data are left out; all later than `step`.
    """

    step: int
    leave_out: range


@dataclass(frozen=True)
class Stop:
    """End the run.

    Attributes:
        error: raised after a checkpoint was written: says why, and its exit code is the process's.
        save: write that checkpoint.
    """

    error: OwnlmError
    save: bool = True


Action = Skip | Rewind | Stop


class Observer:
    """Watches a run. Every method does nothing until it is overridden.

    Attributes:
        name: its state's key in the checkpoint; observers of one run have different names.
        rewinds: it may ask for `Rewind`, so the loop keeps a checkpoint of the start.
    """

    name: str = "observer"
    rewinds: bool = False

    def started(self, position: Position) -> None:
        """The loop is about to train from `position`: at the start, resumed (after `load`), or rewound (after it)."""

    def before_update(self, position: Position, seen: Measured, batches: Sequence[Batch]) -> Action | None:
        """The gradient of a step is there, clipped, in `weight.grad`; nothing is updated yet.

        Args:
            position: before this step: `position.step` steps are done.
            seen: the step's sums; may be not finite, which ends the run unless an observer acts.
            batches: what this rank read of it.
        """
        return None

    def after_step(self, position: Position, seen: Measured, batches: Sequence[Batch]) -> Rewind | Stop | None:
        """A step is done, updated or skipped; `position.step` counts it."""
        return None

    def evaluated(self, position: Position) -> Mapping[str, float]:
        """The small held-out measurement was made, with the weights that would be saved, which are in place now.

        Returns:
            More numbers for the log line that is written now.
        """
        return {}

    def numbers(self, position: Position) -> Mapping[str, float]:
        """More numbers for the log line that is written now."""
        return {}

    def finished(self, position: Position) -> None:
        """The last step is done and saved."""

    def closed(self) -> None:
        """The run is over, however it ended: give back what is held."""

    def state(self) -> dict[str, JsonValue]:
        """What to put back with `load` when the run is continued or rewound."""
        return {}

    def load(self, state: dict[str, Any]) -> None:
        """The inverse of `state`; called with what it returned at the checkpoint."""


def strongest(actions: Iterable[Action | None]) -> Action | None:
    """The action that leaves least: stop before rewind before skip; among equals the first."""
    found = [action for action in actions if action is not None]
    return min(found, key=lambda action: (Stop, Rewind, Skip).index(type(action)), default=None)
