"""The last known state of a registry, in a file of this machine: a gateway starts with it when it has nothing else."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

from ownlm.errors import StorageError
from ownlm.live.rollout.bucket import Bucketing
from ownlm.live.rollout.registry import Snapshot
from ownlm.live.rollout.state import RolloutState
from ownlm.recipe.base import canonical_json

logger = logging.getLogger("ownlm.rollout")


class LastKnown:
    """A file that only its owner may read: the key that places users is in it.

    Args:
        path: where; None to keep nothing.
        registry: its address; what was kept of another one does not count.
    """

    def __init__(self, path: Path | None, registry: str) -> None:
        self._path, self._registry = path, registry

    def keep(self, snapshot: Snapshot, key: bytes) -> None:
        """Write it whole; a disk that is full is told in the log and changes nothing else."""
        if self._path is None:
            return
        body = {
            "registry": self._registry,
            "revision": snapshot.revision,
            "key": key.hex(),
            "state": snapshot.state.model_dump(mode="json"),
        }
        temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}.new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
                stream.write(canonical_json(body))
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(self._path)
        except OSError as error:
            logger.warning("the last known rollout cannot be kept: %s", error.strerror)

    def read(self) -> tuple[Snapshot, bytes] | None:
        """State and key; None when nothing was kept.

        Raises:
            StorageError: the file is damaged.
        """
        if self._path is None or not self._path.exists():
            return None
        try:
            body = json.loads(self._path.read_text(encoding="utf-8"))
            if body["registry"] != self._registry:
                return None
            key = bytes.fromhex(body["key"])
            Bucketing(key)
            state = RolloutState.model_validate(body["state"])
            revision = int(body["revision"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            advice = "delete this file, and start when the registry can be reached"
            raise StorageError("the last known rollout cannot be read", where=self._path, advice=advice) from error
        return Snapshot(revision, revision, state), key
