"""Rule: nothing blank at the end."""

from __future__ import annotations

from ownlm.serve.prompt.trim.rule import Verdict, end_before
from ownlm.serve.prompt.trim.site import Site


def trailing_blanks(text: str, site: Site, *, final: bool) -> Verdict:
    """Leave out blanks and line ends that nothing follows."""
    return Verdict(end_before(text, len(text)))
