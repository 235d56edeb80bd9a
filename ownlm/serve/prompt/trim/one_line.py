"""Rule: in the middle of a line, the rest of the line is all that is wanted (`site.is_multiline`)."""

from __future__ import annotations

from ownlm.serve.prompt.trim.rule import Verdict
from ownlm.serve.prompt.trim.site import Site


def one_line(text: str, site: Site, *, final: bool) -> Verdict:
    """End before the first line end, where one line is wanted."""
    if site.multiline:
        return Verdict(len(text))
    place = text.find("\n")
    if place < 0:
        return Verdict(len(text.removesuffix("\r")))
    return Verdict(len(text[:place].removesuffix("\r")), place + 1)
