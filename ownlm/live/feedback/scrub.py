"""Scrubbing of texts that follow each other, by the cleaning rule `redaction`: secrets, addresses, phones, e-mails.

Placeholders are the rule's own, so that cleaning finds nothing more to do when the text is trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from ownlm.data.clean.config import PersonalDataConfig, SecretsConfig
from ownlm.data.clean.redact.placeholders import Found, placeholder
from ownlm.errors import DependencyError

try:
    from ownlm.data.clean.redact.rule import wanted_in
    from ownlm.data.clean.redact.scan import scanner
except ModuleNotFoundError as error:
    advice = "pip install 'ownlm[feedback]', or set serve.feedback.keep_text=false."
    raise DependencyError(f"To keep text it must be scrubbed, and {error.name} is missing.", advice=advice) from error

_SECRETS, _PERSONAL = SecretsConfig(), PersonalDataConfig(names=True)


def scrub_code(parts: Sequence[str], language: str) -> list[str] | None:
    """The parts without secrets and personal data; None where something that must go lies across a border of parts.

    Args:
        parts: texts that follow each other, UTF-8 can carry them. They are read as one.
        language: GitHub Linguist's name; "" when unknown.
    """
    data = [part.encode() for part in parts]
    scan = scanner(wanted_in(language, _SECRETS, _PERSONAL)).scan
    while found := scan(b"".join(data)):
        replaced = _replaced(data, found)
        if replaced is None:
            return None
        data = replaced
    return [part.decode() for part in data]


def _replaced(parts: Sequence[bytes], found: Sequence[Found]) -> list[bytes] | None:
    """The parts with placeholders for what was found, by its place in all of them; None if that is in two of them."""
    ends = list(accumulate(map(len, parts)))
    pieces: list[list[bytes]] = [[] for _ in parts]
    number = at = 0
    for one in found:
        while one.start >= ends[number]:
            pieces[number].append(parts[number][at - (ends[number] - len(parts[number])) :])
            at = ends[number]
            number += 1
        if one.end > ends[number]:
            return None
        begin = ends[number] - len(parts[number])
        pieces[number] += [parts[number][at - begin : one.start - begin], placeholder(one.kind)]
        at = one.end
    for rest in range(number, len(parts)):
        begin = ends[rest] - len(parts[rest])
        pieces[rest].append(parts[rest][max(at, begin) - begin :])
    return [b"".join(each) for each in pieces]
