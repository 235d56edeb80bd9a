"""The train stage: shards and a vocabulary -> a trained model.

    one place      ─► `ownlm.train.process`, here
    several places ─► `ownlm.train.parallel.launch` ─► a process each, which does the same

What starts other processes needs neither the model nor the trainer, and imports none of it.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from ownlm.pipeline.stage import StageContext
from ownlm.tokens.vocabulary.load import Vocabulary
from ownlm.train.config import TrainStage
from ownlm.train.parallel.check import check_mesh
from ownlm.train.parallel.launch import launch
from ownlm.train.parallel.layout import Layout


def train(context: StageContext) -> Mapping[str, JsonValue]:
    """Train a model; see the module's docstring.

    Returns:
        loss, bits_per_byte (of the last log interval), heldout_bits_per_byte, parameters, tokens, epochs, flops,
        seconds, tokens_per_s.

    Raises:
        CorpusError: when there are too few tokens for the context or for one step's batch.
        RecipeError: when the model's numbers do not fit together.
        ArtifactError: when the shards or the vocabulary are damaged.
        TrainingError: when the loss is not a number, or the device refuses.
        StorageError: when the disk is full; the last checkpoint stays.
    """
    config = context.config
    assert isinstance(config, TrainStage)
    if config.train.mesh.places > 1:
        vocabulary = Vocabulary.load(context.inputs["vocabulary"].path)
        check_mesh(config.train, config.model.architecture(vocabulary.size, config.context))
        return launch(context)
    from ownlm.train.process import train_in

    return train_in(context, Layout())
