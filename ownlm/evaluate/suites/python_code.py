"""Where a Python function ends that a model wrote on after its docstring.

The paper (Chen et al. 2021, arXiv 2107.03374) stops at "\\nclass", "\\ndef", "\\n#", "\\nif", "\\nprint". Changed here:

    "\\n#"   is no stop: it cuts a body that has a comment at the beginning of a line. Such a comment ends the answer
            only if the body does not go on after it; so the code the paper would have cut is cut here too
    "\\n@"   is one: a decorator goes with the "\\ndef" or "\\nclass" that is cut, alone it is an error of syntax
    "\\n```" is one: the end of a Markdown block
"""

from __future__ import annotations

import re

STOPS = ("\nclass", "\ndef", "\nif", "\nprint", "\n@", "\n```")
CONVENTION = "class, def, if, print, @ and ``` at the start of a line; # there unless the body goes on after it"

_COMMENT = re.compile(r"\n(?=#)")
# Further comments and empty lines, then a line that is indented.
_GOES_ON = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\n)*[ \t]+[^\s#]")


def without_trailing_comments(text: str) -> str:
    """Text before the first comment at the start of a line after which no indented line of code follows."""
    for found in _COMMENT.finditer(text):
        if not _GOES_ON.match(text, found.end()):
            return text[: found.start()]
    return text


def last_function(text: str) -> str:
    """The name of the last function defined at the start of a line; "" when there is none."""
    return f"\n{text}".rpartition("\ndef ")[2].partition("(")[0] if "def " in text else ""
