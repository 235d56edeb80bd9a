"""What code is made of, in tokens: the identifiers of each language, and indentation.

Identifiers are the leaves a tree-sitter grammar calls so, not words of comments and strings. An identifier has as many
tokens as touch it where it stands: `.append` may be one token, of which `append` is a part. An indentation costs what a
line with it has more tokens than a line with one space: that space is part of the word's token (` return`) in nearly
every vocabulary of today.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ownlm.data.clean.grammars import GRAMMARS, parser_of
from ownlm.tokens.vocabulary.rivals import Coder

if TYPE_CHECKING:
    from tree_sitter import Query

UNITS = {"4 spaces": "    ", "2 spaces": "  ", "a tab": "\t"}
LEVELS = range(1, 17)
COSTLY = 12
_KINDS = {"constant", "name", "variable", "variable_name", "varname"}
_WORD = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True)
class ParsedText:
    """A document and where its identifiers are.

    Attributes:
        text: the document.
        spans: n x 2, where each identifier begins and ends, in UTF-8 bytes.
    """

    text: str
    spans: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Identifiers:
    """How a tokenizer writes identifiers; each counted as often as it occurs.

    Attributes:
        occurrences: how many identifiers.
        one_token: of them, how many are one token or a part of one.
        tokens: tokens of all.
        costly: those whose tokens over one each are the most: (identifier, occurrences, tokens of all of these), at
            most `COSTLY`.
    """

    occurrences: int
    one_token: int
    tokens: int
    costly: tuple[tuple[str, int, int], ...]


def parse_identifiers(text: str, language: str) -> ParsedText:
    """Find a document's identifiers: none for a language whose grammar is not there or has none."""
    spans: list[tuple[int, int]] = []
    query = _identifier_query(language) if language in GRAMMARS else None
    if query is not None:
        from tree_sitter import QueryCursor

        from ownlm.data.clean.syntax import parse

        data = text.encode()
        tree = parse(data, language)
        captures = {} if tree is None else QueryCursor(query).captures(tree.root_node)
        leaves = (node for nodes in captures.values() for node in nodes if node.child_count == 0)
        spans = sorted({(node.start_byte, node.end_byte) for node in leaves})
        spans = [(begin, end) for begin, end in spans if _WORD.fullmatch(data[begin:end].decode(errors="replace"))]
    return ParsedText(text, np.array(spans, np.int64).reshape(-1, 2))


@cache
def _identifier_query(language: str) -> Query | None:
    from tree_sitter import Query

    grammar = parser_of(language).language
    assert grammar is not None
    numbers = range(grammar.node_kind_count)
    named = (grammar.node_kind_for_id(n) for n in numbers if grammar.node_kind_is_named(n))
    kinds = sorted({kind for kind in named if kind and (kind in _KINDS or "identifier" in kind)})
    kinds = [kind for kind in kinds if not kind.startswith("_")]
    return Query(grammar, f"[{' '.join(f'({kind})' for kind in kinds)}] @identifier") if kinds else None


def cover_identifiers(coder: Coder, documents: Sequence[ParsedText]) -> Identifiers | None:
    """How a tokenizer writes the identifiers of documents; None if there are none."""
    times: Counter[bytes] = Counter()
    tokens: Counter[bytes] = Counter()
    one_token = 0
    for document in documents:
        data, spans = document.text.encode(), document.spans
        counts = touching(*coder.spans(document.text), spans)
        one_token += int(np.count_nonzero(counts <= 1))
        for (begin, end), count in zip(spans.tolist(), counts.tolist(), strict=True):
            times[data[begin:end]] += 1
            tokens[data[begin:end]] += count
    costly = sorted(times, key=lambda word: (times[word] - tokens[word], word))[:COSTLY]
    costly = [word for word in costly if tokens[word] > times[word]]
    most = tuple((word.decode(), times[word], tokens[word]) for word in costly)
    return Identifiers(times.total(), one_token, tokens.total(), most) if times else None


def touching(
    starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64], spans: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """How many tokens have a byte in common with each span.

    Args:
        starts: where each token begins, ascending.
        ends: where each ends, ascending.
        spans: n x 2, begin and end of each span.
    """
    counts: npt.NDArray[np.int64] = np.searchsorted(starts, spans[:, 1], "left") - np.searchsorted(
        ends, spans[:, 0], "right"
    )
    return counts


def cover_indentation(coder: Coder) -> dict[str, list[int]]:
    """For each unit, the tokens of 1 to 16 levels of it before a word."""
    alone = len(coder.encode(["\n return"])[0])
    return {
        name: [len(ids) - alone for ids in coder.encode([f"\n{unit * level}return" for level in LEVELS])]
        for name, unit in UNITS.items()
    }
