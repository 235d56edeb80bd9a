"""One revision of a registry: the change, who made it and why, and the whole state after it.

State and audit are one record, so that neither can be there without the other. A record is canonical JSON with a
checksum; it is written once and never again.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import ValidationError

from ownlm.errors import ArtifactError
from ownlm.live.rollout.state import Part, RolloutState
from ownlm.recipe.base import canonical_json

FORMAT = 1
_MEND = "ownlm rollout mend: goes on from the newest revision that is whole, and says so in the history"


class Record(Part):
    """A revision.

    Attributes:
        format: of this record.
        base: number of the revision it was made from; 0 for none.
        at: seconds since 1970.
        who: user and machine, or what made the change by itself.
        why: their words.
        action: see `changes.Change`.
        channel: that it is about.
        before: version or setting before.
        after: and after.
        nonce: tells this record from one with the same content.
        state: after the change.
    """

    format: int = FORMAT
    base: int
    at: float
    who: str
    why: str
    action: str
    channel: str
    before: str
    after: str
    nonce: str
    state: RolloutState

    def encode(self) -> bytes:
        """As it is stored."""
        body = self.model_dump(mode="json")
        return canonical_json({"record": body, "sha256": _digest(body)}).encode()


def decode(data: bytes, where: str) -> Record:
    """The record in `data`.

    Raises:
        ArtifactError: it is damaged, or of a later format.
    """
    try:
        whole = json.loads(data)
        body = whole["record"]
        if whole["sha256"] != _digest(body):
            raise damaged(where, "its checksum is another")
        if body["format"] != FORMAT:
            raise damaged(where, f"it has format {body['format']}, this version reads {FORMAT}")
        return Record.model_validate(body)
    except ValidationError as error:
        raise damaged(where, f"{error.error_count()} faults") from error
    except (ValueError, KeyError, TypeError) as error:
        raise damaged(where, "it is not a record") from error


def damaged(where: str, detail: str) -> ArtifactError:
    """The error for a revision that cannot be read."""
    return ArtifactError(f"a revision of the registry is damaged: {detail}", where=where, advice=_MEND)


def _digest(body: dict[str, Any]) -> str:
    return hashlib.sha256(canonical_json(body).encode()).hexdigest()
