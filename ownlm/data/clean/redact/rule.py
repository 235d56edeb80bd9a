"""The rule `redaction`: secrets and personal data become placeholders, or reject their document.

It keeps no value: a replacement is recorded as kind, offset and length of its placeholder, and a reason counts kinds.
"""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import ClassVar

from ownlm.data.clean.config import PersonalDataConfig, SecretsConfig
from ownlm.data.clean.documents import Documents
from ownlm.data.clean.redact.phones import PROSE
from ownlm.data.clean.redact.scan import Wanted, redact
from ownlm.data.clean.rule import Rule, Verdicts
from ownlm.data.lake.document import Replacement

CONFIGURATION = PROSE | frozenset(
    ("Dockerfile", "Dotenv", "HCL", "INI", "Java Properties", "Makefile", "Shell", "TOML", "Unknown", "YAML", "")
)
"""Languages in which a bare word is a value and no identifier."""

_OURS = {"email": "personal_data", "ip_address": "personal_data", "phone": "personal_data", "name": "personal_data"}


class RedactionRule(Rule):
    """Puts placeholders for what either of its two settings asks for."""

    name: ClassVar[str] = "redaction"
    rewrites_rejected: ClassVar[bool] = True

    def __init__(self, secrets: SecretsConfig | None, personal_data: PersonalDataConfig | None) -> None:
        self._secrets = secrets
        self._personal = personal_data
        self._rejecting = frozenset(
            name
            for name, config in (("secrets", secrets), ("personal_data", personal_data))
            if config is not None and config.action == "reject"
        )

    def judge(self, documents: Documents) -> Verdicts:
        """See `Rule.judge`."""
        reasons: list[str | None] = []
        contents: list[str | None] = []
        replacements: list[list[Replacement]] = []
        for data, language in zip(documents.data, documents.languages, strict=True):
            clean, found = redact(data, wanted_in(language, self._secrets, self._personal))
            reasons.append(self._reason(found))
            contents.append(clean.decode() if found else None)
            replacements.append(found)
        return Verdicts(reasons, contents, replacements=replacements)

    def _reason(self, found: list[Replacement]) -> str | None:
        kinds = Counter(one.kind for one in found if _OURS.get(one.kind, "secrets") in self._rejecting)
        if not kinds:
            return None
        return "it holds " + ", ".join(f"{kind}: {count}" for kind, count in sorted(kinds.items()))


@lru_cache(256)
def wanted_in(language: str, secrets: SecretsConfig | None, personal: PersonalDataConfig | None) -> Wanted:
    """What the rule looks for in a document of a language (GitHub Linguist's name)."""
    return Wanted(
        secrets=secrets is not None,
        emails=personal is not None and personal.emails,
        addresses=personal is not None and personal.addresses,
        phones=personal is not None and personal.phones and language in PROSE,
        names=personal is not None and personal.names,
        bare=language in CONFIGURATION,
    )
