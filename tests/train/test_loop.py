"""The loop honours what observers ask; what it does depends on nothing but its state."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue

from ownlm.errors import TrainingError
from ownlm.pipeline.artifact import sha256_file
from ownlm.pipeline.tracking.log import MetricLog
from ownlm.tokens.shards.batches import Batch
from ownlm.train import process, run
from ownlm.train.checkpoint import CheckpointFolder
from ownlm.train.config import TrainStage
from ownlm.train.loop import Trainer
from ownlm.train.monitor.monitors import is_clock
from ownlm.train.observer import Action, Observer, Rewind, Skip, Stop, strongest
from ownlm.train.position import Position
from ownlm.train.step import Measured
from tests.train.inputs import small, stage_context

STEPS = 12
Plan = Mapping[int, Action]


class Witness(Observer):
    """Does what its plan says at the first visit of a step, and notes what it saw."""

    name = "witness"

    def __init__(self, before: Plan | None = None, after: Plan | None = None) -> None:
        self.before, self.after = dict(before or {}), dict(after or {})
        self.rewinds = any(isinstance(action, Rewind) for action in [*self.before.values(), *self.after.values()])
        self.rows: list[tuple[int, bytes]] = []
        self.calls: list[str] = []
        self.seen = 0

    def started(self, position: Position) -> None:
        self.calls.append(f"started {position.step}")

    def before_update(self, position: Position, seen: Measured, batches: Sequence[Batch]) -> Action | None:
        self.rows.append((position.step + 1, b"".join(batch.tokens_BL.tobytes() for batch in batches)))
        return None if position.rewound else self.before.get(position.step + 1)

    def after_step(self, position: Position, seen: Measured, batches: Sequence[Batch]) -> Rewind | Stop | None:
        self.seen += 1
        action = None if position.rewound else self.after.get(position.step)
        assert not isinstance(action, Skip)
        return action

    def numbers(self, position: Position) -> Mapping[str, float]:
        return {"witnessed": self.seen}

    def finished(self, position: Position) -> None:
        self.calls.append(f"finished {position.step}")

    def state(self) -> dict[str, JsonValue]:
        return {"seen": self.seen}

    def load(self, state: dict[str, Any]) -> None:
        self.seen = state["seen"]

    def data(self) -> dict[int, bytes]:
        """What each step read, at its last visit."""
        return dict(self.rows)


@pytest.fixture
def observed(inputs: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[str, Position, list[Any]]]:
    """Run the stage with a witness: the weights' hash, the position, the log without clocks."""

    def go(work: Path, witness: Observer, config: TrainStage | None = None) -> tuple[str, Position, list[Any]]:
        positions: list[Position] = []

        class Watched(Trainer):
            def run(self) -> Position:
                positions.append(super().run())
                return positions[-1]

        with monkeypatch.context() as patch:
            patch.setattr(process, "Trainer", Watched)
            patch.setattr(process, "observers_of", lambda *arguments: [witness])
            context = stage_context(inputs, work, config or small(steps=STEPS, checkpoint_every=3, log_every=1))
            run.train(context)
        lines = [
            {name: value for name, value in line.items() if not is_clock(name)}
            for line in MetricLog.read(context.metrics.path)
        ]
        return sha256_file(context.out / "model.safetensors"), copy.deepcopy(positions[-1]), lines

    return go


def test_watching_changes_nothing(observed: Any, inputs: Path, tmp_path: Path) -> None:
    witness = Witness()
    weights, position, lines = observed(tmp_path / "a", witness)
    alone = stage_context(inputs, tmp_path / "b", small(steps=STEPS, checkpoint_every=3, log_every=1))
    run.train(alone)
    assert sha256_file(alone.out / "model.safetensors") == weights
    assert witness.calls == ["started 0", f"finished {STEPS}"]
    assert [step for step, _ in witness.rows] == list(range(1, STEPS + 1))
    assert [line["witnessed"] for line in lines] == list(range(1, STEPS + 1))
    assert (position.skipped, position.rewound, position.left_out) == ([], [], [])


def test_a_skipped_step_counts_and_changes_nothing(observed: Any, tmp_path: Path) -> None:
    plain, _, lines = observed(tmp_path / "plain", Witness())
    weights, position, fewer = observed(tmp_path / "skip", Witness(before={1: Skip(), 7: Skip()}))
    assert weights != plain
    assert position.skipped == [1, 7]
    assert "loss" not in fewer[0]
    assert "loss" not in fewer[6]
    # nothing was updated in step 1: the second step's loss is that of fresh weights, on its own batch
    assert fewer[1]["loss"] != lines[1]["loss"]
    assert [line["step"] for line in fewer] == [line["step"] for line in lines]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_rewind_goes_back_and_leaves_data_out(observed: Any, tmp_path: Path, when: str) -> None:
    """Steps 6 to 8 are left out at step 8: back to the checkpoint of step 3, then 4, 5, and what followed 8."""
    plain = Witness()
    observed(tmp_path / "plain", plain)
    witness = Witness(**{when: {8: Rewind(5, range(6, 9))}})
    _, position, lines = observed(tmp_path / "back", witness)
    data, straight = witness.data(), plain.data()
    assert position.left_out == [(5, 8)]
    assert position.rewound == [(7 if when == "before" else 8, 3)]
    assert [data[step] for step in range(1, 6)] == [straight[step] for step in range(1, 6)]
    assert [data[step] for step in range(6, STEPS - 2)] == [straight[step + 3] for step in range(6, STEPS - 2)]
    assert [line["step"] for line in lines] == list(range(1, STEPS + 1))
    assert "started 3" in witness.calls
    assert lines[-1]["witnessed"] == STEPS  # its state went back too


