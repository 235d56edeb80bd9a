"""API keys: who may ask for what. `ownlm serve keys` makes, lists, rotates and revokes them.

    ownlm_3f9c01ab5d27_<43 letters>     shown once, when it is made
          id            secret: 256 random bits, base64url

The file (JSON, mode 0600, written aside and renamed) keeps the id in the clear, to find an entry by, and a hash of the
secret: BLAKE2b with a random salt. A fast hash is right here. Slow ones (scrypt, Argon2) make guessing dear where
people choose the secret; nobody guesses 256 random bits, however fast the hash, and each request is checked by one.
Hashes are compared in constant time, and an unknown id costs the same comparison.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ownlm.errors import InputError, StorageError

FORMAT: Literal[1] = 1
SCOPES = ("complete", "events", "metrics", "admin")
Scope = Literal["complete", "events", "metrics", "admin"]
PATTERN = re.compile(r"ownlm_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
OTHERS = 0o077


class Secret(BaseModel):
    """One secret of a key. Hex; `until`: seconds since 1970, None for as long as the key is good."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: str = Field(pattern="^[0-9a-f]{12}$")
    salt: str = Field(pattern="^[0-9a-f]{32}$")
    hash: str = Field(pattern="^[0-9a-f]{64}$")
    until: float | None = None


class Key(BaseModel):
    """An API key.

    Attributes:
        name: unique in its file.
        user: whose requests these are; "" leaves it to what a request says.
        scopes: what it allows; "admin" allows all.
        channel: rollout channel of its user; "" for the gateway's own.
        keep_text: lets feedback keep text, if the gateway is set to.
        created: seconds since 1970.
        expires: seconds since 1970; None for never.
        revoked: seconds since 1970; None when it is not.
        secrets: the newest last; an older one after a rotation, for as long as it is still good.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str = Field(pattern=r"^[A-Za-z0-9._@-]{1,64}$")
    user: str = Field("", max_length=200)
    scopes: tuple[Scope, ...] = Field(min_length=1)
    channel: str = ""
    keep_text: bool = True
    created: float
    expires: float | None = None
    revoked: float | None = None
    secrets: tuple[Secret, ...]


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    format: Literal[1] = FORMAT
    keys: tuple[Key, ...] = ()


def read_keys(path: Path) -> tuple[Key, ...]:
    """The keys in a file.

    Raises:
        InputError: it is not there, is not such a file, or others may read it.
    """
    try:
        if path.stat().st_mode & OTHERS:
            raise InputError("others may read the file of API keys", where=path, advice=f"chmod 600 {path}")
        return _File.model_validate_json(path.read_bytes()).keys
    except OSError as error:
        advice = "make a key: ownlm serve keys add NAME"
        raise InputError(f"the API keys cannot be read: {error.strerror}", where=path, advice=advice) from error
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, problem["loc"]))
        raise InputError(f"this is no file of API keys: {where} {problem['msg']}", where=path) from None


def write_keys(path: Path, keys: tuple[Key, ...]) -> None:
    """Write the file so that it is there whole or not at all, and only its owner may read it.

    Raises:
        StorageError: it cannot be written.
    """
    text = json.dumps(_File(keys=keys).model_dump(mode="json"), indent=1)
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        aside.replace(path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise StorageError(f"the API keys cannot be written: {error.strerror}", where=path) from error


@contextmanager
def changing(path: Path) -> Iterator[tuple[Key, ...]]:
    """The keys in a file, none where there is no file yet; nobody else changes them while the block runs."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StorageError(f"the API keys cannot be written: {error.strerror}", where=path) from error
    with os.fdopen(descriptor) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield read_keys(path) if path.exists() else ()


def new_secret() -> tuple[str, Secret]:
    """A token, to be shown once, and what is kept of it."""
    number, salt = secrets.token_hex(6), secrets.token_bytes(16)
    text = base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()
    return f"ownlm_{number}_{text}", Secret(id=number, salt=salt.hex(), hash=hash_of(text, salt).hex())


def added(keys: tuple[Key, ...], key: Key) -> tuple[Key, ...]:
    """`keys` with one more.

    Raises:
        InputError: there is one of that name.
    """
    if any(other.name == key.name for other in keys):
        raise InputError(f"there is an API key {key.name!r} already", advice="choose another name, or rotate that one")
    return (*keys, key)


def rotated(keys: tuple[Key, ...], name: str, secret: Secret, until: float) -> tuple[Key, ...]:
    """`keys` with a new secret for one of them; its present one stays good until `until`, older ones go.

    Raises:
        InputError: there is no such key, or it was revoked.
    """
    key = _named(keys, name)
    if key.revoked is not None:
        raise InputError(f"the API key {name!r} was revoked", advice="make a new one: ownlm serve keys add")
    last = key.secrets[-1].model_copy(update={"until": until})
    changed = key.model_copy(update={"secrets": (last, secret)})
    return tuple(changed if other.name == name else other for other in keys)


def revoked(keys: tuple[Key, ...], name: str, now: float) -> tuple[Key, ...]:
    """`keys` with one that is good no more.

    Raises:
        InputError: there is no such key.
    """
    changed = _named(keys, name).model_copy(update={"revoked": now})
    return tuple(changed if other.name == name else other for other in keys)


def _named(keys: tuple[Key, ...], name: str) -> Key:
    for key in keys:
        if key.name == name:
            return key
    raise InputError(f"there is no API key {name!r}", advice="`ownlm serve keys list` shows what there is")


def hash_of(secret: str, salt: bytes) -> bytes:
    """What is kept of a secret."""
    return hashlib.blake2b(secret.encode(), digest_size=32, salt=salt, person=b"ownlm api key").digest()
