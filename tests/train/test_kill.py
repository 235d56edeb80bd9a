"""kill -9 at any moment, then the same call: the very same weights."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ownlm.pipeline.artifact import sha256_file
from ownlm.train.execution import missing_to_compile

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 200


def start(inputs: Path, work: Path, compiled: str, steps: int, *hold: str) -> subprocess.Popen[bytes]:
    arguments = [str(inputs), str(work), compiled, str(steps), *hold]
    return subprocess.Popen([sys.executable, "-m", "tests.train.child", *arguments], cwd=ROOT)


def finish(inputs: Path, work: Path, compiled: str, steps: int) -> str:
    assert start(inputs, work, compiled, steps).wait(PATIENCE_S) == 0
    return sha256_file(work / "out" / "model.safetensors")


def kill_when(process: subprocess.Popen[bytes], happened: Callable[[], bool]) -> bool:
    """SIGKILL as soon as something is seen; False if the process ended before."""
    give_up = time.monotonic() + PATIENCE_S
    while process.poll() is None and time.monotonic() < give_up:
        if happened():
            process.kill()
            process.wait()
            return True
        time.sleep(0.01)
    return False


def names(folder: Path) -> list[str]:
    try:
        return [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return []


def killed_often(inputs: Path, work: Path, compiled: str, steps: int) -> list[str]:
    """Kill at three kinds of moments, in which the process waits to be killed; returns those that were met."""
    checkpoints = work / "out" / "scratch" / "checkpoints"
    met = []
    moments: dict[str, Callable[[], bool]] = {
        "after:3": lambda: any(name.startswith("step-") for name in names(checkpoints)),
        "before:9": lambda: ".step-00000009.new" in names(checkpoints),
        "after:15": lambda: "step-00000015" in names(checkpoints),
    }
    for moment, happened in moments.items():
        if kill_when(start(inputs, work, compiled, steps, moment), happened):
            met.append(moment)
    return met


@pytest.mark.slow
def test_killed_eager(inputs: Path, tmp_path: Path) -> None:
    whole = finish(inputs, tmp_path / "whole", "off", 40)
    met = killed_often(inputs, tmp_path / "killed", "off", 40)
    assert len(met) == 3, met
    assert finish(inputs, tmp_path / "killed", "off", 40) == whole


@pytest.mark.slow
@pytest.mark.skipif(missing_to_compile() != "", reason=missing_to_compile())
def test_killed_compiled(inputs: Path, tmp_path: Path) -> None:
    whole = finish(inputs, tmp_path / "whole", "on", 24)
    assert kill_when(
        start(inputs, tmp_path / "killed", "on", 24, "after:6"),
        lambda: "step-00000006" in names(tmp_path / "killed" / "out" / "scratch" / "checkpoints"),
    )
    assert finish(inputs, tmp_path / "killed", "on", 24) == whole
