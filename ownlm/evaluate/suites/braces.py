"""Where a function in a language of braces ends, told without a parser: braces outside strings and comments.

Enough for answers, which begin inside the function's body and are cut, not understood. What it cannot tell (a regular
expression of JavaScript with a quote in it, after an unusual character) makes it find no end: the answer stays whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_COMMENT = r"//[^\n]*|/\*.*?(?:\*/|\Z)"
_STRING = r'"""(?:\\.|[^\\])*?"""|"(?:\\.|[^"\\\n])*"'
_CHARACTER = r"'(?:\\[^\n]|[^'\\\n])*'"
_TEMPLATE = r"`(?:\\.|[^`\\])*`"
# After these a slash begins a regular expression, not a division.
_REGEX = r"[(,=:\[!&|?;]\s*/(?![/*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n\[])+/"
_RAW = r"`[^`]*`"
_RUST_RAW = r'\br(#*)".*?"\1'
# A lifetime ('a) is no character: in Rust one character, or an escape, stands between quotes.
_RUST_CHARACTER = r"'(?:\\[^\n']+|\\'|[^'\\\n])'"

_SKIPPED = {
    "javascript": (_COMMENT, _REGEX, _STRING, _CHARACTER, _TEMPLATE),
    "go": (_COMMENT, _RAW, _STRING, _CHARACTER),
    "rust": (_COMMENT, _RUST_RAW, _STRING, _RUST_CHARACTER),
}
_C_LIKE = (_COMMENT, _STRING, _CHARACTER)


def depths(text: str, language: str) -> Iterator[tuple[int, int]]:
    """The end of every brace and the depth after it; 0 is where the text began, -1 is after the body's own end."""
    pattern = "|".join((*_SKIPPED.get(language, _C_LIKE), r"(?P<brace>[{}])"))
    depth = 0
    for found in re.finditer(pattern, text, re.DOTALL):
        if found["brace"]:
            depth += 1 if found["brace"] == "{" else -1
            yield found.end(), depth


def function_end(text: str, language: str, outer: int = 0) -> int:
    """Where an answer ends: after the brace that closes the function it began in.

    Text that ends with everything closed is taken whole: reference solutions bring further functions along.

    Args:
        text: from inside the function's body.
        language: a runner's key.
        outer: how many braces the answer may close beyond the function's own (Java's class: 1).
    """
    found = list(depths(text, language))
    end = len(text.rstrip())
    if found and found[-1][0] == end and -1 - outer <= found[-1][1] <= -1 and min(d for _, d in found) >= -1 - outer:
        return len(text)
    return next((at for at, depth in found if depth == -1), len(text))
