"""The shards' report page: what there is to train on, and in how many epochs it is seen."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ownlm.tokens.shards.batches import count_windows
from ownlm.tokens.shards.config import ShardsConfig
from ownlm.tokens.shards.reader import ShardReader
from ownlm.web.page import Page


def write_report(readers: Mapping[str, ShardReader], config: ShardsConfig, path: Path) -> None:
    """Draw the page from the packed splits."""
    train = readers["train"]
    windows = count_windows(train.total_tokens, config.context)
    page = Page("Shards", f"{train.total_tokens:,} tokens to train on")
    page.facts(
        {
            "Training tokens": train.total_tokens,
            "Training documents": train.documents,
            "Windows of an epoch": windows,
            "Context": config.context,
            "Bytes per token": _bytes_per_token(train),
        }
    )
    page.table(
        ["split", "documents", "tokens", "bytes", "bytes per token"],
        [
            [
                name,
                reader.documents,
                reader.total_tokens,
                reader.total_bytes,
                _bytes_per_token(reader),
            ]
            for name, reader in readers.items()
        ],
        title="Splits",
    )
    page.paragraph(_packed_as(readers["train"], config))
    page.bars("Training documents by length", _by_length(train.lengths(), config.context), unit="documents")
    page.write(path)


def _packed_as(train: ShardReader, config: ShardsConfig) -> str:
    """What attention stays in, and in which form the shards are where."""
    words = "Packed by document: each sees itself only."
    if train.pack == "repositories":
        words = (
            f"Packed by repository: {train.stretches:,} stretches of files in the order of their imports, in which "
            f"each sees those before it. {train.header_tokens / max(1, train.total_tokens):.1%} of the training tokens "
            "are markers, names and paths."
        )
    form = f"MDS, compressed with {config.compression}" if config.compression != "none" else train.form
    kinds = {"tokens": "token files", "mds": "MDS"}
    return f"{words} Written as {kinds.get(form, form)}{f', to {config.store}' if config.store else ''}."


def _bytes_per_token(reader: ShardReader) -> float:
    """Of the texts, with one token more for each: names and paths of repositories' files are not counted."""
    texts = reader.total_tokens - reader.header_tokens
    return round(reader.total_bytes / max(1, texts + reader.documents), 3)


def _by_length(lengths: np.ndarray[tuple[int], np.dtype[np.int64]], context: int) -> dict[str, float]:
    """How many documents fill less than a quarter of the context, less than half, ... up to 16 times and more."""
    edges = [context // 4, context // 2, context, 2 * context, 4 * context, 16 * context]
    labels = [f"under {edge:,}" for edge in edges] + [f"{edges[-1]:,} and more"]
    counts = np.bincount(np.searchsorted(edges, lengths, side="right"), minlength=len(labels))
    return {label: float(count) for label, count in zip(labels, counts, strict=True)}
