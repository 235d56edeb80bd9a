"""Measure a vocabulary: bytes per token on documents it was not trained on, and what it learned."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import JsonValue

from ownlm.tokens.corpus import CorpusTable
from ownlm.tokens.vocabulary.config import VocabularyConfig
from ownlm.tokens.vocabulary.load import Vocabulary
from ownlm.tokens.vocabulary.sample import DocumentSample, draw_sample

MEASURED_BYTES = 8_000_000
"""At most this much of each held-out split is encoded."""
AT_ONCE = 1_000_000
"""Characters encoded at once."""
EXAMPLE = "def fib(n: int) -> int:\n    return n if n < 2 else fib(n - 1) + fib(n - 2)  # 12345\n"


def measure(
    vocabulary: Vocabulary, corpus: Path, config: VocabularyConfig, sample: DocumentSample
) -> dict[str, JsonValue]:
    """The statistics written to vocabulary.json. `bytes_per_token` is that of held-out files where there are any."""
    splits = {
        split: split_density(vocabulary, corpus / split, config.seed) for split in ("heldout_files", "heldout_repos")
    }
    splits["sample"] = density(vocabulary, iter(_part(sample, MEASURED_BYTES)))
    heldout = splits["heldout_files"] or splits["heldout_repos"] or splits["sample"]
    learned = range(vocabulary.special.count + 256, vocabulary.size)
    longest = sorted(learned, key=lambda token: (-len(vocabulary.token_bytes[token]), token))[:40]
    return {
        "size": vocabulary.size,
        "special": vocabulary.special.count,
        "digits": config.digits,
        "content": vocabulary.content,
        "sample_documents": sample.documents,
        "sample_bytes": sample.bytes,
        "bytes_per_token": heldout,
        "bytes_per_token_by_split": dict(splits.items()),
        "longest": [vocabulary.decode([token]) for token in longest],
        "first_learned": [vocabulary.decode([token]) for token in learned[:60]],
        "example": [vocabulary.decode([token]) for token in vocabulary.encode(EXAMPLE)],
    }


def split_density(vocabulary: Vocabulary, path: Path, seed: int) -> float | None:
    """Bytes per token on a seeded sample of a split; None for an empty split."""
    return density(vocabulary, iter(draw_sample(CorpusTable(path), seed, MEASURED_BYTES)))


def density(vocabulary: Vocabulary, texts: Iterator[str]) -> float | None:
    """UTF-8 bytes per token of some texts; None when there is no token."""
    total_bytes = total_tokens = 0
    for group in grouped(texts, AT_ONCE):
        total_bytes += sum(len(text.encode("utf-8")) for text in group)
        total_tokens += sum(map(len, vocabulary.encode_batch(group)))
    return round(total_bytes / total_tokens, 4) if total_tokens else None


def grouped(texts: Iterator[str], characters: int) -> Iterator[list[str]]:
    """Lists of consecutive texts of about so many characters: what is encoded at once stays small."""
    group: list[str] = []
    held = 0
    for text in texts:
        group.append(text)
        held += len(text)
        if held >= characters:
            yield group
            group, held = [], 0
    if group:
        yield group


def _part(sample: DocumentSample, budget: int) -> DocumentSample:
    """Those of the sample's documents that were drawn first: of every language its share, and not the first by name."""
    if sample.bytes <= budget:
        return sample
    part = draw_sample(sample.table, sample.seed, budget, sample.weights)
    return part if part.documents else sample  # the first one drawn is larger
