"""Vocabularies of many sizes from one training, to choose from.

Byte-level BPE learns one pair after the other and never looks back: a vocabulary of 8192 tokens is the first merges of
one of 32,768 from the same sample (`cut`). Its ids need no encoding either. A later merge has parts that were learned
before it, so merges are applied in the order they were learned, and a text's ids at 8192 are its ids at 32,768 with
every later token put back into the two it was made of, the last learned first (`step_down`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from ownlm.errors import CorpusError
from ownlm.pipeline.progress import Progress
from ownlm.tokens.corpus import CorpusTable
from ownlm.tokens.vocabulary.config import VocabularyStage
from ownlm.tokens.vocabulary.cut import cut
from ownlm.tokens.vocabulary.encode import obstacle
from ownlm.tokens.vocabulary.load import Vocabulary
from ownlm.tokens.vocabulary.measure import MEASURED_BYTES
from ownlm.tokens.vocabulary.sample import DocumentSample, draw_sample
from ownlm.tokens.vocabulary.special import SpecialTokens
from ownlm.tokens.vocabulary.train import train_tokenizer, training_sample

CURVE_POINTS = 200
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SizeMeasured:
    """What a vocabulary of one size does to held-out documents.

    Attributes:
        size: tokens in all.
        tokens: held-out tokens by language.
        never_used: learned tokens that are neither in the held-out documents nor in the sample.
    """

    size: int
    tokens: Mapping[str, int]
    never_used: int


@dataclass(frozen=True)
class Sweep:
    """Vocabularies of several sizes, all learned from one sample.

    Attributes:
        sample: what they were learned from.
        split: the split that was measured; "train" where nothing is held out, and the sample was.
        bytes: UTF-8 bytes measured, by language, the most first.
        sizes: the sizes asked for, ascending.
        curve: sizes in between, ascending; empty where each size had to be encoded apart.
    """

    sample: DocumentSample
    split: str
    bytes: Mapping[str, int]
    sizes: Sequence[SizeMeasured]
    curve: Sequence[SizeMeasured]

    def bytes_per_token(self, measured: SizeMeasured, language: str | None = None) -> float:
        """Of a language; of all when None."""
        if language is not None:
            return self.bytes[language] / measured.tokens[language]
        return sum(self.bytes.values()) / sum(measured.tokens.values())


def sweep(corpus: Path, stage: VocabularyStage, sizes: Sequence[int], progress: Progress) -> Sweep:
    """Train once, measure every size.

    Args:
        corpus: the corpus artifact's folder.
        stage: settings of the vocabulary; its own size does not count.
        sizes: tokens in all.
        progress: where the work is shown.

    Raises:
        CorpusError: there are no documents, or too few for the largest size.
    """
    sizes = sorted(set(sizes))
    largest = stage.vocabulary.model_copy(update={"size": sizes[-1]})
    sample = training_sample(CorpusTable(corpus / "train"), VocabularyStage(vocabulary=largest, weights=stage.weights))
    tokenizer = train_tokenizer(sample, largest, progress)
    reached = tokenizer.get_vocab_size(with_added_tokens=True)
    if reached < sizes[-1]:
        raise CorpusError(
            f"{sample.documents} documents ({sample.bytes} bytes) yield a vocabulary of {reached}, not {sizes[-1]}",
            where=sample.table.path,
            advice=f"ask for sizes up to {reached}, raise vocabulary.sample_mb, or add sources",
        )
    split, measured = _held_out(corpus, sample, stage.vocabulary.seed)
    by_language, special = _bytes_by_language(measured), SpecialTokens(stage.vocabulary.reserved)
    description, languages = json.loads(tokenizer.to_str()), list(by_language)
    code = {language: size for language, size in by_language.items() if size}
    if obstacle(description) is not None:
        apart = [_count(cut(tokenizer, size), special, measured, sample, languages, progress) for size in sizes]
        found = [_measured(counts, languages, special) for counts in apart]
        return Sweep(sample, split, code, found, [])
    counts = _count(tokenizer, special, measured, sample, languages, progress)
    curve = np.linspace(max(sizes[0] // 2, special.count + 256), sizes[-1], CURVE_POINTS).astype(int).tolist()
    wanted, at = {*sizes, *curve}, {}
    for size, counts_GV in step_down(counts, parts(description)):
        if size in wanted:
            at[size] = _measured(counts_GV, languages, special)
        if len(at) == len(wanted):
            break
    return Sweep(sample, split, code, [at[size] for size in sizes], [at[size] for size in sorted(set(curve))])


def parts(description: Mapping[str, Any]) -> list[tuple[int, int]]:
    """The ids of the two parts of every learned token, in the order of ids; for a tokenizer.json without obstacle."""
    vocabulary = description["model"]["vocab"]
    return [(vocabulary[left], vocabulary[right]) for left, right in description["model"]["merges"]]


def step_down(counts_GV: Counts, pairs: Sequence[tuple[int, int]]) -> Iterator[tuple[int, Counts]]:
    """Token counts at every size, from the one given down to the bytes alone.

    Args:
        counts_GV: how often each of V tokens is in each of G groups of texts.
        pairs: the two parts of each learned token; the learned tokens are the last ones.

    Yields:
        A size and the counts at that size; they are taken further when the next ones are asked for.
    """
    counts_GV, size = counts_GV.copy(), counts_GV.shape[1]
    yield size, counts_GV
    for left, right in reversed(pairs):
        size -= 1
        again = counts_GV[:, size].copy()
        counts_GV[:, left] += again
        counts_GV[:, right] += again
        yield size, counts_GV[:, :size]


def _held_out(corpus: Path, sample: DocumentSample, seed: int) -> tuple[str, DocumentSample]:
    """The documents to measure on: those `measure` takes first, by language."""
    for split in ("heldout_files", "heldout_repos"):
        drawn = draw_sample(CorpusTable(corpus / split), seed, MEASURED_BYTES)
        if drawn.bytes:
            return split, drawn
    return "train", sample


def _bytes_by_language(sample: DocumentSample) -> dict[str, int]:
    found: dict[str, int] = {}
    for batch in sample.batches(["language", "size"]):
        for language, size in zip(batch["language"].to_pylist(), batch["size"].to_pylist(), strict=True):
            found[language] = found.get(language, 0) + size
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _count(
    tokenizer: Tokenizer,
    special: SpecialTokens,
    measured: DocumentSample,
    sample: DocumentSample,
    languages: Sequence[str],
    progress: Progress,
) -> Counts:
    """How often each token is in the documents of each language, and, the last row, in the sample."""
    vocabulary = Vocabulary(tokenizer, special, "")
    counts_GV = np.zeros((len(languages) + 1, vocabulary.size), np.int64)
    rows = {language: row for row, language in enumerate(languages)}
    with progress.task("vocabulary: encoding", total=measured.bytes + sample.bytes, unit="bytes") as task:
        for batch in measured.batches(["language", "content"]):
            texts: dict[str, list[str]] = {}
            for language, text in zip(batch["language"].to_pylist(), batch["content"].to_pylist(), strict=True):
                texts.setdefault(language, []).append(text)
            for language, group in texts.items():
                counts_GV[rows[language]] += _tokens_in(vocabulary, group)
            task.advance(batch["content"].nbytes)
        for batch in sample.batches(["content"]):
            counts_GV[-1] += _tokens_in(vocabulary, batch["content"].to_pylist())
            task.advance(batch["content"].nbytes)
    return counts_GV


def _tokens_in(vocabulary: Vocabulary, texts: Sequence[str]) -> Counts:
    ids = np.fromiter(chain.from_iterable(vocabulary.encode_batch(texts)), np.int64)
    return np.bincount(ids, minlength=vocabulary.size).astype(np.int64)


def _measured(counts_GV: Counts, languages: Sequence[str], special: SpecialTokens) -> SizeMeasured:
    tokens = dict(zip(languages, counts_GV[:-1].sum(axis=1).tolist(), strict=True))
    never = int((counts_GV[:, special.count + 256 :].sum(axis=0) == 0).sum())
    return SizeMeasured(counts_GV.shape[1], tokens, never)
