"""The held-out files that are measured while training: fixed windows, the same at every measurement."""

from __future__ import annotations

from ownlm.pipeline.stage import StageContext
from ownlm.tokens.objectives.config import ObjectivesConfig
from ownlm.tokens.shards.batches import FEWEST_WINDOWS, Batch, Batches, count_windows
from ownlm.tokens.shards.reader import ShardReader
from ownlm.tokens.vocabulary.load import Vocabulary
from ownlm.train.config import TrainStage

PLAIN = ObjectivesConfig(fill_in_the_middle=None)
_SEED = 0


def heldout_reader(context: StageContext) -> ShardReader | None:
    """The held-out files; None when none are held out."""
    folder = context.inputs["shards"].path / "heldout_files"
    return ShardReader(folder, cache=context.cache) if folder.exists() else None


def heldout_data(
    context: StageContext, vocabulary: Vocabulary, objectives: ObjectivesConfig = PLAIN
) -> tuple[Batches, int] | None:
    """Fixed windows of held-out files, and how many batches of them are measured; None when too little is held out."""
    config, reader = context.config, heldout_reader(context)
    assert isinstance(config, TrainStage)
    windows = 0 if reader is None else count_windows(reader.total_tokens, config.context)
    if reader is None or windows < FEWEST_WINDOWS:
        return None
    size = min(config.train.batch, windows)
    batches = Batches(reader, objectives, vocabulary, config.context, size, _SEED)
    return batches, min(config.train.eval_batches, windows // size)


def heldout_batches(context: StageContext, vocabulary: Vocabulary, objectives: ObjectivesConfig = PLAIN) -> list[Batch]:
    """Those batches; none when too little is held out."""
    data = heldout_data(context, vocabulary, objectives)
    return [] if data is None else [data[0].batch(step) for step in range(data[1])]
