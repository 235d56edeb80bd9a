"""Rule: nothing is closed that is not open, or is closed already.

Editors put the closing bracket and quote there with the opening one; a model that does not look ahead says it again.
"""

from __future__ import annotations

from ownlm.serve.prompt.trim.lexer import PAIRS, brackets_in, text_end
from ownlm.serve.prompt.trim.rule import Verdict
from ownlm.serve.prompt.trim.site import Site


def closing_brackets(text: str, site: Site, *, final: bool) -> Verdict:
    """End before a closing bracket without an opening one, in the text or left open before the cursor."""
    start, quote = _outside(text, site)
    if quote is not None and site.tail.startswith(site.before.text):
        return Verdict(quote, quote + len(site.before.text))
    if start is None and not final:  # a quote of three signs may be begun
        return Verdict(len(text) - (len(text) - len(text.rstrip(site.before.text))) % len(site.before.text))
    if not site.syntax.brackets or start is None:
        return Verdict(len(text))
    opened = list(site.missing)
    for place, sign in brackets_in(text, site.syntax, start):
        if sign not in PAIRS:
            opened.append(sign)
        elif opened and opened[-1] == PAIRS[sign]:
            opened.pop()
        else:
            return Verdict(place, place + 1)
    return Verdict(len(text))


def _outside(text: str, site: Site) -> tuple[int | None, int | None]:
    """Where the text or comment ends in which the cursor stands, and where a quote that closes it is."""
    inside = site.before.text
    if not inside:
        return 0, None
    if inside == "\n":
        place = text.find("\n")
        return (None if place < 0 else place), None
    end = text_end(inside).match(text)
    if end is None:
        return None, None
    return end.end(), end.start("end") if end["end"] == inside else None
