"""Rule: the line that comes next in the file is not said again, a closing bracket or `end` among them."""

from __future__ import annotations

from ownlm.serve.prompt.trim.rule import BLANKS, Line, Verdict, end_before, lines_of, so_far
from ownlm.serve.prompt.trim.site import Site


def repeated_line(text: str, site: Site, *, final: bool) -> Verdict:
    """End before a line that is, with its indentation, the next one below the cursor."""
    if not site.next_line:
        return Verdict(len(text))
    for line in lines_of(text, site):
        if line.start == 0 and site.line.strip():
            continue  # the person began this line
        if line.complete or final:
            if line.whole.rstrip(BLANKS) == site.next_line:
                return Verdict(_before(text, line), line.end + 1 if line.complete else None)
        elif site.next_line.startswith(line.whole) or line.whole.rstrip(BLANKS) == site.next_line:
            return Verdict(_before(text, line))
    return Verdict(so_far(text, final=final))


def _before(text: str, line: Line) -> int:
    return end_before(text, line.start)
