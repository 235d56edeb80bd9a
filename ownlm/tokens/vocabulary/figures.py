"""The figures of the report page: tokenizers side by side on held-out files, and what the vocabulary's tokens are.

They are written to report/figures.json, beside the page, and not to vocabulary.json: a report is no part of what later
stages depend on, so that to compare with one more tokenizer makes this page again, and no shard.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import JsonValue

from ownlm.pipeline.progress import Progress
from ownlm.tokens.corpus import CorpusTable
from ownlm.tokens.vocabulary.coverage import Identifiers
from ownlm.tokens.vocabulary.heldout import Measured, measure_side_by_side
from ownlm.tokens.vocabulary.load import Vocabulary
from ownlm.tokens.vocabulary.measure import EXAMPLE
from ownlm.tokens.vocabulary.rivals import Coder, own
from ownlm.tokens.vocabulary.sample import DocumentSample
from ownlm.tokens.vocabulary.usage import MANY, Alone, Usage, usage_of
from ownlm.tokens.vocabulary.visible import visible

OFTEN = 10
"""A token that occurs so often, and in one repository only, is listed."""
FIRST = 60
LISTED = 100
"""At most so many tokens are in a list."""


def figures(
    vocabulary: Vocabulary, rivals: Sequence[Coder], corpus: Path, sample: DocumentSample, progress: Progress
) -> dict[str, JsonValue]:
    """All figures, as JSON. The same corpus, sample and tokenizers give the same figures.

    Args:
        vocabulary: the one just trained.
        rivals: what it is compared with.
        corpus: the folder of the corpus, whose held-out files are measured; held-out repositories where it has none,
            training documents where it has neither.
        sample: what the vocabulary was trained on.
        progress: where the work is shown.
    """
    usage = usage_of(vocabulary, sample, progress)
    split = next(name for name in ("heldout_files", "heldout_repos", "train") if CorpusTable(corpus / name).size()[0])
    measured = measure_side_by_side([own(vocabulary), *rivals], corpus / split, sample.seed, usage, progress)
    return {
        "measured_on": split,
        "tokenizers": [_tokenizer(one) for one in measured],
        "costly_identifiers": _costly(measured[0]),
        "token_bytes": _lengths(vocabulary),
        "example_tokens": [visible(vocabulary.token_bytes[token]) for token in vocabulary.encode(EXAMPLE)],
        "first": [_token(vocabulary, token) for token in _learned(vocabulary)[:FIRST]],
        "longest": _longest(vocabulary),
        "runs": _runs(vocabulary),
        "unused": _unused(vocabulary, usage),
        "repositories": _repositories(vocabulary, usage),
    }


def _tokenizer(one: Measured) -> dict[str, JsonValue]:
    languages: dict[str, JsonValue] = {
        name: {
            "bytes": figures.bytes,
            "tokens": figures.tokens,
            "bytes_per_token": one.bytes_per_token(name),
            "identifiers": None if figures.identifiers is None else _identifiers(figures.identifiers),
        }
        for name, figures in one.languages.items()
    }
    return {
        "name": one.coder.name,
        "kind": one.coder.kind,
        "size": one.coder.size,
        "bytes_per_token": one.bytes_per_token(),
        "keeps_text": one.keeps_text,
        "unknown_tokens": sum(figures.unknown for figures in one.languages.values()),
        "languages": languages,
        "indentation": {unit: list(tokens) for unit, tokens in one.indentation.items()},
    }


def _identifiers(found: Identifiers) -> dict[str, JsonValue]:
    return {
        "occurrences": found.occurrences,
        "one_token": round(found.one_token / found.occurrences, 4),
        "mean_tokens": round(found.tokens / found.occurrences, 4),
    }


def _costly(one: Measured) -> dict[str, JsonValue]:
    """The identifiers of each language that take the most tokens."""
    return {
        language: [{"identifier": word, "times": times, "tokens": tokens} for word, times, tokens in found.costly]
        for language, found in ((name, figures.identifiers) for name, figures in one.languages.items())
        if found is not None
    }


def _lengths(vocabulary: Vocabulary) -> dict[str, JsonValue]:
    """How many tokens have each length in bytes, special ones left out."""
    lengths = np.bincount([len(token) for token in vocabulary.token_bytes[vocabulary.special.count :]])
    return {str(length): int(count) for length, count in enumerate(lengths) if count}


def _longest(vocabulary: Vocabulary) -> list[JsonValue]:
    """The longest learned tokens, runs of one character left out."""
    found = [token for token in _learned(vocabulary) if len(set(vocabulary.token_bytes[token])) > 1]
    longest = sorted(found, key=lambda token: (-len(vocabulary.token_bytes[token]), token))
    return [_token(vocabulary, token) for token in longest[:LISTED]]


def _runs(vocabulary: Vocabulary) -> list[JsonValue]:
    """For every byte that learned tokens repeat: how many there are and how long the longest is."""
    runs: dict[int, list[int]] = {}
    for token in _learned(vocabulary):
        data = vocabulary.token_bytes[token]
        if len(set(data)) == 1:
            runs.setdefault(data[0], []).append(len(data))
    order = sorted(runs, key=lambda byte: (-max(runs[byte]), byte))
    return [{"text": visible(bytes([byte])), "tokens": len(runs[byte]), "longest": max(runs[byte])} for byte in order]


def _learned(vocabulary: Vocabulary) -> range:
    return range(vocabulary.special.count + 256, vocabulary.size)


def _unused(vocabulary: Vocabulary, usage: Usage) -> dict[str, JsonValue]:
    """Tokens that occur neither in the sample nor in what was measured."""
    special = vocabulary.special.count
    ids = [token for token in usage.unused.tolist() if token >= special]
    learned = [token for token in ids if token >= special + 256]
    return {
        "sample_bytes": usage.bytes,
        "bytes": len(ids) - len(learned),
        "learned": len(learned),
        "tokens": [_token(vocabulary, token) for token in learned[:LISTED]],
    }


def _repositories(vocabulary: Vocabulary, usage: Usage) -> dict[str, JsonValue]:
    """How many tokens occur in how many repositories of the sample, and those that only one repeats."""
    special = vocabulary.special.count
    counts = np.bincount(usage.repositories[special + 256 :], minlength=MANY + 1).tolist()
    alone = [one for one in usage.alone(OFTEN) if one.token >= special + 256]
    return {
        "count": usage.repository_count,
        "learned_tokens": {
            f"{number}" if number < MANY else f"{number}+": count for number, count in enumerate(counts)
        },
        "often_in_one": len(alone),
        "tokens": [_token(vocabulary, one.token) | _place(one) for one in alone[:LISTED]],
    }


def _place(one: Alone) -> dict[str, JsonValue]:
    return {
        "times": one.times,
        "documents": one.documents,
        "repository": one.repository,
        "repository_share": round(one.share, 4),
        "path": one.path,
    }


def _token(vocabulary: Vocabulary, token: int) -> dict[str, JsonValue]:
    data = vocabulary.token_bytes[token]
    return {"id": token, "bytes": len(data), "text": visible(data)}
