"""`ownlm run` with a mesh gives the model of the run with one place, within rounding."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.e2e.whole_way import Workplace, make_workplace

pytestmark = pytest.mark.slow
SHORT = (
    "train.steps=10",
    "train.precision=fp32",
    "evaluate.bits_per_byte.max_tokens=500",
    "evaluate.hidden_lines.lines=1",
)


def trained(finished: Workplace, folder: Path, *settings: str) -> dict[str, torch.Tensor]:
    """The weights of a shorter run over a copy of what is made already."""
    shutil.copytree(finished.home, folder / "home")
    place = Workplace(folder)
    done = place.ownlm("run", finished.recipe, *SHORT, *settings, "--no-serve")
    assert done.returncode == 0, done.stdout + done.stderr
    made = [
        path
        for path in (place.home / "artifacts").glob("train-*")
        if not (finished.home / "artifacts" / path.name).exists()
    ]
    assert len(made) == 1
    return load_file(made[0] / "model.safetensors")


def test_places_give_the_model_of_one(finished: Workplace, tmp_path: Path) -> None:
    alone = trained(finished, tmp_path / "alone")
    weights = trained(finished, tmp_path / "two", "train.mesh.tensor=2", "train.mesh.sequence=true")
    assert weights.keys() == alone.keys()
    for name, weight in alone.items():
        torch.testing.assert_close(weights[name], weight, rtol=0, atol=1e-5, msg=name)


def test_the_same_run_in_another_mesh_is_made_already(finished: Workplace) -> None:
    done = finished.ownlm("run", finished.recipe, "train.mesh.data=2", "--no-serve")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list((finished.home / "artifacts").glob("train-*"))) == 1


def test_a_mesh_that_does_not_divide_is_refused_by_the_plan(tmp_path: Path) -> None:
    place = make_workplace(tmp_path, ["json"])
    for command in ("plan", "run"):
        done = place.ownlm(command, place.recipe, "train.mesh.data=3")
        assert done.returncode == 2
        assert "8 windows, which cannot be divided among data x shard = 3 places" in done.stderr
        assert "set train.batch to 6 or 9" in done.stderr
