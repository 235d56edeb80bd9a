"""Checkpoints: a run that is killed at any moment continues from the newest complete one, to the very same weights.

Saver (background) ─► CheckpointFolder ─► Place: a folder or a URL
newest() ─► Stored ─► fill, state_for: the boxes this process needs, in whatever layout they were written
"""

from __future__ import annotations

from ownlm.train.checkpoint.background import Saver
from ownlm.train.checkpoint.description import DESCRIPTION, FORMAT, Checkpoint, Span
from ownlm.train.checkpoint.folder import CheckpointFolder
from ownlm.train.checkpoint.stored import Section, Stored, open_checkpoint

__all__ = [
    "DESCRIPTION",
    "FORMAT",
    "Checkpoint",
    "CheckpointFolder",
    "Saver",
    "Section",
    "Span",
    "Stored",
    "open_checkpoint",
]
