"""The train stage with a mesh: real processes, started by the elastic agent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import JsonValue
from safetensors.torch import load_file

from ownlm.errors import ArtifactError, RecipeError, TrainingError
from ownlm.pipeline.stage import StageContext
from ownlm.pipeline.tracking.base import RunInfo, Status
from ownlm.pipeline.tracking.log import MetricLog
from ownlm.train.checkpoint import CheckpointFolder
from ownlm.train.parallel.job import JOB, read_job, write_job
from ownlm.train.run import train
from tests.train.inputs import small, stage_context
from tests.train.parallel.places import free_port

ROOT = Path(__file__).resolve().parents[3]
PATIENCE_S = 120
LEARNED = ("step", "loss", "bits_per_byte", "lr", "grad_norm", "heldout_loss", "heldout_bits_per_byte")
pytestmark = pytest.mark.slow


class _Tracker:
    """Keeps what it is told."""

    label = "test"

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.told: dict[str, JsonValue] = {}

    def start(self, run: RunInfo) -> None:
        pass

    def log(self, step: int, values: Mapping[str, float], when: float) -> None:
        self.steps.append(step)

    def summary(self, values: Mapping[str, JsonValue]) -> None:
        self.told |= values

    def finish(self, status: Status) -> None:
        pass


def settings(**more: Any) -> dict[str, Any]:
    return {"batch": 4, "steps": 8, "precision": "fp32", "optimizer": "muon", **more}


def stage(inputs: Path, work: Path, **more: Any) -> StageContext:
    return stage_context(inputs, work, small(**settings(**more)))


def same_model(one: StageContext, other: StageContext, atol: float) -> None:
    first, second = (load_file(context.out / "model.safetensors") for context in (one, other))
    assert first.keys() == second.keys()
    for name, weight in first.items():
        torch.testing.assert_close(second[name], weight, rtol=0, atol=atol, msg=name)


def logged(context: StageContext) -> list[dict[str, float]]:
    return [{n: v for n, v in line.items() if n in LEARNED} for line in MetricLog.read(context.metrics.path)]


@pytest.mark.parametrize(
    ("mesh", "more"),
    [
        ({"data": 2}, {"batch_warmup": [[3, 2]]}),
        ({"shard": 2}, {}),
        ({"pipeline": 2}, {"accumulate": 2, "batch_warmup": [[3, 4]]}),
    ],
    ids=["data", "shard", "pipeline"],
)
def test_places_train_the_model_of_one(
    inputs: Path, tmp_path: Path, mesh: dict[str, int], more: dict[str, Any]
) -> None:
    alone = stage(inputs, tmp_path / "one", **more)
    expected = train(alone)
    tracker = _Tracker()
    context = stage(inputs, tmp_path / "two", mesh=mesh, **more)
    context.metrics._trackers.append(tracker)
    result = train(context)
    same_model(alone, context, atol=2e-6)
    assert {n: result[n] for n in ("loss", "bits_per_byte", "heldout_bits_per_byte", "tokens", "epochs")} == {
        n: expected[n] for n in ("loss", "bits_per_byte", "heldout_bits_per_byte", "tokens", "epochs")
    }
    assert logged(context) == [pytest.approx(line, rel=1e-5) for line in logged(alone)]
    assert tracker.steps == [2, 4, 6, 8]
    assert (context.out / "report/index.html").exists()


class StopError(Exception):
    """Stands for a kill."""


def test_another_mesh_goes_on(inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One process, killed after a checkpoint; the rest in two places. The report says that bits may differ."""
    alone = stage(inputs, tmp_path / "whole")
    train(alone)

    def stop(self: CheckpointFolder, checkpoint: Any) -> None:
        save(self, checkpoint)
        raise StopError

    with monkeypatch.context() as patched:
        save = CheckpointFolder.save
        patched.setattr(CheckpointFolder, "save", stop)
        with pytest.raises(StopError):
            train(stage(inputs, tmp_path / "parts"))
    context = stage(inputs, tmp_path / "parts", mesh={"shard": 2})
    train(context)
    same_model(alone, context, atol=2e-6)
    page = (context.out / "report/index.html").read_text()
    assert "continued from its checkpoints at step 4" in page
    assert "computes in another way" in page


