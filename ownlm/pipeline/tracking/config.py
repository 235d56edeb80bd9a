"""Where metrics go beside the JSONL file."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from ownlm.recipe.base import Config

_SCHEMES = ("http://", "https://", "sqlite:///", "postgresql://", "mysql://", "mssql://")


def _tracking_uri(uri: str) -> str:
    if not re.sub(r"^(postgresql|mysql|mssql)\+\w+://", r"\1://", uri).startswith(_SCHEMES):
        raise ValueError("begin with http://, https://, sqlite:///, postgresql://, mysql:// or mssql://")
    return uri


class MlflowConfig(Config):
    """MLflow: one experiment a run name, one MLflow run for each execution of a stage."""

    uri: Annotated[str, AfterValidator(_tracking_uri)] | None = Field(
        None, description="tracking server or database; none: mlflow.db (SQLite) in ownlm's home folder"
    )


class WandbConfig(Config):
    """Weights & Biases: offline unless WANDB_API_KEY is in the environment; the key is never written anywhere."""

    project: str = Field("ownlm", min_length=1, max_length=128, description="the project runs are filed under")
    entity: str | None = Field(None, description="the team or user; none: the key's default")


class TensorBoardConfig(Config):
    """TensorBoard: event files, one folder for each stage of a run."""

    folder: str | None = Field(None, min_length=1, description="where to; none: tensorboard/ in ownlm's home folder")


class TrackConfig(Config):
    """Trackers beside the JSONL file; none is asked for by default. No stage's key depends on them."""

    mlflow: MlflowConfig | None = Field(None, description="MLflow (needs ownlm[track]); `{}` for a local SQLite file")
    wandb: WandbConfig | None = Field(None, description="Weights & Biases (needs ownlm[wandb])")
    tensorboard: TensorBoardConfig | None = Field(None, description="TensorBoard event files (needs ownlm[track])")
