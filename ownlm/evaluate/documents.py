"""Which held-out documents are looked at: whole ones, by hash, so that the choice outlives changes elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ownlm.errors import CorpusError
from ownlm.evaluate.hash_order import hash_order
from ownlm.tokens.shards.reader import DocumentSpan, ShardReader
from ownlm.tokens.vocabulary.load import Vocabulary
from ownlm.tokens.vocabulary.special import SpecialTokens

SPLITS = ("heldout_repos", "heldout_files")


@dataclass(frozen=True)
class HeldOut:
    """A document under test.

    Attributes:
        span: what and where it is.
        tokens: the first tokens of its text (all, unless it was cut), without its header: the opening end_of_text,
            or the markers and names of a repository's file.
    """

    span: DocumentSpan
    tokens: NDArray[Any]


def open_splits(shards: Path, cache: Path | None = None) -> dict[str, ShardReader]:
    """The held-out splits that hold documents, by name; `cache` is the store's, for shards that are elsewhere.

    Raises:
        CorpusError: nothing is held out.
        ArtifactError: a split is damaged.
    """
    readers = {split: ShardReader(shards / split, cache=cache) for split in SPLITS if (shards / split).is_dir()}
    filled = {split: reader for split, reader in readers.items() if reader.total_tokens > reader.header_tokens}
    if not filled:
        raise CorpusError(
            "There is nothing to evaluate on: no document is held out.",
            where=shards,
            advice="Add sources, or hold out more: split.repos and split.files in the recipe.",
        )
    return filled


def tokens_of(reader: ShardReader, span: DocumentSpan) -> NDArray[Any]:
    """The tokens of a document's text."""
    return reader.tokens[span.text_start : span.stop]


def texts_of(
    reader: ShardReader, vocabulary: Vocabulary, spans: Iterable[DocumentSpan] | None = None
) -> Iterator[tuple[DocumentSpan, str]]:
    """Documents of a split with their texts: these, or all."""
    for span in _spans(reader) if spans is None else spans:
        yield span, vocabulary.decode_bytes(tokens_of(reader, span).tolist()).decode("utf-8", errors="replace")


def choose(reader: ShardReader, max_tokens: int, document_tokens: int, seed: int) -> list[HeldOut]:
    """Documents in hash order until `max_tokens` are there; the last one is cut to fit.

    Args:
        reader: a held-out split.
        max_tokens: tokens in all.
        document_tokens: tokens taken of one document at most: its first ones.
        seed: another seed, another choice.
    """
    spans = sorted(_spans(reader), key=lambda span: hash_order(seed, span.id))
    chosen: list[HeldOut] = []
    left = max_tokens
    for span in spans:
        tokens = tokens_of(reader, span)[: min(document_tokens, left)]
        if len(tokens):
            chosen.append(HeldOut(span, tokens))
            left -= len(tokens)
        if left == 0:
            break
    return chosen


def training_stream(reader: ShardReader, max_tokens: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The stream an n-gram model counts, and where its documents begin.

    All of the split if it has at most `max_tokens`; else documents at even distances, as many as fit on average.

    Returns:
        T tokens of the stored type, and the places of the opening end_of_text tokens.
    """
    starts = np.asarray(reader.document_starts(-1, reader.total_tokens), dtype=np.int64)
    whole = reader.total_tokens <= max_tokens
    if whole and reader.pack == "documents":
        return reader.tokens[0 : reader.total_tokens], starts
    wanted = len(starts) if whole else max(1, int(len(starts) * max_tokens / reader.total_tokens))
    taken = [reader.text_bounds(int(index)) for index in np.arange(wanted) * len(starts) // wanted]
    if reader.pack == "documents":
        pieces = [reader.tokens[start:stop] for start, stop in taken]
    else:  # in place of its header, what opens a document everywhere else
        opening = np.array([SpecialTokens.end_of_text], dtype=reader.tokens.dtype)
        pieces = [np.concatenate([opening, reader.tokens[start:stop]]) for start, stop in taken]
    lengths = [len(piece) for piece in pieces]
    return np.concatenate(pieces), np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)


def _spans(reader: ShardReader) -> Iterator[DocumentSpan]:
    return (reader.document(index) for index in range(reader.documents))
