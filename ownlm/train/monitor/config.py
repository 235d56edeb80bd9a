"""Settings of what is watched while training. None of them changes the trained weights."""

from __future__ import annotations

from pydantic import Field

from ownlm.recipe.base import Config


class MonitorConfig(Config):
    """The recipe's `train.monitor` block."""

    norms: bool = Field(True, description="lengths of gradient and update of groups of layers, one group a step")
    profile_every: int = Field(
        200, ge=0, description="steps between those in which the processes' communication is timed; 0: never"
    )
    completions: int = Field(3, ge=0, le=20, description="held-out files that are continued at every measurement")
    completion_tokens: int = Field(32, ge=1, le=512, description="tokens of such a continuation, at most")
