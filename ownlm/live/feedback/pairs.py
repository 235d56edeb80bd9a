"""Preference pairs: what a person accepted against what the same person dismissed, for the same context.

Two choices have the same context in one of two ways:

1. They are choices of one completion.
2. The dismissed one came first, in the same file, and the person typed on to where the other one was accepted: the text
   before the cursor of the dismissed one, grown by what was typed, is that of the accepted one, and the text after the
   cursor is the same. Then, seen from the first cursor, what was typed and accepted is what was wanted:

    before the cursor   def mean(xs):⏎    return |            dismissed: max(xs)
                        def mean(xs):⏎    return su|          accepted:  m(xs) / len(xs)
    the pair            prompt "def mean(xs):⏎    return ", chosen "sum(xs) / len(xs)", rejected "max(xs)"

A choice that was dismissed and then typed all the same is no pair: one of the two texts starts with the other.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ownlm.live.feedback.texts import JudgedChoice

WITHIN_MS = 600_000
"""Between a dismissed choice and the accepted one."""
GROWTH = 400
"""Characters typed between them at most."""
REMEMBERED = 16
"""Choices of a file that a new one is compared with."""


@dataclass(frozen=True)
class Pair:
    """A preference.

    Attributes:
        prompt: text before the cursor.
        suffix: text after it.
        chosen: what the person wanted there.
        rejected: what the person did not want there.
        language: GitHub Linguist's name; "" when unknown.
        group: of pairs that may not be divided between training and validation: the file, or else the person.
        chosen_from: completion, choice and model version of the accepted text.
        rejected_from: the same of the dismissed text.
    """

    prompt: str
    suffix: str
    chosen: str
    rejected: str
    language: str
    group: str
    chosen_from: tuple[str, int, str]
    rejected_from: tuple[str, int, str]

    @property
    def held_out_at(self) -> float:
        """A number in [0, 1) that is the same for all of a group, today and in later exports."""
        return int.from_bytes(hashlib.sha256(self.group.encode()).digest()[:6], "big") / 2**48

    def plain(self) -> dict[str, str | int]:
        """A row of the exported files."""
        text = {"prompt": self.prompt, "suffix": self.suffix, "chosen": self.chosen, "rejected": self.rejected}
        return {**text, "language": self.language, **_traced("chosen", self.chosen_from),
                **_traced("rejected", self.rejected_from)}  # fmt: skip


def pairs(choices: Iterable[JudgedChoice]) -> Iterator[Pair]:
    """All pairs; a dismissed choice is in one at most, with the first accepted text that it can be compared with.

    Args:
        choices: see `judged_choices`, in their order.
    """
    recent: dict[tuple[str, str, str], deque[JudgedChoice]] = {}
    for choice in choices:
        file = (choice.person, choice.path, choice.language)
        others = recent.setdefault(file, deque(maxlen=REMEMBERED))
        if choice.accepted:
            for other in [one for one in others if not one.accepted]:
                if (pair := compared(choice, other)) is not None:
                    yield pair
                    others.remove(other)
        else:
            same = (one for one in others if one.accepted and one.completion == choice.completion)
            if (taken := next(same, None)) is not None:
                if (pair := compared(taken, choice)) is not None:
                    yield pair
                continue
        others.append(choice)


def compared(accepted: JudgedChoice, dismissed: JudgedChoice) -> Pair | None:
    """The pair of an accepted and a dismissed choice; None where they cannot be compared."""
    typed = "" if accepted.completion == dismissed.completion else _typed_between(dismissed, accepted)
    if typed is None:
        return None
    chosen, rejected = typed + accepted.taken, dismissed.text
    if not chosen.strip() or not rejected.strip() or chosen.startswith(rejected) or rejected.startswith(chosen):
        return None
    return Pair(
        prompt=dismissed.prefix,
        suffix=dismissed.after,
        chosen=chosen,
        rejected=rejected,
        language=dismissed.language,
        group=f"file {dismissed.path}" if dismissed.path else f"person {dismissed.person or dismissed.completion}",
        chosen_from=(accepted.completion, accepted.choice, accepted.version),
        rejected_from=(dismissed.completion, dismissed.choice, dismissed.version),
    )


def _place(choice: JudgedChoice) -> tuple[str, ...]:
    return (choice.person, choice.path, choice.language, choice.after)


def _traced(side: str, origin: tuple[str, int, str]) -> dict[str, str | int]:
    completion, choice, version = origin
    return {f"{side}_completion": completion, f"{side}_choice": choice, f"{side}_version": version}


def _typed_between(first: JudgedChoice, then: JudgedChoice) -> str | None:
    """What was typed between two cursors of one person in one file; None if they are not in the same context."""
    if not (first.person or first.path) or first.completion == then.completion:
        return None
    if _place(first) != _place(then):
        return None
    grown = then.cursor - first.cursor
    if not (0 <= then.at - first.at <= WITHIN_MS and 0 <= grown <= min(GROWTH, len(then.prefix))):
        return None
    # Both are cut at their starts: what both have must be the same.
    begin = max(first.skipped, then.skipped)
    before = first.prefix[begin - first.skipped :]
    if not before or then.prefix[begin - then.skipped : len(then.prefix) - grown] != before:
        return None
    return then.prefix[len(then.prefix) - grown :]
