"""Which snippets are worth their tokens, and in which order they stand.

By importance: what the editor declares to be used here, then files changed, what was copied, files open, and the
gateway's own index; in each the client's score. They are placed in another order, one that does not change while a
person types: by kind, path and text, what changes most often last.
"""

from __future__ import annotations

from collections.abc import Iterable

from ownlm.serve.call import CodeContext, Snippet, SnippetKind

IMPORTANCE: tuple[SnippetKind, ...] = ("declaration", "changed", "clipboard", "opened", "repository")
PLACES: tuple[SnippetKind, ...] = ("repository", "declaration", "opened", "changed", "clipboard")
MOST = 32
"""Snippets looked at, of however many a client sends."""

SAME = 0.75
"""Share of a snippet's lines that stand elsewhere in the prompt, from which on it says nothing new."""


def worthwhile(context: CodeContext, look: int) -> list[Snippet]:
    """The snippets that say something the text around the cursor does not, the most important first.

    Args:
        context: what a client sent.
        look: characters looked at before and after the cursor, and of each snippet.
    """
    seen = _lines(context.prefix[-look:]) | _lines((context.suffix or "")[:look])
    kept = []
    ordered = sorted(context.snippets, key=lambda one: (IMPORTANCE.index(one.kind), -one.score))
    for snippet in ordered[:MOST]:
        lines = _lines(snippet.text[:look])
        if len(lines - seen) > (1 - SAME) * len(lines):
            kept.append(snippet)
            seen |= lines
    return kept


def in_place(snippets: Iterable[Snippet]) -> list[Snippet]:
    """In the order in which they stand in a prompt."""
    return sorted(snippets, key=lambda one: (PLACES.index(one.kind), one.path, one.text))


def _lines(text: str) -> set[str]:
    """What its lines say, without those that say next to nothing."""
    return {line for line in map(str.strip, text.splitlines()) if sum(map(str.isalnum, line)) >= 3}
