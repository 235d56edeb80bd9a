"""A plateau is trained once; a model of another length branches off from a kept checkpoint, with the command line.

That it is the very model of one run that decays there: `tests/train/test_run.py`.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ownlm.pipeline.tracking.log import MetricLog
from tests.e2e.whole_way import Workplace

pytestmark = pytest.mark.slow
SHORT = (
    "evaluate.bits_per_byte.max_tokens=500",
    "evaluate.hidden_lines.lines=1",
    "export=[huggingface]",
    "train.log_every=2",
)


def test_a_branch_of_a_kept_checkpoint(finished: Workplace, tmp_path: Path) -> None:
    shutil.copytree(finished.home, tmp_path / "home")
    place, kept = Workplace(tmp_path), tmp_path / "kept"

    def run(*settings: str) -> Path:
        """The folder of the training it carries out."""
        before = set((place.home / "artifacts").glob("train-*"))
        done = place.ownlm("run", finished.recipe, *SHORT, *settings, "--no-serve")
        assert done.returncode == 0, done.stdout + done.stderr
        (made,) = set((place.home / "artifacts").glob("train-*")) - before
        return made

    keep = (f"train.checkpoints.to={kept}", "train.checkpoints.every=2", "train.checkpoints.keep_every=4")
    plateau = run("train.steps=12", "train.schedule.wsd.decay=0", *keep)
    (folder,) = kept.iterdir()
    assert {path.name for path in folder.iterdir()} == {f"step-{step:08d}" for step in (4, 8, 10, 12)}
    assert str(folder) in (plateau / "report/index.html").read_text()

    refused = place.ownlm("run", finished.recipe, "train.steps=8", f"train.branch={kept}", "--no-serve")
    assert refused.returncode == 3
    assert str(folder / "step-00000004") in refused.stderr.replace("\n", "")

    branch = run("train.steps=8", "train.schedule.wsd.decay=0", f"train.branch={folder / 'step-00000004'}")
    lines = {line["step"]: line for line in MetricLog.read(branch / "metrics.jsonl")}
    assert list(lines) == [6, 8]
    first, last = (MetricLog.read(plateau / "metrics.jsonl")[number] for number in (0, -1))
    assert first["loss"] > lines[6]["loss"]
    assert last["lr"] > lines[6]["lr"] > lines[8]["lr"] > 0
