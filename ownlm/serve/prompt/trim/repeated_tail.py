"""Rule: what stands behind the cursor on its line is not said again.

Brackets and quotes are not looked at here: whether one belongs to the text only `closing_brackets` can tell.
"""

from __future__ import annotations

from ownlm.serve.prompt.trim.rule import Verdict
from ownlm.serve.prompt.trim.site import Site

_CLOSING = (")", "]", "}", '"', "'", "`")


def repeated_tail(text: str, site: Site, *, final: bool) -> Verdict:
    """Leave out the rest of the cursor's line where the text ends in it."""
    tail = site.tail
    if not tail.strip() or tail.startswith(_CLOSING):
        return Verdict(len(text))
    if final:
        return Verdict(len(text.removesuffix(tail)))
    longest = min(len(tail), len(text))
    said = next((length for length in range(longest, 0, -1) if tail.startswith(text[-length:])), 0)
    return Verdict(len(text) - said)
