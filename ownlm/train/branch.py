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

from ownlm.errors import InputError, RecipeError, StorageError
from ownlm.recipe.base import local_path
from ownlm.tokens.shards.storage import is_url
from ownlm.train.config import ScheduleConfig

DESCRIPTION = "checkpoint.json"
_NAMED = 4


def branch_fingerprint(checkpoint: str, cache: Path) -> str:
    """What the result of a branch depends on outside of its recipe: the checkpoint's description, with all hashes.

    Args:
        checkpoint: the checkpoint's folder or URL.
        cache: not needed.

    Raises:
        InputError: when there is no checkpoint; names those that lie below that folder.
        StorageError: when the place cannot be read.
    """
    try:
        return hashlib.sha256(_description(checkpoint)).hexdigest()
    except (FileNotFoundError, NotADirectoryError) as error:
        found = [] if is_url(checkpoint) else sorted(local_path(checkpoint).glob(f"**/step-*/{DESCRIPTION}"))
        named = ", ".join(str(path.parent) for path in found[-_NAMED:])
        raise InputError(
            "there is no checkpoint to branch from",
            where=checkpoint,
            advice=f"name one in train.branch: {named or 'its folder, .../step-N (train.checkpoints.to keeps them)'}",
        ) from error
    except OSError as error:
        raise StorageError(
            f"the checkpoint to branch from cannot be read: {error}",
            where=checkpoint,
            advice="see that it can be reached and read, then run the same command",
        ) from error


def _description(checkpoint: str) -> bytes:
    if not is_url(checkpoint):
        return (local_path(checkpoint) / DESCRIPTION).read_bytes()
    from ownlm.train.checkpoint.place import open_place, step_of

    parent, _, name = checkpoint.rstrip("/").rpartition("/")
    step = step_of(name)
    if step is None:
        raise FileNotFoundError(name)
    return open_place(parent).description(step)


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
