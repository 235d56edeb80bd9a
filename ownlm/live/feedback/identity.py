"""Users' names as keyed hashes: the store holds no name, and who has the key finds a user's rows by name all the same.

HMAC-SHA256, 128 bits of it. The key is a file of 32 random bytes that only its owner may read; without it the rows of a
user cannot be found, nor a guessed name be confirmed. All gateways of a store use the same key: the store remembers a
fingerprint of it and refuses another.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path

from ownlm.errors import InputError, StorageError

KEY_BYTES = 32


class Identity:
    """Hashes names.

    Args:
        key: at least 16 bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    @property
    def fingerprint(self) -> str:
        """Tells keys apart and says nothing about them."""
        return self._hash("key:")

    def person(self, user: str) -> str:
        """What a store calls a user; "" for nobody."""
        return self._hash(f"user:{user}") if user else ""

    def _hash(self, text: str) -> str:
        return hmac.new(self._key, text.encode("utf-8", "replace"), hashlib.sha256).hexdigest()[:32]


def open_identity(path: Path, *, create: bool) -> Identity:
    """The identity whose key lies in a file.

    Args:
        path: of the file.
        create: make it, if it is not there.

    Raises:
        InputError: there is none, it is no key, or others may read it.
        StorageError: it cannot be made.
    """
    if create and not path.exists():
        _make(path)
    try:
        with path.open("rb") as stream:
            open_to = os.fstat(stream.fileno()).st_mode & 0o077
            key = stream.read(4096)
    except FileNotFoundError:
        advice = "Copy it from the machine of the gateway, and name it (--key)."
        raise InputError("The key of users' names is not there.", where=path, advice=advice) from None
    if open_to:
        raise InputError("Others may read the key of users' names.", where=path, advice=f"chmod 600 {path}")
    if len(key) < KEY_BYTES:
        advice = "Restore it from a backup; with another key no user is found."
        raise InputError("This is no key of users' names: it is too short.", where=path, advice=advice)
    return Identity(key)


def _make(path: Path) -> None:
    """Write a new key whole or not at all: two gateways that start together end with the same one."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(secrets.token_bytes(KEY_BYTES))
            stream.flush()
            os.fsync(stream.fileno())
        with suppress(FileExistsError):
            os.link(temporary, path)
    except OSError as error:
        advice = "Make its folder writable, or keep feedback elsewhere: serve.feedback.url, serve.feedback.key_file."
        raise StorageError(
            f"The key of users' names cannot be written ({error.strerror}).", where=path, advice=advice
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink()
