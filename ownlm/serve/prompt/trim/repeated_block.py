"""Rule: a loop of lines ends after its first turn.

Small models, and large ones at low temperature, say the same lines again and again. One line is a loop at the third
time (two equal lines may be meant), several lines at the second. Lines above the cursor count: a block just written is
not written again.
"""

from __future__ import annotations

from ownlm.serve.prompt.trim.rule import BLANKS, Line, Verdict, end_before, lines_of, so_far
from ownlm.serve.prompt.trim.site import Site

LONGEST = 8
"""Lines of the longest loop."""


def repeated_block(text: str, site: Site, *, final: bool) -> Verdict:
    """End after the first of equal blocks of lines."""
    said = list(site.above)
    starts: list[int] = [0] * len(said)  # of each line said, in the text; 0 above it
    lines = lines_of(text, site)
    for line in lines:
        if not line.content:
            continue
        if not (line.complete or final):
            return Verdict(_held(text, line, said, starts))
        said.append(line.whole.rstrip(BLANKS))
        starts.append(line.start)
        length = _loop(said)
        if length:
            place = end_before(text, starts[-(2 * length if length == 1 else length)])
            return Verdict(place, line.end + 1 if line.complete else None)
    if final:
        return Verdict(len(text))
    return Verdict(_held(text, lines[-1], said, starts))


def _loop(said: list[str]) -> int:
    """Lines of the loop that the last line completes; 0 for none."""
    if said[-3:] == said[-1:] * 3 and _means(said[-1:]):
        return 1
    return next(
        (
            length
            for length in range(2, LONGEST + 1)
            if said[-length:] == said[-2 * length : -length] and _means(said[-length:])
        ),
        0,
    )


def _held(text: str, line: Line, said: list[str], starts: list[int]) -> int:
    """So much stays, whatever line the last one becomes."""
    begun = line.whole.rstrip(BLANKS)
    held = so_far(text, final=False)
    if not any(one.startswith(begun) for one in said[-2 * LONGEST :]):
        return held
    for length in range(1, LONGEST + 1):
        for lines in range(2 if length == 1 else length):
            # `lines` lines of the next turn are there, and one more is begun
            before = said[: len(said) - lines]
            if len(before) < length or said[len(said) - lines :] != (before[-length:] * 2)[:lines]:
                continue
            if (before[-length:] * 2)[lines].startswith(begun):
                held = min(held, end_before(text, starts[len(said) - lines] if lines else line.start))
    return held


def _means(lines: list[str]) -> bool:
    """More than brackets and signs?"""
    return any(letter.isalnum() for line in lines for letter in line)
