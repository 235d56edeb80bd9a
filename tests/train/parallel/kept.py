"""Runs of `curves` that are saved and loaded as the loop does it: what tests of checkpoints in layouts share."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ownlm.train.checkpoint import CheckpointFolder, Saver
from ownlm.train.checkpoint.parts import fill, state_for, without_tied_head
from ownlm.train.parallel.config import MeshConfig
from ownlm.train.parallel.layout import MeshLayout
from tests.train.parallel.curves import Run, architecture
from tests.train.parallel.layouts import Case


def opened(case: Case, mesh: dict[str, int] | None = None) -> Run:
    """In a process of a group: the case's run, in its own mesh or another one."""
    layout = MeshLayout(MeshConfig.model_validate(case.mesh if mesh is None else mesh), "cpu")
    return Run(layout, architecture(**case.model), **case.settings)


def named(run: Run) -> dict[str, Tensor]:
    state = {f"optimizer/{name}": tensor for name, tensor in run.rule.state().items()}
    return state | {f"weights/{name}": tensor for name, tensor in run.decoder.state_dict().items()}


def saved(run: Run, where: Path, step: int) -> None:
    saver = Saver(CheckpointFolder(where, "f", layout=run.layout))
    saver.save(step, without_tied_head(run.decoder, named(run)), {})
    saver.wait()


def loaded(run: Run, where: Path) -> None:
    """The newest; no weight stays what it was before."""
    found = CheckpointFolder(where, "f", layout=run.layout).newest()
    assert found is not None
    for weight in run.decoder.parameters():
        weight.data.fill_(torch.nan)
    fill(run.decoder, found.part("weights/"))
    run.rule.load(state_for(run.decoder, found.part("optimizer/")))
