"""Tokenizers side by side on held-out documents: bytes per token and identifiers by language, and indentation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ownlm.pipeline.progress import Progress
from ownlm.tokens.corpus import CorpusTable
from ownlm.tokens.vocabulary.coverage import (
    Identifiers,
    ParsedText,
    cover_identifiers,
    cover_indentation,
    parse_identifiers,
)
from ownlm.tokens.vocabulary.measure import AT_ONCE, MEASURED_BYTES, grouped
from ownlm.tokens.vocabulary.rivals import Coder
from ownlm.tokens.vocabulary.sample import draw_sample
from ownlm.tokens.vocabulary.usage import Usage

LEAST_BYTES = 500_000
"""So much is measured of each language, where it is there, however many languages there are."""
PARSED_BYTES = 1_000_000
"""Identifiers are looked for in so much text, all languages together, and in one document of each language at least."""
RETURNED_BYTES = 200_000
"""So much of each language is decoded again."""


@dataclass
class LanguageFigures:
    """What a tokenizer makes of one language.

    Attributes:
        bytes: UTF-8 bytes measured.
        tokens: tokens of them.
        unknown: of these, tokens that stand for what the tokenizer cannot express.
        identifiers: None where the language has no grammar, or its documents no identifier.
    """

    bytes: int = 0
    tokens: int = 0
    unknown: int = 0
    identifiers: Identifiers | None = None


@dataclass
class Measured:
    """A tokenizer and its figures.

    Attributes:
        coder: the tokenizer.
        indentation: tokens by unit and level; see `cover_indentation`.
        languages: figures by language.
        keeps_text: whether the documents come back from its tokens as they were, but for white space at their ends.
            Tried on `RETURNED_BYTES` of each language.
    """

    coder: Coder
    indentation: dict[str, list[int]]
    languages: dict[str, LanguageFigures] = field(default_factory=dict)
    keeps_text: bool = True

    def add(self, language: str, texts: Sequence[str]) -> list[list[int]]:
        """Count documents of a language; returns their ids."""
        ids, coder = self.coder.encode(texts), self.coder
        if language not in self.languages:
            pairs = zip(_first(texts, RETURNED_BYTES), ids, strict=False)
            self.keeps_text &= all(coder.decode(one).strip() == text.strip() for text, one in pairs)
        figures = self.languages.setdefault(language, LanguageFigures())
        figures.bytes += _size(texts)
        figures.tokens += sum(map(len, ids))
        if coder.unknown is not None:
            figures.unknown += sum(one.count(coder.unknown) for one in ids)
        return ids

    def bytes_per_token(self, language: str | None = None) -> float | None:
        """Of one language, or of all that was measured; None without a token."""
        chosen = list(self.languages.values()) if language is None else [self.languages[language]]
        tokens = sum(one.tokens for one in chosen)
        return round(sum(one.bytes for one in chosen) / tokens, 4) if tokens else None


def measure_side_by_side(
    coders: Sequence[Coder], split: Path, seed: int, usage: Usage, progress: Progress
) -> list[Measured]:
    """Measure tokenizers on the same documents: at most `MEASURED_BYTES`, drawn by seed, the same of each language.

    Memory stays at the text of a megabyte or two.

    Args:
        coders: tokenizers; the first is the vocabulary itself, whose tokens are counted in `usage`.
        split: the folder of documents.
        seed: of the drawing.
        usage: gains the first one's tokens.
        progress: where the work is shown.
    """
    measured = [Measured(coder, cover_indentation(coder)) for coder in coders]
    parts = CorpusTable(split).parts
    with progress.task("vocabulary: comparing", total=len(parts), unit="languages") as task:
        for part in parts:
            _measure_language(measured, CorpusTable(split, part), seed, 1 / len(parts), usage)
            task.advance()
    return measured


def _measure_language(measured: list[Measured], table: CorpusTable, seed: int, share: float, usage: Usage) -> None:
    budget, to_parse = max(int(MEASURED_BYTES * share), LEAST_BYTES), int(PARSED_BYTES * share)
    parsed: list[ParsedText] = []
    for language, texts in _documents(table, seed, budget):
        usage.elsewhere(measured[0].add(language, texts))
        for one in measured[1:]:
            one.add(language, texts)
        chosen = list(_first(texts, to_parse))
        to_parse -= _size(chosen)
        parsed += [parse_identifiers(text, language) for text in chosen]
    for one in measured if parsed else []:
        one.languages[language].identifiers = cover_identifiers(one.coder, parsed)


def _documents(table: CorpusTable, seed: int, budget: int) -> Iterator[tuple[str, list[str]]]:
    """A language's name with about a megabyte of its drawn documents, again and again."""
    language = next((batch.column("language")[0].as_py() for batch in table.batches(["language"]) if len(batch)), None)
    sample = draw_sample(table, seed, budget)
    if not sample.documents:  # the first one drawn is larger
        sample = draw_sample(table, seed, table.size()[1])
    for texts in grouped(iter(sample), AT_ONCE):
        yield str(language), texts


def _first(texts: Iterable[str], budget: int) -> Iterator[str]:
    """Texts until so many bytes are full."""
    for text in texts:
        if budget <= 0:
            return
        budget -= len(text.encode())
        yield text


def _size(texts: Iterable[str]) -> int:
    return sum(len(text.encode()) for text in texts)
