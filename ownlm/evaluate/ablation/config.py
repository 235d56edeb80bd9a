"""Settings of one scoring of `ownlm ablate`. Light to import."""

from __future__ import annotations

from pydantic import Field

from ownlm.evaluate.company.config import HiddenLines
from ownlm.recipe.base import Config


class ScoreStage(Config):
    """What a model is asked about documents that two versions of the data both held out."""

    max_bytes: int = Field(400_000, ge=1000, description="UTF-8 bytes scored, whole documents by hash")
    document_bytes: int = Field(32_768, ge=64, description="bytes scored of one document at most: its first ones")
    overlap: float = Field(0.25, ge=0, le=0.95, description="part of each window that repeats the one before")
    batch: int = Field(32, ge=1, le=4096, description="windows or questions in one forward pass")
    hidden_lines: HiddenLines | None = Field(HiddenLines(), description="lines hidden in the same documents")
    seed: int = Field(0, ge=0, lt=2**63, description="which documents are taken")
