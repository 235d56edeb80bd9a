"""A hidden part of a held-out file, and which of many are asked: spread over the files, chosen by hash."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ownlm.evaluate.hash_order import hash_order
from ownlm.tokens.shards.reader import DocumentSpan


@dataclass(frozen=True)
class Question:
    """One hidden part of a file: a line, a block or a function body.

    Attributes:
        document: the file.
        number: of its first line, from 1.
        text: the whole file.
        start: index of the first hidden character: the one after the indentation.
        stop: index of the last hidden line's end.
        kind: what sort of line, block or function it is.
    """

    document: DocumentSpan
    number: int
    text: str
    start: int
    stop: int
    kind: str

    @property
    def before(self) -> str:
        """The text up to the hidden part; it ends with the first hidden line's indentation."""
        return self.text[: self.start]

    @property
    def expected(self) -> str:
        """What is to be written, without trailing blanks."""
        return self.text[self.start : self.stop].rstrip()

    @property
    def after(self) -> str:
        """The text from the line end on."""
        return self.text[self.stop :]

    @property
    def indentation(self) -> str:
        """The blanks before the hidden part, on its line."""
        return self.text[self.text.rfind("\n", 0, self.start) + 1 : self.start]


Find = Callable[[DocumentSpan, str], Iterable[Question]]
"""All questions of a file that may be asked, in order."""


def spread(files: Iterable[tuple[DocumentSpan, str]], find: Find, count: int, seed: int) -> list[Question]:
    """`count` questions, spread evenly over the files, the same ones every time.

    Every file gives its first question by hash before any gives its second.
    """
    drawn: list[tuple[int, bytes, Question]] = []
    for document, text in files:
        keyed = sorted(
            ((hash_order(seed, document.id, question.number), question) for question in find(document, text)),
            key=lambda pair: pair[0],
        )
        drawn += [(turn, key, question) for turn, (key, question) in enumerate(keyed[:count])]
    return [question for _, _, question in sorted(drawn, key=lambda item: item[:2])[:count]]
