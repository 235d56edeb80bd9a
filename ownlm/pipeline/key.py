"""Content keys: the same stage, settings and input bytes give the same key, and nothing else does."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from ownlm.pipeline.stage import Stage
from ownlm.recipe.base import canonical_json


def stage_key(stage: Stage, inputs: Mapping[str, str], fingerprint: str | None) -> str:
    """The key of what `stage` makes.

    Args:
        stage: its kind, version and settings count, but for `not_keyed`; its name (with the source's index) does not.
        inputs: input name -> content hash of the artifact.
        fingerprint: for a source, the hash of what is outside.

    Raises:
        TypeError: a setting cannot be written as JSON, so it cannot be fingerprinted.
    """
    described = canonical_json(
        {
            "stage": stage.kind,
            "version": stage.version,
            "config": stage.config.model_dump(mode="json", exclude=dict(stage.not_keyed)),
            "inputs": dict(inputs),
            "fingerprint": fingerprint,
        }
    )
    return hashlib.sha256(described.encode()).hexdigest()