def test_a_workers_error_is_the_stages(inputs: Path, tmp_path: Path) -> None:
    wild = {"optimizer": {"adamw": {"lr": 1.0, "beta2": 0.0, "weight_decay": 10.0}}, "clip": 1e30, "steps": 300}
    context = stage(inputs, tmp_path, mesh={"data": 2}, schedule={"wsd": {"warmup_steps": 0}}, **wild)
    with pytest.raises(TrainingError, match="is not a number") as caught:
        train(context)
    assert "learning rate" in str(caught.value.advice)


def test_what_cannot_be_divided_starts_no_process(inputs: Path, tmp_path: Path) -> None:
    context = stage(inputs, tmp_path, mesh={"tensor": 2})
    with pytest.raises(RecipeError, match="1 kv_heads cannot"):
        train(context)
    assert not (context.scratch / JOB).exists()


def test_more_places_than_the_machine_has_room_for(inputs: Path, tmp_path: Path) -> None:
    context = stage(inputs, tmp_path, mesh={"data": 1024}, batch=1024)
    with pytest.raises(RecipeError, match="wants 1024 places on this machine"):
        train(context)


def test_a_job_is_read_as_it_was_written(inputs: Path, tmp_path: Path) -> None:
    context = stage(inputs, tmp_path, mesh={"data": 2})
    again = read_job(write_job(context))
    assert (again.config, again.out, again.cache) == (context.config, context.out, context.cache)
    assert {n: a.path for n, a in again.inputs.items()} == {n: a.path for n, a in context.inputs.items()}
    assert {n: a.manifest for n, a in again.inputs.items()} == {n: a.manifest for n, a in context.inputs.items()}
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(ArtifactError, match="cannot be read"):
        read_job(tmp_path / "bad.json")


def start(inputs: Path, work: Path, **more: Any) -> subprocess.Popen[bytes]:
    arguments = [str(inputs), str(work), json.dumps(settings(**more))]
    return subprocess.Popen([sys.executable, "-m", "tests.train.parallel.child", *arguments], cwd=ROOT)


def workers_of(job: Path) -> list[int]:
    """Processes whose command line names the job."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str(job).encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:  # it has just ended
            continue
    return found


def wait_for(condition: Any) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not condition() and time.monotonic() < give_up:
        time.sleep(0.05)
    assert condition()


@pytest.fixture
def under_way(inputs: Path, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A long run in two places that has saved something, and its job."""
    process, scratch = (
        start(inputs, tmp_path, mesh={"data": 2}, steps=100_000, fault={"max_restarts": 0}),
        tmp_path / "out" / "scratch",
    )
    try:
        wait_for(lambda: any((scratch / "checkpoints").glob("step-*")))
        assert len(workers_of(scratch / JOB)) == 2
        yield process, scratch / JOB
    finally:
        process.kill()
        process.wait()


def test_ctrl_c_ends_all(under_way: tuple[subprocess.Popen[bytes], Path]) -> None:
    process, job = under_way
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE_S) == 130
    wait_for(lambda: workers_of(job) == [])


def test_a_killed_worker_ends_all(under_way: tuple[subprocess.Popen[bytes], Path]) -> None:
    process, job = under_way
    os.kill(workers_of(job)[0], signal.SIGKILL)
    assert process.wait(PATIENCE_S) == TrainingError.exit_code
    wait_for(lambda: workers_of(job) == [])


def test_another_machine_joins(inputs: Path, tmp_path: Path) -> None:
    """Two agents, each with one worker, as two machines with a shared disk would have them."""
    alone, here = stage(inputs, tmp_path / "one"), f"127.0.0.1:{free_port()}"
    train(alone)
    first = start(inputs, tmp_path / "two", mesh={"data": 2, "nodes": 2, "rendezvous": here})
    context = stage(inputs, tmp_path / "two")
    wait_for((context.scratch / JOB).exists)
    ownlm = [sys.executable, "-m", "ownlm.cli"]
    command = [*ownlm, "train", "join", str(context.scratch / JOB), "--rendezvous", here]
    try:
        second = subprocess.run(command, cwd=ROOT, timeout=PATIENCE_S, capture_output=True, text=True, check=False)
        assert second.returncode == 0, second.stderr
        assert first.wait(PATIENCE_S) == 0
    finally:
        first.kill()
        first.wait()
    same_model(alone, context, atol=2e-6)
