"""Processes of a mesh that are killed, stuck, told to stop, or refuse: real ones."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from ownlm.errors import PreemptedError
from ownlm.pipeline.artifact import sha256_file
from ownlm.train.run import train
from tests.train.fault.processes import ended, saved, stage, start, wait_for, workers_of

pytestmark = pytest.mark.slow
MESH = {"mesh": {"shard": 2}}


@pytest.fixture(scope="module")
def whole(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The weights of the run that nothing happened to."""
    context = stage(inputs, tmp_path_factory.mktemp("whole"), **MESH)
    train(context)
    return sha256_file(context.out / "model.safetensors")


def weights(work: Path) -> str:
    return sha256_file(work / "out" / "model.safetensors")


@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_process_is_started_again(inputs: Path, tmp_path: Path, whole: str, rank: int) -> None:
    process = start(inputs, tmp_path, **MESH)
    wait_for(saved(tmp_path, 3), process)
    os.kill(workers_of(tmp_path)[rank], signal.SIGKILL)
    code, said = ended(process)
    assert code == 0, said
    assert "all start again from the last checkpoint (1 of 3)" in said
    assert weights(tmp_path) == whole


def test_it_is_started_again_so_often_only(inputs: Path, tmp_path: Path) -> None:
    process = start(inputs, tmp_path, **MESH, fault={"max_restarts": 0}, steps=100_000)
    wait_for(saved(tmp_path, 3), process)
    os.kill(workers_of(tmp_path)[1], signal.SIGKILL)
    code, said = ended(process)
    assert code == 9
    assert "goes on from the last checkpoint" in said


def test_a_stuck_process_is_found(inputs: Path, tmp_path: Path, whole: str) -> None:
    """Rank 1 is stopped. Rank 0 writes what it was doing, names rank 1, and all start again."""
    process = start(inputs, tmp_path, **MESH, fault={"hang_after_s": 12, "grace_s": 2})
    wait_for(saved(tmp_path, 3), process)
    os.kill(workers_of(tmp_path)[1], signal.SIGSTOP)
    code, said = ended(process)
    assert code == 0, said
    assert "no step for 12 s" in said
    assert "rank 1 writes no stacks" in said
    assert "most recent call first" in (tmp_path / "out/scratch/faults/rank-00000.stacks.before").read_text()
    assert weights(tmp_path) == whole


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_told_to_stop_all_processes_save_and_end(
    inputs: Path, tmp_path: Path, whole: str, number: signal.Signals, code: int
) -> None:
    process = start(inputs, tmp_path, **MESH, checkpoints={"every": 1000})
    wait_for((tmp_path / "out" / "metrics.jsonl").exists, process)
    process.send_signal(number)
    exited, said = ended(process)
    assert exited == code, said
    assert "the same command goes on" in said
    assert saved(tmp_path, 1)()
    train(stage(inputs, tmp_path, **MESH, checkpoints={"every": 1000}))
    assert weights(tmp_path) == whole


def test_one_process_told_to_stop_stops_all(inputs: Path, tmp_path: Path) -> None:
    process = start(inputs, tmp_path, **MESH, steps=100_000)
    wait_for(saved(tmp_path, 3), process)
    os.kill(workers_of(tmp_path)[1], signal.SIGUSR1)
    code, said = ended(process)
    assert code == PreemptedError.exit_code, said
    assert "stopped by SIGUSR1 after step" in said


def test_what_refuses_is_not_started_again(inputs: Path, tmp_path: Path) -> None:
    wild: dict[str, Any] = {"optimizer": {"adamw": {"lr": 1.0, "beta2": 0.0, "weight_decay": 10.0}}, "clip": 1e30}
    process = start(inputs, tmp_path, **MESH, steps=300, schedule={"wsd": {"warmup_steps": 0}}, **wild)
    code, said = ended(process)
    assert code == 9
    assert "is not a number" in said
    assert "start again" not in said
