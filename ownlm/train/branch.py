"""Branches: a run that starts from the plateau of another one and only decays (arXiv 2405.18392).

    run       warm-up ── plateau ──●─────────────●───── ...       step-00000800, step-00001200: kept checkpoints
    branch                          \\ decay       \\ decay        train: {branch: .../step-00000800, steps: 1000}

One long run at a constant learning rate gives models of many lengths, each for the price of its decay. A branch goes on
with the data where the checkpoint stood, so both runs must read the same: same model, shards, order and batches.
`train.steps` counts the steps before the branch, too. Light to import: no torch.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from ownlm.errors import InputError, RecipeError
from ownlm.train.config import ScheduleConfig

DESCRIPTION = "checkpoint.json"


def branch_fingerprint(checkpoint: str, cache: Path) -> str:
    """What the result of a branch depends on outside of its recipe: the checkpoint's description, with all hashes.

    Args:
        checkpoint: the checkpoint's folder.
        cache: not needed.

    Raises:
        InputError: when there is no checkpoint.
    """
    try:
        return hashlib.sha256((Path(checkpoint) / DESCRIPTION).read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(
            "there is no checkpoint to branch from",
            where=checkpoint,
            advice="name the folder of one, .../checkpoints/step-N, in train.branch",
        ) from error


def decaying_from(schedule: ScheduleConfig, step: int, steps: int) -> ScheduleConfig:
    """A warm-up-stable-decay schedule whose decay takes all steps from `step` on.

    Raises:
        RecipeError: when no steps are left, or the schedule has no plateau.
    """
    if schedule.wsd is None:
        raise RecipeError(
            "only a wsd schedule has a plateau to branch from", where="train.schedule", advice="set it to wsd"
        )
    if step >= steps:
        raise RecipeError(
            f"a branch from step {step} has no steps left to decay in",
            where="train.steps",
            advice=f"it counts the steps before the branch, too: raise it above {step}",
        )
    return ScheduleConfig(wsd=schedule.wsd.model_copy(update={"decay": (steps - step) / steps}))
