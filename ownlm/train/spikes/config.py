"""The recipe's `train.spikes` block: what a spike is, and what is done about one. No torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ownlm.recipe.base import Config

Policy = Literal["off", "note", "skip", "rewind", "stop"]


class SpikesConfig(Config):
    """When a step's loss or gradient stands far outside of what the steps before it had."""

    policy: Policy = Field(
        "note",
        description="off; note: write an incident; also skip the batch, rewind and leave its data out, or stop",
    )
    window: int = Field(128, ge=16, le=4096, description="steps before that are looked at")
    warmup_steps: int = Field(100, ge=0, description="steps at the start in which nothing but a NaN is a spike")
    loss_sigmas: float = Field(6.0, gt=0, description="deviations above the window's median at which a loss is one")
    grad_sigmas: float = Field(8.0, gt=0, description="the same of the gradient's length, measured on a log scale")
    rewind_steps: int = Field(50, ge=0, description="steps to go back, at least; all data from there on are left out")
    leave_out_after: int = Field(0, ge=0, description="steps' data behind the spike that a rewind leaves out, too")
    most: int = Field(8, ge=1, description="skips or rewinds in a row of windows; the next spike stops the run")
    apart: int = Field(10, ge=1, description="steps from one noted incident to the next, at least")
    incidents: int = Field(16, ge=0, description="incidents that are written, at most")
    documents: int = Field(8, ge=0, description="documents of an incident whose own gradient is computed, exactly")
    reference: int = Field(4, ge=0, description="steps before it whose documents say what is usual in a language")
    text_bytes: int = Field(4000, ge=0, description="bytes of text an incident quotes of each of these documents")
