"""One rank of a run without a model: reads its share of some steps and writes down what it read.

python -m tests.tokens.shards.ranks SHARDS VOCABULARY OUT RANK RANKS START STOP WORKERS
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ownlm.tokens.objectives.config import UL2, FillInTheMiddle, ObjectivesConfig
from ownlm.tokens.shards.batches import Batch, Batches
from ownlm.tokens.shards.config import LoaderConfig
from ownlm.tokens.shards.loader import open_loader
from ownlm.tokens.shards.reader import ShardReader
from ownlm.tokens.shards.sizes import BatchSizes, RankShare
from ownlm.tokens.vocabulary.load import Vocabulary

CONTEXT, SEED = 64, 11
SIZES = BatchSizes([(0, 5), (4, 12), (30, 16)])
"""A warm-up; 3 and 8 ranks do not divide all of its sizes."""


def batches(shards: Path, vocabulary: Vocabulary) -> Batches:
    mix = ObjectivesConfig(fill_in_the_middle=FillInTheMiddle(rate=0.4), ul2=UL2(rate=0.3))
    return Batches(ShardReader(shards), mix, vocabulary, CONTEXT, SIZES, SEED)


def flat(made: Iterable[Batch]) -> np.ndarray:
    """(rows, 3, context): tokens, labels, segments of all rows of these batches."""
    parts = [np.stack([one.tokens_BL, one.labels_BL, one.segments_BL], axis=1) for one in made]
    return np.concatenate(parts) if parts else np.empty((0, 3, CONTEXT), np.int64)


def main(shards: str, vocabulary: str, out: str, *numbers: str) -> None:
    rank, ranks, start, stop = map(int, numbers[:4])
    config = LoaderConfig(workers="thread" if numbers[4] == "thread" else int(numbers[4]))
    made = batches(Path(shards), Vocabulary.load(Path(vocabulary)))
    with open_loader(made, config, start, stop, RankShare(rank, ranks)) as loader:
        steps = {str(start + number): flat([batch]) for number, batch in enumerate(loader)}
    np.savez(out, **steps)


if __name__ == "__main__":
    main(*sys.argv[1:])
