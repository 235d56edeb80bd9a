"""Rule: the text ends with the block it stands in.

def total(items):
    ▮                      an empty line: lines indented at least as it
print(total([]))           the first one indented less ends the text

if items:▮                 a line that opens a block: lines indented more, then `else:` and what goes on like it;
                           a bracket or word that closes the block is kept, and ends the text
"""

from __future__ import annotations

import re

from ownlm.serve.prompt.trim.rule import Line, Verdict, end_before, lines_of, so_far, width
from ownlm.serve.prompt.trim.site import Site

_HEAD = re.compile(r"\w+|;;|\W")
_CLOSING = re.compile(r"[)\]}](?:[\s()\[\]{};,]*[)\]};,])?")
_COMPILER = "#"
"""Opens a line for C's preprocessor, which stands at the margin anywhere."""


def scope(text: str, site: Site, *, final: bool) -> Verdict:
    """End with the block."""
    if not site.multiline or not site.syntax.known:
        return Verdict(len(text))
    lines = lines_of(text, site)
    if site.opened:
        base, least, lines = width(site.line), width(site.line) + 1, lines[1:]
    else:
        base = least = _first_width(lines, site)
        lines = [line for line in lines if line.first > lines[0].end] if lines[0].content else lines
    for line in lines:
        if not line.content:
            continue
        if width(line.whole) >= least or _for_compiler(line, site):
            continue
        verdict = _dedented(text, line, site, base, final=final)
        if verdict is not None:
            return verdict
    return Verdict(so_far(text, final=final))


def _first_width(lines: list[Line], site: Site) -> int:
    """Where the block begins: an editor may leave the cursor at the margin, and the text indents itself."""
    return width(lines[0].whole) if lines[0].content else width(site.line)


def _for_compiler(line: Line, site: Site) -> bool:
    return _COMPILER + "include" in site.syntax.defines and line.content.startswith(_COMPILER)


def _dedented(text: str, line: Line, site: Site, base: int, *, final: bool) -> Verdict | None:
    """What a line that is indented too little says; None: the text goes on."""
    before = end_before(text, line.start)
    head = _HEAD.match(line.content)
    assert head is not None
    word = head[0]
    goes_on = site.syntax.goes_on if site.opened and width(line.whole) == base else frozenset()
    if word in ")]}":
        if not (line.complete or final):
            return Verdict(before)
        if _CLOSING.fullmatch(line.content):
            return Verdict(end_before(text, line.end), line.end + 1 if line.complete else None)
        rest = re.search(r"\w+", line.content)
        if rest is not None and rest[0] in goes_on:
            return None
        return Verdict(before, line.end + 1 if line.complete else None)
    candidates = goes_on | site.syntax.closes
    known = _decided(word, candidates, at_end=line.first + len(word) == len(text))
    if known is None and not final:
        return Verdict(before)
    if word not in candidates:
        return Verdict(before, None if known is None else line.first + known)
    if word in goes_on:
        return None
    if not (line.complete or final):
        return Verdict(before)
    return Verdict(end_before(text, line.end), line.end + 1 if line.complete else None)


def _decided(word: str, candidates: frozenset[str], *, at_end: bool) -> int | None:
    """Characters of a line after which it is known whether `word` is a candidate; None when it may still become one."""
    for length in range(1, len(word) + 1):
        if not any(one.startswith(word[:length]) for one in candidates):
            return length
    return None if at_end else len(word) + 1
