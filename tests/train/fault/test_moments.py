"""kill -9 in the middle of a step, of an update, of a save; continued to the same weights, bit for bit."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ownlm.pipeline.artifact import sha256_file
from ownlm.train.run import train
from tests.train.fault.held import marker_of
from tests.train.fault.processes import ended, saved, stage, start, wait_for

pytestmark = pytest.mark.slow
SETTINGS: dict[str, Any] = {"batch": 2, "accumulate": 2, "steps": 16}
MOMENTS = ["gradient:9", "update:5", "part:2", "rename:2"]
EVERY = 3
"""Each start comes to one more checkpoint before it waits; the next one goes on from that."""


def weights(out: Path) -> str:
    return sha256_file(out / "model.safetensors")


def uninterrupted(inputs: Path, work: Path, **more: Any) -> str:
    context = stage(inputs, work, **SETTINGS, **more)
    train(context)
    return weights(context.out)


def kill_at(moment: str, before: int, work: Path, process: subprocess.Popen[str]) -> None:
    """Once it waits and the checkpoint of step `before` is whole. What lies there is what the moment says."""
    wait_for(lambda: marker_of(work, moment).exists() and saved(work, before)(), process)
    checkpoints = work / "out" / "scratch" / "checkpoints"
    under_way = checkpoints / f".step-{before + EVERY:08d}.new"
    if moment.startswith("part"):
        whole = checkpoints / f"step-{before:08d}"
        files = {path.name: path.stat().st_size for path in under_way.iterdir()}
        assert any(0 < size < (whole / name).stat().st_size for name, size in files.items())
        assert "checkpoint.json" not in files
    if moment.startswith("rename"):
        assert (under_way / "checkpoint.json").exists()
    assert not saved(work, before + EVERY)()
    os.kill(int(marker_of(work, moment).read_text()), signal.SIGKILL)


def test_one_process(inputs: Path, tmp_path: Path) -> None:
    work = tmp_path / "killed"
    for number, moment in enumerate(MOMENTS, 1):
        process = start(inputs, work, MOMENTS, **SETTINGS)
        kill_at(moment, number * EVERY, work, process)
        assert ended(process)[0] == -signal.SIGKILL
    train(stage(inputs, work, **SETTINGS))
    assert weights(work / "out") == uninterrupted(inputs, tmp_path / "whole")


def test_a_mesh(inputs: Path, tmp_path: Path) -> None:
    """One job: its agent starts all again after each."""
    mesh: dict[str, Any] = {"mesh": {"shard": 2}}
    moments = ["update:5", "part:2"]
    process = start(inputs, tmp_path / "killed", moments, **SETTINGS, **mesh, fault={"grace_s": 2})
    for number, moment in enumerate(moments, 1):
        kill_at(moment, number * EVERY, tmp_path / "killed", process)
    code, said = ended(process)
    assert code == 0, said
    assert "all start again from the last checkpoint (2 of 3)" in said
    assert weights(tmp_path / "killed" / "out") == uninterrupted(inputs, tmp_path / "whole", **mesh)
