"""Which lines are hidden: single lines of held-out files that are worth completing, chosen by hash.

Not asked: blank lines, comments on a line of their own, lines without a letter or digit (closing brackets), lines
shorter than the setting, and a last line without a line end. Lines of documentation strings are asked: a person
writes them too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ownlm.evaluate.company.config import HiddenLines
from ownlm.evaluate.company.question import Question, spread
from ownlm.tokens.shards.reader import DocumentSpan

_HASH, _DASHES, _SLASHES = ("#",), ("--",), ("//", "/*", "*")
# Linguist's names; every other language is taken to comment as C does.
_COMMENTS = dict.fromkeys(
    ("Python", "Ruby", "Shell", "Perl", "R", "YAML", "TOML", "Makefile", "Dockerfile", "CMake", "Julia", "Elixir"),
    _HASH,
) | dict.fromkeys(("Lua", "SQL", "Haskell", "Ada", "Elm"), _DASHES)

KINDS = {
    "import": re.compile(r"(import|from|using|use|require|include|#\s*include|package)\b"),
    "definition": re.compile(r"(async\s+)?(def|class|func|fn|function|struct|interface|enum|trait|type|pub\s+fn)\s"),
    "return": re.compile(r"(return|yield|raise|throw)\b"),
    "control": re.compile(r"(async\s+)?(if|elif|else|for|while|with|try|except|finally|switch|case|match|catch)\b"),
    "assignment": re.compile(r"[^=(]*[^=!<>(]=(?!=)"),
    "call": re.compile(r"[\w.:>\-]+\s*\("),
}


def kind_of(line: str) -> str:
    """The sort of a stripped line, by its first words."""
    return next((kind for kind, pattern in KINDS.items() if pattern.match(line)), "other")


def worth_asking(line: str, language: str, min_characters: int) -> bool:
    """Is a stripped line one that a person would want completed?"""
    if len(line) < min_characters or line.startswith(_COMMENTS.get(language, _SLASHES)):
        return False
    return any(letter.isalnum() for letter in line)


def questions_in(document: DocumentSpan, text: str, min_characters: int) -> Iterator[Question]:
    """Every line of a file that may be asked, in order."""
    start = 0
    for number, line in enumerate(text.split("\n")[:-1], 1):
        stripped = line.strip()
        if worth_asking(stripped, document.language, min_characters):
            hidden = start + len(line) - len(line.lstrip())
            stop = start + len(line.removesuffix("\r"))
            yield Question(document, number, text, hidden, stop, kind_of(stripped))
        start += len(line) + 1


def choose_questions(files: Iterable[tuple[DocumentSpan, str]], settings: HiddenLines) -> list[Question]:
    """`settings.lines` lines, spread evenly over the files, the same ones every time."""
    return spread(
        files,
        lambda document, text: questions_in(document, text, settings.min_characters),
        settings.lines,
        settings.seed,
    )
