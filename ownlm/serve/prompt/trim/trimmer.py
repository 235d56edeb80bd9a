"""The rules together, on a whole text and while it is generated.

What ends first, as the characters come, ends the text; the other rules then judge what is left of it as a complete
text. That does not depend on how the text was cut into pieces:

    streamed in any pieces == `trimmed` of the whole          text given out is never taken back       (tests)
"""

from __future__ import annotations

from ownlm.serve.prompt.trim.blank_lines import blank_lines
from ownlm.serve.prompt.trim.closing_brackets import closing_brackets
from ownlm.serve.prompt.trim.new_definition import new_definition
from ownlm.serve.prompt.trim.one_line import one_line
from ownlm.serve.prompt.trim.repeated_block import repeated_block
from ownlm.serve.prompt.trim.repeated_line import repeated_line
from ownlm.serve.prompt.trim.repeated_tail import repeated_tail
from ownlm.serve.prompt.trim.repeated_words import repeated_words
from ownlm.serve.prompt.trim.rule import Rule
from ownlm.serve.prompt.trim.scope import scope
from ownlm.serve.prompt.trim.sentinels import sentinels
from ownlm.serve.prompt.trim.site import Site
from ownlm.serve.prompt.trim.trailing_blanks import trailing_blanks

RULES: tuple[Rule, ...] = (
    sentinels,
    one_line,
    blank_lines,
    scope,
    new_definition,
    closing_brackets,
    repeated_tail,
    repeated_line,
    repeated_block,
    repeated_words,
    trailing_blanks,
)


class Trimmer:
    """Trims a text while it is generated.

    Args:
        site: where the text will stand.
        rules: the rules that count.

    Attributes:
        ended: a rule has ended the text: nothing more will come.
    """

    def __init__(self, site: Site, rules: tuple[Rule, ...] = RULES) -> None:
        self._site, self._rules = site, rules
        self._text = ""
        self._given = 0
        self.ended = False

    def push(self, piece: str) -> str:
        """The text that is certain after `piece`."""
        if self.ended or not piece:
            return ""
        self._text += piece
        verdicts = [rule(self._text, self._site, final=False) for rule in self._rules]
        ends = [(verdict.decided, verdict.certain) for verdict in verdicts if verdict.decided is not None]
        if ends:
            self._text = self._text[: min(ends)[1]]
            return self.flush()
        return self._give(self._stable(min(verdict.certain for verdict in verdicts), final=False))

    def flush(self) -> str:
        """What was held back and stays. The end of the text."""
        if self.ended:
            return ""
        self.ended = True
        return self._give(self._stable(len(self._text), final=True))

    def _stable(self, end: int, *, final: bool) -> int:
        """The longest start of the text, up to `end`, of which no rule takes anything away."""
        while True:
            kept = min(rule(self._text[:end], self._site, final=final).certain for rule in self._rules)
            if kept == end:
                return end
            end = kept

    def _give(self, end: int) -> str:
        given = self._text[self._given : end]
        self._given = max(self._given, end)
        return given


def trimmed(text: str, site: Site) -> str:
    """A whole text, trimmed."""
    trimmer = Trimmer(site)
    return trimmer.push(text) + trimmer.flush()
