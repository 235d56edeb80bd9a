"""Train stages in processes of their own, and what tests do to them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ownlm.pipeline.stage import StageContext
from tests.train.inputs import small, stage_context

ROOT = Path(__file__).resolve().parents[3]
PATIENCE_S = 120


def settings(**more: Any) -> dict[str, Any]:
    """Small, the same in every layout."""
    return {"batch": 4, "steps": 30, "precision": "fp32", "optimizer": "muon", "checkpoint_every": 3, **more}


def stage(inputs: Path, work: Path, **more: Any) -> StageContext:
    """The stage in this process."""
    return stage_context(inputs, work, small(**settings(**more)))


def start(inputs: Path, work: Path, moments: Sequence[str] = (), **more: Any) -> subprocess.Popen[str]:
    """The stage in a process, which waits at moments (`held`); its errors are on its standard error."""
    work.mkdir(parents=True, exist_ok=True)
    arguments = [str(inputs), str(work), json.dumps(settings(**more)), *moments]
    module = "tests.train.fault.held" if moments else "tests.train.parallel.child"
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Its exit code, and what it said."""
    said = process.communicate(timeout=PATIENCE_S)[1]
    return process.returncode, said


def workers_of(work: Path) -> dict[int, int]:
    """Rank -> process of the workers whose command line names the stage's job."""
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str(work / "out" / "scratch" / "job.json") in (entry / "cmdline").read_text():
                environment = dict(
                    line.split("=", 1) for line in (entry / "environ").read_text().split("\0") if "=" in line
                )
                if "RANK" in environment:
                    found[int(environment["RANK"])] = int(entry.name)
        except OSError:  # it has just ended
            continue
    return found


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str] | None = None) -> None:
    """Until something is so; an error when the process ends before."""
    give_up = time.monotonic() + PATIENCE_S
    while not condition():
        assert process is None or process.poll() is None, "ended before"
        assert time.monotonic() < give_up
        time.sleep(0.02)


def saved(work: Path, step: int) -> Callable[[], bool]:
    """Whether there is a checkpoint of at least a step."""

    def there() -> bool:
        names = [path.name for path in (work / "out" / "scratch" / "checkpoints").glob("step-*")]
        return any(int(name.removeprefix("step-")) >= step for name in names)

    return there
