"""Golden cases of trimming: a file a rule, input and expectation together.

The cursor is ▮; ␠ is a blank, ␍ a carriage return at a line's end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ownlm.serve.prompt.trim.site import Site

CASES = Path(__file__).with_name("cases")
_SECTION = re.compile(r"^-- (file|generated|kept)\n", re.M)


@dataclass(frozen=True)
class Case:
    rule: str
    what: str
    language: str
    prefix: str
    suffix: str
    generated: str
    kept: str

    @property
    def site(self) -> Site:
        return Site.of(self.prefix, self.suffix, self.language)


def cases_of(rule: str) -> list[Case]:
    text = (CASES / f"{rule}.txt").read_text(encoding="utf-8").removesuffix("\n").replace("␠", " ").replace("␍", "\r")
    return [_case(rule, part) for part in text.split("\n== ")[1:]]


def all_cases() -> list[Case]:
    return [case for file in sorted(CASES.glob("*.txt")) for case in cases_of(file.stem)]


def _case(rule: str, part: str) -> Case:
    head, _, file, _, generated, _, kept = _SECTION.split(part)
    what, language = head.rstrip("\n").split(" | ")
    prefix, suffix = file.removesuffix("\n").split("▮")
    return Case(rule, what, language, prefix, suffix, generated.removesuffix("\n"), kept)
