"""Rule: the next definition is not part of this one.

A line at the margin that opens one (`def`, `func`, `pub fn`, `@`) ends a text that has said something before; so does
one as far indented as the text's own first line, if that opened a definition itself: one method, not two.
"""

from __future__ import annotations

import re

from ownlm.serve.prompt.trim.rule import Line, Verdict, end_before, lines_of, so_far, width
from ownlm.serve.prompt.trim.site import Site

_HEAD = re.compile(r"#?\w+|#\[|\W")


def new_definition(text: str, site: Site, *, final: bool) -> Verdict:
    """End before a definition that is not the first thing said."""
    defines = site.syntax.defines
    if not site.multiline or not defines:
        return Verdict(len(text))
    first: Line | None = None
    last: Line | None = None
    for line in lines_of(text, site):
        if not line.content:
            continue
        if first is None or last is None:
            first = last = line
            continue
        if _may_define(line, first, last, site):
            word = _head(line)
            if line.first + len(word) == len(text) and not final:
                if any(one.startswith(word) for one in defines):
                    # a sign is known at once, a word when it has ended
                    known = word in defines and not word[-1].isalnum()
                    return Verdict(end_before(text, line.start), len(text) if known else None)
            elif word in defines:
                ended = line.first + len(word) + (word[-1].isalnum())
                return Verdict(end_before(text, line.start), ended if ended <= len(text) else None)
        last = line
    return Verdict(so_far(text, final=final))


def _may_define(line: Line, first: Line, last: Line, site: Site) -> bool:
    if site.syntax.leads and last.content.startswith(site.syntax.leads):
        return False
    return width(line.whole) == 0 or (width(line.whole) <= width(first.whole) and _head(first) in site.syntax.defines)


def _head(line: Line) -> str:
    found = _HEAD.match(line.content)
    assert found is not None
    return found[0]
