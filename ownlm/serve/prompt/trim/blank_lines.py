"""Rule: two blank lines in a row end the text: what follows is something else."""

from __future__ import annotations

import re

from ownlm.serve.prompt.trim.rule import Verdict, end_before, so_far
from ownlm.serve.prompt.trim.site import Site

_TWO = re.compile(r"\n[ \t\r]*\n[ \t\r]*\n")


def blank_lines(text: str, site: Site, *, final: bool) -> Verdict:
    """End before two blank lines."""
    found = _TWO.search(text)
    if found is not None:
        return Verdict(end_before(text, found.start()), found.end())
    return Verdict(so_far(text, final=final))
