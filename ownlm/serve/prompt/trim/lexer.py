"""Brackets outside of texts and comments, found by a pattern a language: what is open where the text ends.

A pattern and not a parser: a completion is half a statement in half a file. What it cannot see: regular expressions
between slashes, texts with a delimiter of their own (Ruby's `%w`, C++'s `R"(`, here documents), code inside texts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from ownlm.serve.prompt.languages import Syntax

PAIRS = {")": "(", "]": "[", "}": "{"}


@dataclass(frozen=True, slots=True)
class Scan:
    """What is open at the end of a text.

    Attributes:
        open: opening brackets without a closing one, the innermost last.
        unmatched: closing brackets without an opening one, in order.
        text: the sign that ends the text (or comment: "\\n") in which the end stands; "" outside of any.
    """

    open: tuple[str, ...] = ()
    unmatched: tuple[str, ...] = ()
    text: str = ""


NOTHING_OPEN = Scan()


def scan(source: str, syntax: Syntax) -> Scan:
    """Scan a text that begins outside of texts and comments."""
    if not syntax.known:
        return Scan()
    opened: list[str] = []
    unmatched: list[str] = []
    inside = ""
    for match in _pattern(syntax).finditer(source):
        sign = match[0]
        if match.lastgroup == "bracket":
            _count(sign, opened, unmatched)
        elif match.lastgroup == "comment":
            inside = "\n" if match.end() == len(source) and not sign.endswith("\n") else ""
        elif match.lastgroup is not None and match.end() == len(source) and match[f"{match.lastgroup}_end"] is None:
            inside = syntax.quotes[int(match.lastgroup[1:])]
    return Scan(tuple(opened), tuple(unmatched), inside)


def brackets_in(source: str, syntax: Syntax, start: int) -> list[tuple[int, str]]:
    """Brackets of `source` outside of texts and comments, with their places, from the place `start` on."""
    found = _pattern(syntax).finditer(source, start)
    return [(match.start(), match[0]) for match in found if match.lastgroup == "bracket"]


@cache
def text_end(quote: str) -> re.Pattern[str]:
    """Matches the rest of a text that was opened by `quote`; a line end ends it, too, where the quote is one sign."""
    escaped = re.escape(quote)
    lines = "" if len(quote) > 1 or quote == "`" else r"|\n"
    return re.compile(rf"(?:\\.|(?!{escaped}{lines})[^\\])*(?P<end>{escaped}{lines})", re.S)


def _count(sign: str, opened: list[str], unmatched: list[str]) -> None:
    if sign not in PAIRS:
        opened.append(sign)
    elif opened and opened[-1] == PAIRS[sign]:
        opened.pop()
    elif PAIRS[sign] in opened:
        while opened.pop() != PAIRS[sign]:
            pass
    else:
        unmatched.append(sign)


@cache
def _pattern(syntax: Syntax) -> re.Pattern[str]:
    kinds = [r"\\."]
    if syntax.characters:
        kinds.append(r"'[()\[\]{}]")  # a character; what else a quote may be never stands before a bracket
    if syntax.comment is not None:
        opens, closes = map(re.escape, syntax.comment)
        kinds.append(rf"(?P<comment>{opens}[^\n]*)" if not closes else rf"(?P<comment>{opens}(?s:.*?)(?:{closes}|\Z))")
    if syntax.comment == ("//", ""):
        kinds.append(r"/\*(?s:.*?)(?:\*/|\Z)")
    for number, quote in enumerate(syntax.quotes):
        sign = re.escape(quote)
        inner = r"(?s:\\.|(?!SIGN).)" if len(quote) > 1 or quote == "`" else r"(?:\\.|(?!SIGN)[^\n])"
        kinds.append(rf"(?P<q{number}>{sign}{inner.replace('SIGN', sign)}*(?P<q{number}_end>{sign})?)")
    kinds.append(r"(?P<bracket>[()\[\]{}])")
    return re.compile("|".join(kinds))
