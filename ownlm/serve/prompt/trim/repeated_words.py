r"""Rule: a loop inside a line ends it: `None, None, None, ...`.

Three times the same sixteen to a hundred characters, or fewer ones for 48 characters. What is said stays: to
hold back whatever might become a loop would hold back everything.
"""

from __future__ import annotations

import re

from ownlm.serve.prompt.trim.rule import Verdict, lines_of
from ownlm.serve.prompt.trim.site import Site

LONG = 48
_UNITS = [re.compile(r"([^\n]{16,100}?)\1\1")]
_UNITS += [re.compile(rf"([^\n]{{{size}}})\1{{{-(-LONG // size) - 1}}}") for size in range(1, 16)]


def repeated_words(text: str, site: Site, *, final: bool) -> Verdict:
    """End where a loop inside a line is plain."""
    for line in lines_of(text, site):
        part = text[line.start : line.end]
        end = _first_end(part.lstrip(" \t"))
        if end is not None:
            place = line.end - len(part.lstrip(" \t")) + end
            return Verdict(place, place)
    return Verdict(len(text))


def _first_end(part: str) -> int | None:
    """The end of the loop that is plain first, as the characters come."""
    first = None
    for unit in _UNITS:
        while found := unit.search(part, 0, len(part) if first is None else first - 1):
            first = found.end()
    return first
