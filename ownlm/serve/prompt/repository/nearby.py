"""What is asked of an index: the identifiers around a cursor, and the snippets made of what is found.

Declarations must not come and go with every key: they stand before all that a person types, and each change is read
anew. So the line of the cursor does not count, nor do the few above it after the last one whose hash says "here": the
question changes every fourth line or so, and at the same lines whatever window of the file an editor sends.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from zlib import crc32

from ownlm.serve.call import CodeContext, Snippet
from ownlm.serve.prompt.languages import syntax_of
from ownlm.serve.prompt.repository.index import Placed, words_in

ABOVE, BELOW = 32, 8
LOOK = 12_000
EVERY = 4
HALVES = 12
"""Lines away from the cursor at which a word counts half."""

_IMPORT = re.compile(r"^\s*(?:import|from|use|using|require|#\s*include|package|open)\b[^\n]*", re.M)


def question(context: CodeContext) -> dict[str, float]:
    """Words around the cursor with their weights: the nearer, the more; imports count as near."""
    lines = settled_lines(context.prefix[-LOOK:])
    after = (context.suffix or "")[:LOOK].split("\n")[1 : BELOW + 1]
    query: defaultdict[str, float] = defaultdict(float)
    for distance, line in [*enumerate(reversed(lines)), *enumerate(after)]:
        weight = 0.5 ** (distance / HALVES)
        for word in words_in(line):
            query[word] = max(query[word], weight)
    for line in _IMPORT.findall(context.prefix[:LOOK]):
        for word in words_in(line):
            query[word] = max(query[word], 0.5)
    return dict(query)


def settled_lines(prefix: str) -> list[str]:
    """The lines above the cursor's up to the last that is chosen by its hash."""
    lines = prefix.split("\n")[:-1]
    for back in range(min(4 * EVERY, len(lines))):
        line = lines[len(lines) - 1 - back]
        if line.strip() and crc32(line.encode("utf-8", "replace")) % EVERY == 0:
            return lines[len(lines) - 1 - back - ABOVE if back + ABOVE < len(lines) else 0 : len(lines) - back]
    return lines[-ABOVE:]


def as_snippets(found: Iterable[tuple[Placed, float]], language_of: dict[str, str]) -> tuple[Snippet, ...]:
    """What was found, a snippet a file, in the file's own order.

    Args:
        found: declarations with scores.
        language_of: path -> language, for how comments are written.
    """
    by_path: defaultdict[str, list[tuple[Placed, float]]] = defaultdict(list)
    for placed, score in found:
        by_path[placed.path].append((placed, score))
    return tuple(
        Snippet(
            path,
            _shown(sorted((placed for placed, _ in own), key=lambda placed: placed.number), language_of.get(path, "")),
            "repository",
            max(score for _, score in own),
        )
        for path, own in by_path.items()
    )


def _shown(placed: list[Placed], language: str) -> str:
    comment = syntax_of(language).comment or ("", "")
    lines: list[str] = []
    owner = ""
    for one in placed:
        declaration = one.declaration
        if declaration.owner and declaration.owner != owner:
            lines.append(declaration.owner)
        owner = declaration.owner or declaration.signature
        indentation = "    " if declaration.owner else ""
        if declaration.doc and comment[0]:
            lines.append(f"{indentation}{comment[0]} {declaration.doc} {comment[1]}".rstrip())
        lines.append(f"{indentation}{declaration.signature}")
    return "\n".join(lines) + "\n"
