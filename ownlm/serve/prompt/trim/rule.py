"""What a rule is.

A rule sees the text generated so far and says two things: how much of it stays whatever comes, and whether it ends. So
that text can be given out while it is generated, three things hold for every rule, every text and every site (tests):

    decided once      the shortest start of the text that decides does so in every continuation, at the same place
    certain stays     a start of which all is certain is never shortened, by no continuation and by no end
    nothing invented  what a rule keeps is a start of the text
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ownlm.serve.prompt.trim.site import Site

BLANKS = " \t\r\n"
"""What counts as nothing at the end of a text. No other whitespace: a form feed may be meant."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rule says of a text.

    Attributes:
        certain: so many of its characters stay, whatever comes; with `decided`, and of a complete text: the rest goes.
        decided: length of the shortest start of the text that tells it ends; None: it may go on.
    """

    certain: int
    decided: int | None = None


class Rule(Protocol):
    """Where a text ends, by one reason."""

    def __call__(self, text: str, site: Site, *, final: bool) -> Verdict:
        """Judge a text.

        Args:
            text: generated so far, after what the client has already.
            site: where it will stand.
            final: nothing more will come.
        """
        ...


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the generated text.

    Attributes:
        start: where it begins in the text.
        end: where it ends, before its line end.
        whole: the line as it will stand in the file: the first one begins before the cursor.
        complete: its line end is there.
    """

    start: int
    end: int
    whole: str
    complete: bool

    @property
    def content(self) -> str:
        """Without the blanks around it."""
        return self.whole.strip(BLANKS)

    @property
    def first(self) -> int:
        """Place in the text of its first character that is no blank; before the start where the client has it."""
        return self.end - len(self.whole.lstrip(BLANKS))


def lines_of(text: str, site: Site) -> list[Line]:
    """The lines of a text; the last one is not complete."""
    found = []
    start = 0
    before = site.line
    parts = text.split("\n")
    for number, part in enumerate(parts):
        found.append(Line(start, start + len(part), before + part, number < len(parts) - 1))
        start += len(part) + 1
        before = ""
    return found


def width(line: str) -> int:
    """Columns of a line's indentation, a tab reaching to the next multiple of four."""
    return len(line[: len(line) - len(line.lstrip(" \t"))].expandtabs(4))


def so_far(text: str, *, final: bool) -> int:
    """All of a text but, while it grows, blanks at its end: what comes may take them along."""
    return len(text) if final else end_before(text, len(text))


def end_before(text: str, place: int) -> int:
    """Where the text before `place` ends, without blanks."""
    return len(text[:place].rstrip(BLANKS))
