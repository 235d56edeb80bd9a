"""Bits per byte: how many bits the model needs for a byte of code it has never seen. Lower is better.

    - sum over all tokens of log2 P(token | end_of_text and the document's tokens before it)  /  UTF-8 bytes of them

Bytes, not tokens, so that models with different vocabularies compare. The end_of_text that closes a document stands
for no byte and is not scored. All rivals score the same tokens. A document longer than the model's context is cut
into windows that overlap (see `rivals.windows`); the n-gram needs no windows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ownlm.evaluate.config import BitsPerByte
from ownlm.evaluate.documents import choose
from ownlm.evaluate.rivals import Rival
from ownlm.pipeline.progress import Progress
from ownlm.statistics.bootstrap import ratio_interval
from ownlm.tokens.shards.reader import ShardReader


@dataclass(frozen=True)
class SplitBits:
    """One held-out split, measured.

    Attributes:
        documents: how many.
        repos: repositories they come from.
        tokens: scored.
        bytes: they stand for.
        bits_per_byte: by rival.
        intervals: 95 % bootstrap over documents, by rival.
        by_repo: bits per byte of the first rival, by repository.
        by_language: the same, by language.
    """

    documents: int
    repos: int
    tokens: int
    bytes: int
    bits_per_byte: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    by_repo: dict[str, float]
    by_language: dict[str, float]


def measure_split(
    name: str,
    reader: ShardReader,
    rivals: Mapping[str, Rival],
    token_bytes: Sequence[bytes],
    settings: BitsPerByte,
    progress: Progress,
) -> SplitBits:
    """Score the chosen documents of a split with every rival.

    Args:
        name: of the split, for the progress line.
        reader: its shards; holds at least one token.
        rivals: who scores; the first one is ours.
        token_bytes: the bytes each token stands for.
        settings: which documents.
        progress: where the work is shown.
    """
    chosen = choose(reader, settings.max_tokens, settings.document_tokens, settings.seed)
    lengths = np.array([len(text) for text in token_bytes])
    sizes = [int(lengths[document.tokens].sum()) for document in chosen]
    total = sum(len(document.tokens) for document in chosen)
    bits: dict[str, list[float]] = {}
    with progress.task(f"bits per byte, {name}", total * len(rivals), "tokens") as task:
        for rival, scorer in rivals.items():
            task.note(rival)
            scored = scorer.log2_probabilities([document.tokens for document in chosen], task)
            bits[rival] = [-float(log2.sum()) for log2 in scored]
    return SplitBits(
        documents=len(chosen),
        repos=len({document.span.repo for document in chosen}),
        tokens=total,
        bytes=sum(sizes),
        bits_per_byte={rival: sum(found) / sum(sizes) for rival, found in bits.items()},
        intervals={rival: ratio_interval(found, sizes, settings.seed) for rival, found in bits.items()},
        by_repo=_grouped([document.span.repo for document in chosen], next(iter(bits.values())), sizes),
        by_language=_grouped([document.span.language for document in chosen], next(iter(bits.values())), sizes),
    )


def _grouped(names: Sequence[str], bits: Sequence[float], sizes: Sequence[int]) -> dict[str, float]:
    sums: dict[str, tuple[float, int]] = {}
    for name, found, size in zip(names, bits, sizes, strict=True):
        before = sums.get(name, (0.0, 0))
        sums[name] = (before[0] + found, before[1] + size)
    return {name: found / size for name, (found, size) in sorted(sums.items())}
