"""The recipe's `train.mesh` block: in how many places a model is trained, and how it is divided. No torch."""

from __future__ import annotations

import math

from pydantic import Field

from ownlm.recipe.base import Config

INTERLEAVED_STAGES = 2
"""Stages of one process in the interleaved schedule."""


class MeshConfig(Config):
    """Ways to divide one training run; their product is the number of places (GPUs, or processes on CPUs).

    Rows of a batch are divided over data x shard; all other ways work together on the same rows. No way changes
    what a step sees: `train.batch` x `train.accumulate` is the whole batch in every mesh.
    """

    data: int = Field(1, ge=1, description="replicas of the model, each with its part of the batch's rows")
    shard: int = Field(1, ge=1, description="places that share one replica's weights and optimizer (FSDP)")
    tensor: int = Field(1, ge=1, description="places every matrix is split over (tensor parallel)")
    sequence: bool = Field(False, description="also split what lies between the matrices, along the sequence")
    pipeline: int = Field(1, ge=1, description="stages of consecutive layers")
    schedule: str = Field(
        "1f1b",
        pattern="^(1f1b|interleaved|gpipe)$",
        description="order of a pipeline's work: 1f1b, interleaved or gpipe",
    )
    microbatches: int = Field(0, ge=0, description="parts of a batch in the pipeline; 0: two for every stage")
    context: int = Field(1, ge=1, description="places the sequence is split over (context parallel)")
    expert: int = Field(1, ge=1, description="places the experts are split over; reuses data x shard x context")
    nodes: int = Field(1, ge=1, description="machines, each with an equal part of the places (`ownlm train join`)")
    rendezvous: str = Field(
        "", description="HOST:PORT of the machine that runs the recipe, where the others join; needed with nodes > 1"
    )

    @property
    def places(self) -> int:
        """Processes of the whole run."""
        return math.prod((self.data, self.shard, self.tensor, self.pipeline, self.context))

    @property
    def stages(self) -> int:
        """Of the pipeline; a process has two in the interleaved schedule."""
        return self.pipeline * (INTERLEAVED_STAGES if self.schedule == "interleaved" and self.pipeline > 1 else 1)

    @property
    def row_parts(self) -> int:
        """Parts the rows of a batch are divided into."""
        return self.data * self.shard

    def microbatches_of(self, rows: int) -> int:
        """Parts a pipeline divides this process's share of a batch of `rows` rows into."""
        return self.microbatches or math.gcd(rows // self.row_parts, 2 * self.pipeline)
