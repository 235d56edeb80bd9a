"""Where a completion stands: what of the text around the cursor decides how it ends.

Only a few thousand characters on each side are looked at: a file of megabytes costs no more than a small one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ownlm.serve.prompt.languages import UNKNOWN, Syntax, syntax_of
from ownlm.serve.prompt.trim.lexer import NOTHING_OPEN, Scan, scan

WINDOW = 4000
LINES_ABOVE = 16
_WORD_END = re.compile(r"\w+$")
_FREE_TAIL = re.compile(r"[\s)\]}>;,:\"'`]*")


@dataclass(frozen=True)
class Site:
    """The surroundings of a cursor.

    Attributes:
        syntax: of the language.
        line: of the cursor, up to it.
        tail: of that line after the cursor, without blanks at its end.
        next_line: the first line below that is not blank, without blanks at its end; "" for none.
        above: the last lines above that are not blank, without blanks at their ends, the nearest one last.
        multiline: the completion may go over several lines.
        opened: the cursor's line opens a block, or a bracket.
        before: brackets and texts of the cursor's line up to it.
        missing: opening brackets before the cursor that nothing after it closes, the innermost last.
        around: the text on both sides, as far as it was looked at.
    """

    syntax: Syntax = UNKNOWN
    line: str = ""
    tail: str = ""
    next_line: str = ""
    above: tuple[str, ...] = ()
    multiline: bool = True
    opened: bool = False
    before: Scan = NOTHING_OPEN
    missing: tuple[str, ...] = ()
    around: str = ""

    @classmethod
    def of(cls, prefix: str, suffix: str | None, language: str) -> Site:
        """The site of a cursor between two texts."""
        whole = len(prefix) <= WINDOW and len(suffix or "") <= WINDOW
        near, after = prefix[-WINDOW:], (suffix or "")[:WINDOW]
        if len(prefix) > WINDOW:
            near = near[near.find("\n") + 1 :]
        *above, line = near.split("\n")
        tail, *below = after.split("\n")
        syntax = syntax_of(language)
        before = scan(near, syntax)
        opened = opens_block(line, syntax)
        return cls(
            syntax=syntax,
            line=line,
            tail=tail.rstrip(),
            next_line=next((text.rstrip() for text in below if text.strip()), ""),
            above=tuple(text.rstrip() for text in above if text.strip())[-LINES_ABOVE:],
            multiline=is_multiline(line, tail, syntax, opened=opened, in_text=bool(before.text)),
            opened=opened and bool(line.strip()),
            before=before,
            missing=missing_brackets(before.open, scan(after, syntax).unmatched, whole=whole),
            around=f"{near}\n{after}",
        )


def is_multiline(line: str, tail: str, syntax: Syntax, *, opened: bool, in_text: bool) -> bool:
    """Is a person better helped by several lines than by the rest of this one?

    One line: in the middle of a line, in a comment, in a text, in a statement begun. Several: on an empty line, and
    after what opens a block. Brackets that are closed on the line already hold arguments, not lines.
    """
    if not _FREE_TAIL.fullmatch(tail):
        return False
    if not line.strip():
        return not tail.strip()
    if in_text or (syntax.comment is not None and line.lstrip().startswith(syntax.comment[0])):
        return False
    return opened and not (tail.strip() and line.rstrip().endswith(("(", "[")))


def opens_block(line: str, syntax: Syntax) -> bool:
    """Does a block or a bracket follow this line's end?"""
    if not syntax.known:
        return False
    shown = line.rstrip()
    if shown.endswith(tuple(sign for sign in syntax.opens if not sign[-1].isalnum())):
        return not shown.endswith(("==", "!=", ">=", "<="))
    word = _WORD_END.search(shown)
    return word is not None and word[0] in syntax.opens


def missing_brackets(opened: tuple[str, ...], closed: tuple[str, ...], *, whole: bool) -> tuple[str, ...]:
    """Opening brackets that the text after the cursor does not close, so that a completion may.

    Args:
        opened: before the cursor, the innermost last.
        closed: closing brackets after it without an opening one there, in order.
        whole: all of the file was looked at, so that counting both tells how many are missing.
    """
    if not closed:
        return opened
    pairs = {")": "(", "]": "[", "}": "{"}
    skipped = 0
    while skipped < len(opened) and opened[-1 - skipped] != pairs[closed[0]]:
        skipped += 1
    if skipped == len(opened):
        skipped = 0
    if whole:
        skipped = max(skipped, len(opened) - len(closed))
    return opened[len(opened) - skipped :] if skipped else ()
