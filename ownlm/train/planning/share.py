"""What one place of a mesh has of a model and of a batch. Follows `ownlm.train.parallel`; no torch."""

from __future__ import annotations

from math import prod

from ownlm.model.architecture import Architecture
from ownlm.train.config import TrainConfig
from ownlm.train.planning.matrices import Matrix


class Share:
    """A place's part.

    Args:
        architecture: of the model.
        train: batch and mesh.
        stage: the place's number in the pipeline.

    Attributes:
        layers: its blocks.
        tokens: positions it computes with in one forward pass.
        in_flight: forward passes whose activations are there at once.
        shards: places each weight is sharded over, beside tensor parallel.
        vocabulary: rows of the embedding and the head it has.
        muon_share: part of Muon's work.
    """

    def __init__(self, architecture: Architecture, train: TrainConfig, stage: int = 0) -> None:
        mesh, layers = train.mesh, architecture.layers
        self.mesh = mesh
        mine = range(stage, mesh.stages, mesh.pipeline)
        bounds = [-(-layers * number // mesh.stages) for number in range(mesh.stages + 1)]
        self.layers = [layer for number in mine for layer in range(bounds[number], bounds[number + 1])]
        self.is_first, self.is_last = 0 in mine, mesh.stages - 1 in mine
        passes = mesh.microbatches_of(train.batch) if mesh.pipeline > 1 else 1
        rows = max(1, train.batch // (mesh.row_parts * passes))
        self.tokens = rows * architecture.context // mesh.context
        self.in_flight = 1 if mesh.pipeline == 1 else passes if mesh.schedule == "gpipe" else self._warm(stage, passes)
        self.shards = mesh.shard * mesh.context if mesh.shard > 1 else 1
        self.vocabulary = -(-architecture.vocab_size // mesh.tensor)
        self.embedding = self.vocabulary * architecture.d_model
        self.head = self.embedding
        self.muon_share = 1 / (mesh.data * mesh.shard * mesh.context * mesh.tensor)

    def _warm(self, stage: int, passes: int) -> float:
        """Forward passes before the first backward: 1F1B's stages ahead; interleaved ones in halves of a place."""
        places = self.mesh.pipeline
        if self.mesh.schedule == "interleaved":
            chunks = 2 * (places - stage - 1) + places + 1
            return min(2 * passes, chunks) / 2
        return min(passes, places - stage)

    def gathered(self, matrix: Matrix) -> float:
        """Numbers of a weight where it computes: all shards together."""
        split = self.mesh.tensor if matrix.divisible else 1
        split *= self.mesh.expert if matrix.of_expert else 1
        return prod(matrix.shape) / split

    def held(self, matrix: Matrix) -> float:
        """Numbers of a weight this place keeps, with gradient and optimizer's state."""
        if not matrix.of_expert:
            return self.gathered(matrix) / self.shards
        copies = self.mesh.data * self.mesh.shard * self.mesh.context // self.mesh.expert
        shards = self.shards if self.mesh.expert == 1 else copies if self.mesh.shard > 1 else 1
        return self.gathered(matrix) / shards
