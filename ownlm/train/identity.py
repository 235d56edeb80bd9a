"""What run a checkpoint belongs to: hashes of its settings, its model and its data."""

from __future__ import annotations

import hashlib

from ownlm.model.architecture import Architecture
from ownlm.pipeline.stage import StageContext
from ownlm.recipe.base import canonical_json
from ownlm.tokens.vocabulary.load import Vocabulary
from ownlm.train.config import NOT_KEYED, TrainStage


def fingerprint(context: StageContext, config: TrainStage, architecture: Architecture, vocabulary: Vocabulary) -> str:
    """Of all that the weights depend on: a checkpoint of anything else is not continued."""
    values = {
        "config": config.model_dump(mode="json", exclude={"train": NOT_KEYED}),
        "architecture": architecture.to_json(),
        "vocabulary": vocabulary.content,
        "shards": context.inputs["shards"].manifest.content,
    }
    return hashlib.sha256(canonical_json(values).encode("utf-8")).hexdigest()


def kept_at(to: str, fingerprint: str) -> str:
    """The folder or URL of one run's checkpoints below `train.checkpoints.to`; empty: they are not kept."""
    return f"{to.rstrip('/')}/run-{fingerprint[:16]}" if to else ""


def origin(context: StageContext, config: TrainStage, architecture: Architecture, vocabulary: Vocabulary) -> str:
    """Of the model, the data in their order, and what the optimizer remembers: equal in a run and its branches."""
    train = config.train
    values = {
        "objectives": config.objectives.model_dump(mode="json"),
        "batches": [train.batch, train.accumulate, train.batch_warmup, train.seed],
        "optimizer": train.optimizer.model_dump(mode="json"),
        "architecture": architecture.to_json(),
        "vocabulary": vocabulary.content,
        "shards": context.inputs["shards"].manifest.content,
    }
    return hashlib.sha256(canonical_json(values).encode("utf-8")).hexdigest()
