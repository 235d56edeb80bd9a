"""The part of an answer that counts: what the prompt already said is dropped, the rest ends before the first stop.

Stops are plain text, never patterns (`|` means itself). An answer without a stop is kept whole. Dropped, each only
where it is certain:

    the prompt itself                    a chat model begins with the text it was given
    the function's head                  first lines all of the prompt, the declaration among them: it would be
                                         defined twice
    a Markdown fence                     the answer begins with it, or the fenced block restates the declaration

`trim` is idempotent: it is repeated until nothing changes, and every round makes the text shorter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from ownlm.evaluate.suites.base import Problem

_FENCE = re.compile(r"^```[^\n`]*$", re.MULTILINE)
_WORD = re.compile(r"\w\w")


def cut(text: str, stops: Sequence[str]) -> str:
    """Text before the first of the stops."""
    found = [text.find(stop) for stop in stops if stop]
    return text[: min((at for at in found if at >= 0), default=len(text))]


def trim(problem: Problem, answer: str, ending: Callable[[str], str] = str) -> str:
    """What counts of an answer.

    Args:
        problem: its prompt, stops and `declaration` (a field).
        answer: as the model wrote it.
        ending: cuts where plain stops cannot tell; returns a prefix of its argument.
    """
    declaration = problem.fields.get("declaration", "")
    while True:
        shorter = ending(cut(without_repetition(problem.prompt, declaration, answer), problem.stops))
        if shorter == answer:
            return answer
        answer = shorter


def declaration_of(prompt: str, start: str | None = None) -> str:
    """The line of a prompt that begins the function asked for.

    Args:
        prompt: text before the cursor.
        start: what that line begins with, where something follows it ("def name("); else it is the last one.

    Returns:
        "" where there is no line that a restated function would have to have.
    """
    lines = [line.rstrip() for line in prompt.splitlines() if line.strip()]
    if start is not None:
        return next((line for line in reversed(lines) if line.startswith(start) and line.endswith(":")), "")
    return lines[-1] if lines and _WORD.search(lines[-1]) else ""


def without_repetition(prompt: str, declaration: str, answer: str) -> str:
    """The answer without what the prompt already said."""
    answer = _unfenced(answer, declaration)
    said = prompt.strip()
    if (declaration or "\n" in said) and answer.lstrip().startswith(said):
        return _after_space(answer.lstrip()[len(said) :], prompt[len(prompt.rstrip()) :])
    return _without_head(prompt, declaration, answer) if declaration else answer


def _after_space(rest: str, space: str) -> str:
    """Text after the white space at the prompt's end, which a copy has too: it must not be written twice."""
    same = 0
    while same < min(len(rest), len(space)) and rest[same] == space[same]:
        same += 1
    return rest[same:]


def _unfenced(answer: str, declaration: str) -> str:
    """The block of a Markdown answer, where it begins with the fence or the block holds the whole function."""
    opening = _FENCE.search(answer)
    if opening is None:
        return answer
    start = opening.end() + 1
    closing = _FENCE.search(answer, start)
    block = answer[start : closing.start() if closing else len(answer)]
    whole = declaration and any(line.rstrip() == declaration for line in block.splitlines())
    return block if whole or not answer[: opening.start()].strip() else answer


def _without_head(prompt: str, declaration: str, answer: str) -> str:
    """The answer without the lines of the prompt it begins with, if the declaration is one of them."""
    head = [line.rstrip() for line in prompt.splitlines()]
    known, lines = set(head), answer.splitlines(keepends=True)
    for number, line in enumerate(lines):
        if line.rstrip() == declaration:
            rest = lines[number + 1 :]
            after = _stripped(head[len(head) - head[::-1].index(declaration) :])
            if [line.rstrip() for line in rest[: len(after)]] == after:
                rest = rest[len(after) :]
            return "".join(rest)
        if line.strip() and line.rstrip() not in known:
            break
    return answer


def _stripped(lines: list[str]) -> list[str]:
    while lines and not lines[-1]:
        lines = lines[:-1]
    return lines
