"""A step again: the same bits from any checkpoint and from the start; where they are not, how far and why."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ownlm.errors import ArtifactError, InputError
from ownlm.pipeline.stage import StageContext
from ownlm.train.config import TrainStage
from ownlm.train.run import train
from ownlm.train.spikes.records import RUN, STEPS
from ownlm.train.spikes.replay import Replayed, replay
from tests.train.inputs import small, stage_context


def config(**train: object) -> TrainStage:
    return small(**{"steps": 12, "checkpoint_every": 4, "monitor": None, **train})


@pytest.fixture(scope="module")
def trained(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> StageContext:
    context = stage_context(inputs, tmp_path_factory.mktemp("trained"), config())
    train(context)
    return context


def again(inputs: Path, work: Path, run: Path, step: int, checkpoint: str | None = None, **more: object) -> Replayed:
    return replay(stage_context(inputs, work, config(**more)), run, step, checkpoint=checkpoint)


@pytest.mark.parametrize(("step", "start"), [(12, 8), (9, 8), (8, 0), (1, 0)])
def test_identical_from_the_nearest_checkpoint(
    inputs: Path, trained: StageContext, tmp_path: Path, step: int, start: int
) -> None:
    """The last two checkpoints are kept: 8 and 12; a checkpoint after a step has the step behind it."""
    done = again(inputs, tmp_path, trained.out, step)
    assert (done.start, done.got.step, done.identical) == (start, step, True)
    assert done.compared == done.equal == step - start
    assert done.differs == {}


def test_replays_go_on_from_each_other(inputs: Path, trained: StageContext, tmp_path: Path) -> None:
    """A finished run has no checkpoints any more; those a replay made serve the next one, also backwards."""
    alone = tmp_path / "alone"
    shutil.copytree(trained.out, alone, ignore=shutil.ignore_patterns("scratch"))
    starts = [again(inputs, tmp_path, alone, step).start for step in (11, 12, 10, 6, 12)]
    assert starts == [0, 8, 8, 4, 4]


def test_on_another_machine_with_one_checkpoint(inputs: Path, trained: StageContext, tmp_path: Path) -> None:
    """Needed are the log, shards, vocabulary, and the checkpoint that is named, at a path or a URL."""
    there, at = tmp_path / "there", trained.scratch / "checkpoints" / "step-00000008"
    for name in (STEPS, RUN):
        (there / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(trained.out / name, there / name)
    shutil.copytree(at, tmp_path / "brought" / at.name)
    for place in (str(tmp_path / "brought" / at.name), f"file://{tmp_path / 'brought' / at.name}"):
        done = again(inputs, tmp_path, there, 11, checkpoint=place)
        assert (done.start, done.identical) == (8, True)


def test_one_bit_of_difference_is_found_and_named(inputs: Path, trained: StageContext, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(trained.out, other)
    raw = bytearray((other / STEPS).read_bytes())
    raw[48 * 9 + 16] ^= 1  # the lowest bit of step 10's nats
    (other / STEPS).write_bytes(raw)
    values = json.loads((other / RUN).read_text())
    values["computed"][0]["execution"]["machine"] = "another"
    (other / RUN).write_text(json.dumps(values))
    done = again(inputs, tmp_path, other, 12)
    assert not done.identical
    assert (done.compared, done.equal, done.first) == (4, 3, 10)
    assert done.differs["machine"][0] == "another"
    assert list(done.differs) == ["machine"]


def test_what_cannot_be_replayed_is_refused(inputs: Path, trained: StageContext, tmp_path: Path) -> None:
    late = str(trained.scratch / "checkpoints" / "step-00000012")
    with pytest.raises(InputError, match="There is no step 13"):
        again(inputs, tmp_path, trained.out, 13)
    with pytest.raises(InputError, match="comes after"):
        again(inputs, tmp_path, trained.out, 12, checkpoint=late)
    with pytest.raises(InputError, match="This is no checkpoint"):
        again(inputs, tmp_path, trained.out, 12, checkpoint="somewhere")
    with pytest.raises(ArtifactError, match="missing, incomplete or damaged"):
        again(inputs, tmp_path, trained.out, 12, checkpoint=str(tmp_path / "step-00000003"))


def test_a_checkpoint_of_another_run_is_refused(inputs: Path, trained: StageContext, tmp_path: Path) -> None:
    named = str(trained.scratch / "checkpoints" / "step-00000008")
    with pytest.raises(ArtifactError, match="cannot be used for this run"):
        again(inputs, tmp_path, trained.out, 11, checkpoint=named, seed=1)


def test_a_step_the_run_has_not_come_to_has_nothing_to_compare(
    inputs: Path, trained: StageContext, tmp_path: Path
) -> None:
    early = tmp_path / "early"
    shutil.copytree(trained.out, early)
    (early / STEPS).write_bytes((early / STEPS).read_bytes()[: 48 * 9])
    done = again(inputs, tmp_path, early, 11)
    assert done.logged is None
    assert not done.identical
    assert done.compared == done.equal
