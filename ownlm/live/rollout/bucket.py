"""Where a user falls: a keyed hash, so that it is stable, needs no memory, and cannot be worked out without the key.

place(salt, user) = BLAKE2b(key, salt, user) as a number from 0 to 1. Each switch and each experiment has a salt of its
own, so that the first ten percent of one are other people than the first ten percent of the next, and experiments do
not depend on each other.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from hashlib import blake2b

from ownlm.errors import ArtifactError

KEY_BYTES = 32
BUCKETS = 10_000
_PUBLIC = "user"
"""Salt of the bucket that stands in events."""


class Bucketing:
    """Places users.

    Args:
        key: secret; the same on all gateways.

    Raises:
        ArtifactError: it is not a key.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ArtifactError(
                "the key that places users is damaged",
                where="rollout key",
                advice=f"restore it from a copy: it has {KEY_BYTES} bytes, and with another one users change sides",
            )
        self._key = key

    def place(self, salt: str, user: str) -> float:
        """A number in [0, 1), uniform over users, independent between salts."""
        parts = (salt.encode("utf-8", "surrogatepass"), user.encode("utf-8", "surrogatepass"))
        message = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
        digest = blake2b(message, key=self._key, digest_size=8, person=b"ownlm-bucket").digest()
        # 53 bits are what a float holds: all 64 would round up to 1 now and then.
        return (int.from_bytes(digest, "big") >> 11) / (1 << 53)

    def bucket(self, user: str) -> int:
        """The user's place as it stands in events: from 0 to 9,999."""
        return int(self.place(_PUBLIC, user) * BUCKETS)

    def arm(self, salt: str, user: str, shares: Sequence[float]) -> int:
        """Which of several arms the user falls into; `shares` add up to 1."""
        place, edge = self.place(salt, user), 0.0
        for number, share in enumerate(shares[:-1]):
            edge += share
            if place < edge:
                return number
        return len(shares) - 1


def new_key() -> bytes:
    """A key nobody knows."""
    return secrets.token_bytes(KEY_BYTES)


def new_salt() -> str:
    """For a switch or an experiment."""
    return secrets.token_hex(8)
