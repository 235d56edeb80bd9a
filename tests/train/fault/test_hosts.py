"""A machine is cut off from the others: they go on without it, and the model is the same."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from ownlm.pipeline.tracking.log import MetricLog
from ownlm.train.run import train
from tests.train.fault.hosts import CUT_AFTER, IN_NAMESPACES, SETTINGS
from tests.train.fault.processes import PATIENCE_S, ROOT, stage


@cache
def missing() -> str:
    """Why this machine cannot have hosts inside; "": it can."""
    command = [*IN_NAMESPACES, sys.executable, "-m", "tests.train.fault.hosts", "/", "/"]
    try:
        tried = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"no network namespaces: {error}"
    return "" if tried.returncode == 0 else f"no network namespaces: {tried.stderr.strip().splitlines()[-1:]}"


@pytest.mark.slow
def test_a_machine_that_is_cut_off_is_left_behind(inputs: Path, tmp_path: Path) -> None:
    if missing():
        pytest.skip(missing())
    work = tmp_path / "hosts"
    work.mkdir()
    command = [*IN_NAMESPACES, sys.executable, "-m", "tests.train.fault.hosts", str(inputs), str(work)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=2 * PATIENCE_S)
    assert done.returncode == 0, done.stderr
    assert "all start again from the last checkpoint" in done.stderr
    alone = stage(inputs, tmp_path / "alone", **{n: v for n, v in SETTINGS.items() if n not in ("mesh", "fault")})
    train(alone)
    weights, expected = (load_file(out / "model.safetensors") for out in (work / "out", alone.out))
    for name, weight in expected.items():
        torch.testing.assert_close(weights[name], weight, rtol=0, atol=2e-5, msg=name)
    seen = {line["step"]: line["loss"] for line in MetricLog.read(work / "out" / "metrics.jsonl")}
    like = {line["step"]: line["loss"] for line in MetricLog.read(alone.metrics.path)}
    assert seen == pytest.approx(like, abs=1e-4)  # the same data in every step, each once
    page = (work / "out" / "report" / "index.html").read_text()
    assert "continued from its checkpoints at step" in page
    assert max(seen) > CUT_AFTER