def test_a_rewind_is_the_run_that_never_saw_those_data(observed: Any, tmp_path: Path) -> None:
    """Left out at once from the start, or after having been read: the same weights."""
    late, _, _ = observed(tmp_path / "late", Witness(after={8: Rewind(5, range(6, 9))}))
    early, position, _ = observed(tmp_path / "early", Witness(before={1: Rewind(0, range(6, 9))}))
    assert position.rewound == [(0, 0)]
    assert late == early


def test_a_rewind_to_the_start_forgets_what_the_optimizer_learned(observed: Any, tmp_path: Path) -> None:
    """The checkpoint of the start has no momentum, and there was some."""
    config = small(steps=STEPS, checkpoint_every=100, log_every=1)
    late, position, _ = observed(tmp_path / "late", Witness(after={8: Rewind(5, range(6, 9))}), config)
    assert position.rewound == [(8, 0)]
    early, _, _ = observed(tmp_path / "early", Witness(before={1: Rewind(0, range(6, 9))}), config)
    assert late == early


class StopError(Exception):
    """Stands for a kill."""


@pytest.mark.parametrize("saves", range(1, 8))
def test_killed_around_a_rewind_it_ends_the_same(
    observed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, saves: int
) -> None:
    """Killed at each of its saves, the one of the rewind included."""
    plan: Plan = {8: Rewind(5, range(6, 9))}
    whole, position, lines = observed(tmp_path / "whole", Witness(after=plan))
    save, count = CheckpointFolder.save, [0]

    def counting(self: CheckpointFolder, checkpoint: Any) -> None:
        count[0] += 1
        if count[0] == saves:
            raise StopError
        save(self, checkpoint)

    with monkeypatch.context() as patched:
        patched.setattr(CheckpointFolder, "save", counting)
        with pytest.raises(StopError):
            observed(tmp_path / "parts", Witness(after=plan))
    weights, again, same_lines = observed(tmp_path / "parts", Witness(after=plan))
    assert (weights, same_lines) == (whole, lines)
    assert (again.left_out, again.rewound) == (position.left_out, position.rewound)


def test_killed_before_a_rewind_clears_what_came_after(
    observed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan: Plan = {8: Rewind(5, range(6, 9))}
    whole, _, _ = observed(tmp_path / "whole", Witness(after=plan))

    def killed(self: CheckpointFolder, step: int) -> None:
        raise StopError

    with monkeypatch.context() as patched:
        patched.setattr(CheckpointFolder, "drop_after", killed)
        with pytest.raises(StopError):
            observed(tmp_path / "parts", Witness(after=plan))
    assert observed(tmp_path / "parts", Witness(after=plan))[0] == whole


@pytest.mark.parametrize("save", [True, False])
def test_a_stop_raises_its_error_and_the_run_can_go_on(observed: Any, tmp_path: Path, save: bool) -> None:
    plain, _, _ = observed(tmp_path / "plain", Witness())
    with pytest.raises(TrainingError, match="enough"):
        observed(tmp_path / "stop", Witness(after={7: Stop(TrainingError("enough"), save)}))
    witness = Witness()
    weights, position, _ = observed(tmp_path / "stop", witness)
    assert weights == plain
    assert position.resumed == [7 if save else 6]
    assert witness.rows[0][0] == (8 if save else 7)


def test_a_rewind_that_would_repeat_itself_is_refused(observed: Any, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="must leave out the data of later steps"):
        observed(tmp_path / "a", Witness(after={8: Rewind(5, range(2, 4))}))
    with pytest.raises(TrainingError, match="must leave out the data of later steps"):
        observed(tmp_path / "b", Witness(after={8: Rewind(5, range(0))}))


def test_a_rewind_beyond_the_kept_checkpoints_is_refused(observed: Any, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no checkpoint that old is kept"):
        observed(tmp_path, Witness(after={11: Rewind(1, range(9, 12))}))


def test_the_strongest_action_counts() -> None:
    stop, rewind = Stop(TrainingError("x")), Rewind(1, range(2, 3))
    assert strongest([None, Skip(), rewind, stop]) is stop
    assert strongest([Skip(), None, rewind]) is rewind
    assert strongest([None]) is None
