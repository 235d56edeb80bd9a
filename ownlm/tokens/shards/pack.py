"""The shards stage: the documents of every split as tokens, `[end_of_text, tokens...]` each, in table order.

With `pack: repositories`, the files of one follow each other (`ownlm.tokens.shards.repositories`).
Training documents of a source with a weight come as often as it says (`ownlm.tokens.shards.mixture`), held-out ones
once. Streamed: memory stays at a few row groups a worker. Encoding is a map as cleaning is: by worker processes, or on
the recipe's cluster; order and bytes do not depend on which, or on how many.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from ownlm.data.lake.maps import map_batches
from ownlm.data.lake.pool import map_row_groups
from ownlm.pipeline.progress import Progress, SilentProgress
from ownlm.pipeline.stage import Metrics, StageContext
from ownlm.tokens.corpus import SPLITS, CorpusTable
from ownlm.tokens.shards.batches import FEWEST_WINDOWS, count_windows, too_few_tokens
from ownlm.tokens.shards.cache import cache_at
from ownlm.tokens.shards.config import ShardsConfig, ShardsStage
from ownlm.tokens.shards.encoding import MapGroups, encoded
from ownlm.tokens.shards.mixture import in_pass, passes
from ownlm.tokens.shards.push import move_away
from ownlm.tokens.shards.reader import ShardReader
from ownlm.tokens.shards.report import write_report
from ownlm.tokens.shards.repositories import Packer
from ownlm.tokens.shards.writer import ShardWriter
from ownlm.tokens.vocabulary.load import Vocabulary

BYTES_OF_WORKER = 32 << 20
"""To start a worker takes as long as to encode about this much."""


def pack(context: StageContext) -> Metrics:
    """Stage function: reads `corpus` and `vocabulary`, writes a folder for each split.

    Raises:
        CorpusError: when the training split is too small for the context length.
        ArtifactError: when an input is damaged.
    """
    assert isinstance(context.config, ShardsStage)
    config, corpus = context.config.shards, context.inputs["corpus"]
    vocabulary = Vocabulary.load(context.inputs["vocabulary"].path)
    for split in SPLITS:
        table, weights = CorpusTable(corpus.path / split), context.config.weights if split == "train" else {}
        pack_split(table, context.out / split, vocabulary, config, context.progress, weights, _mapping(context, table))
    readers = {split: ShardReader(context.out / split, cache=context.cache) for split in SPLITS}
    train = readers["train"]
    if count_windows(train.total_tokens, config.context) < FEWEST_WINDOWS:
        raise too_few_tokens(train, config.context)
    write_report(readers, config, context.out / "report/index.html")
    if config.store is not None:
        move_away(context.out, SPLITS, config.store, cache_at(context.cache), context.progress)
    return {
        "train_tokens": train.total_tokens,
        "train_documents": train.documents,
        "train_bytes": train.total_bytes,
        "windows": count_windows(train.total_tokens, config.context),
        "heldout_repos_tokens": readers["heldout_repos"].total_tokens,
        "heldout_files_tokens": readers["heldout_files"].total_tokens,
    }


def _mapping(context: StageContext, table: CorpusTable) -> MapGroups:
    """The recipe's way to map row groups, with as many workers as are worth their start."""
    workers = min(context.workers, sum(group.bytes for group in table.row_groups()) // BYTES_OF_WORKER)
    # The bar is drawn by pack_split, which knows the size of the texts.
    return partial(map_batches, replace(context, workers=max(1, workers), progress=SilentProgress()))


def pack_split(
    table: CorpusTable,
    out: Path,
    vocabulary: Vocabulary,
    config: ShardsConfig,
    progress: Progress,
    weights: Mapping[str, float],
    map_groups: MapGroups = map_row_groups,
) -> None:
    """Encode and write one split; an empty one becomes an index without shards."""
    shard_bytes = int(config.shard_mb * 1e6)
    total = _bytes_to_pack(table, weights)
    if config.pack == "repositories":  # written from what was encoded before
        total += _bytes_to_pack(table, {source: min(weight, 1.0) for source, weight in weights.items()})
    with (
        ShardWriter(
            out,
            vocabulary_size=vocabulary.size,
            vocabulary=vocabulary.content,
            shard_bytes=shard_bytes,
            form=config.format,
            pack=config.pack,
            compression=config.compression,
        ) as writer,
        progress.task(f"shards: encoding {out.name}", total=total, unit="bytes") as task,
    ):
        if config.pack == "repositories":
            packer = Packer(table, vocabulary, weights, config)
            documents = packer.packed(map_groups, out / "unfinished", task)
        else:
            documents = encoded(table, vocabulary, weights, map_groups)
        for row, tokens, size in documents:
            writer.add(row, tokens, size)
            task.advance(size)


def _bytes_to_pack(table: CorpusTable, weights: Mapping[str, float]) -> int:
    """The size of every copy of every document."""
    total, columns = 0, ("id", "source", "size")
    for number in range(passes(weights)):
        for batch in table.batches(columns):
            rows = zip(*(batch.column(name).to_pylist() for name in columns), strict=True)
            total += sum(size for identity, source, size in rows if in_pass(number, weights, source, identity))
    return total
