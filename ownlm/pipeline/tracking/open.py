"""From the recipe's `track` block to trackers."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from ownlm.pipeline.tracking.base import Tracker
from ownlm.pipeline.tracking.config import TrackConfig


def open_trackers(config: TrackConfig, home: Path) -> list[Tracker]:
    """New trackers for one stage. The first time in a process, make sure that what the recipe asks for can work.

    A server that does not answer is an error here, before any work is done; one that goes away later costs a
    warning only.

    Args:
        config: which trackers.
        home: ownlm's home folder; local databases and files go below it.

    Raises:
        DependencyError: a tracker's package is not installed.
        ServerError: the tracking server named in the recipe does not answer or refuses.
    """
    _check(config)
    trackers: list[Tracker] = []
    if config.mlflow is not None:
        from ownlm.pipeline.tracking.mlflow import MlflowTracker

        trackers.append(MlflowTracker(config.mlflow, home))
    if config.wandb is not None:
        from ownlm.pipeline.tracking.wandb import WandbTracker

        trackers.append(WandbTracker(config.wandb, home))
    if config.tensorboard is not None:
        from ownlm.pipeline.tracking.tensorboard import TensorBoardTracker

        trackers.append(TensorBoardTracker(config.tensorboard, home))
    return trackers


@cache
def _check(config: TrackConfig) -> None:
    """Raise unless every tracker can be reached; remembered for the process once it has been so."""
    if config.mlflow is not None:
        from ownlm.pipeline.tracking.mlflow import check_server

        check_server(config.mlflow)
    if config.wandb is not None:
        from ownlm.pipeline.tracking.wandb import import_wandb

        import_wandb()
    if config.tensorboard is not None:
        from ownlm.pipeline.tracking.tensorboard import import_tensorboard

        import_tensorboard()
