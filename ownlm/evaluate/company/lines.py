"""Which lines are hidden: single lines of held-out files that are worth completing, chosen by hash.

Not asked: blank lines, comments on a line of their own, lines without a letter or digit (closing brackets), lines
shorter than the setting, and a last line without a line end. Lines of documentation strings are asked: a person
writes them too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ownlm.evaluate.config import HiddenLines
from ownlm.evaluate.hash_order import hash_order
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


@dataclass(frozen=True)
class Question:
    """One hidden line of a file.

    Attributes:
        document: the file.
        number: of the line, from 1.
        text: the whole file.
        start: index of the first hidden character: the one after the indentation.
        stop: index of the line end.
    """

    document: DocumentSpan
    number: int
    text: str
    start: int
    stop: int

    @property
    def before(self) -> str:
        """The text up to the hidden part; it ends with the line's indentation."""
        return self.text[: self.start]

    @property
    def expected(self) -> str:
        """What is to be written: the rest of the line without trailing blanks."""
        return self.text[self.start : self.stop].rstrip()

    @property
    def after(self) -> str:
        """The text from the line end on."""
        return self.text[self.stop :]

    @property
    def kind(self) -> str:
        """What sort of line it is: a key of KINDS, or "other"."""
        return kind_of(self.expected)

    @property
    def indentation(self) -> str:
        """The blanks before the hidden part, on its line."""
        return self.text[self.text.rfind("\n", 0, self.start) + 1 : self.start]


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
            yield Question(document, number, text, hidden, stop)
        start += len(line) + 1


def choose_questions(files: Iterable[tuple[DocumentSpan, str]], settings: HiddenLines) -> list[Question]:
    """`settings.lines` questions, spread evenly over the files, the same ones every time.

    Every file gives its first line by hash before any gives its second.
    """
    drawn: list[tuple[int, bytes, Question]] = []
    for document, text in files:
        keyed = sorted(
            (
                (hash_order(settings.seed, document.id, question.number), question)
                for question in questions_in(document, text, settings.min_characters)
            ),
            key=lambda pair: pair[0],
        )
        drawn += [(turn, key, question) for turn, (key, question) in enumerate(keyed[: settings.lines])]
    return [question for _, _, question in sorted(drawn, key=lambda item: item[:2])[: settings.lines]]
