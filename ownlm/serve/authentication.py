"""Who sends a request, and what he may ask for: the API key, looked up in its file, and the scope of the address."""

from __future__ import annotations

import base64
import binascii
import hmac
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from starlette.datastructures import Headers

from ownlm.errors import InputError
from ownlm.serve.call import Caller
from ownlm.serve.keys import PATTERN, SCOPES, Key, Secret, hash_of, read_keys
from ownlm.serve.pages import PAGES
from ownlm.serve.protocols.errors import ApiError, unauthorized

OPEN = frozenset({*PAGES, "/health", "/live", "/docs", "/openapi.json"})
"""Answered without a key: pages without data in them, and what a load balancer asks."""
SCOPE_OF = {"/v1/events": "events", "/metrics": "metrics", "/dashboard": "metrics", "/report": "admin"}
"""Scope by the beginning of the address; "complete" for all others."""
_NOBODY = bytes(32)


class Keys(Protocol):
    """Says who a caller is."""

    def caller(self, token: str) -> Caller:
        """Who sends `token` ("" for none).

        Raises:
            ApiError: 401, with the reason.
        """
        ...


class NoKeys:
    """Anybody who reaches the server may do everything: what a gateway without a key file has."""

    def caller(self, token: str) -> Caller:
        """See `Keys.caller`. A key is not looked at: clients that insist on one send any."""
        return Caller()


@dataclass(frozen=True)
class _Entry:
    key: Key
    secret: Secret


class KeyFile:
    """The keys in a file, read again when it changes.

    What cannot be read any more (a slip of an editor) leaves the keys as they were: `problem` says so, and `/health`.
    Only a file that is gone takes all keys with it.

    Args:
        path: the file.
        clock: seconds since 1970.

    Attributes:
        problem: why the file could not be read again; "" when it could.

    Raises:
        InputError: it is not there, is not such a file, or others may read it.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._path, self._clock = path, clock
        self._lock = threading.Lock()
        self._seen = _state(path)
        self._entries = _entries(read_keys(path))
        self.problem = ""

    def caller(self, token: str) -> Caller:
        """See `Keys.caller`."""
        if not token:
            raise unauthorized("An API key is needed: send it as Authorization: Bearer KEY.", "missing_api_key")
        self._refresh()
        match = PATTERN.fullmatch(token)
        entry = self._entries.get(match[1]) if match else None
        good = hmac.compare_digest(
            hash_of(match[2] if match else "", bytes.fromhex(entry.secret.salt) if entry else bytes(16)),
            bytes.fromhex(entry.secret.hash) if entry else _NOBODY,
        )
        if entry is None or not good:
            raise unauthorized("This API key is not known here.", "invalid_api_key")
        self._check_time(entry)
        key = entry.key
        scopes = frozenset(SCOPES if "admin" in key.scopes else key.scopes)
        return Caller(key.user, key.name, scopes, key.channel, keep_text=key.keep_text)

    def _check_time(self, entry: _Entry) -> None:
        now, key = self._clock(), entry.key
        if key.revoked is not None:
            raise unauthorized("This API key was revoked.", "revoked_api_key")
        if key.expires is not None and now >= key.expires:
            raise unauthorized(f"This API key expired on {_day(key.expires)}.", "expired_api_key")
        if entry.secret.until is not None and now >= entry.secret.until:
            raise unauthorized(
                f"This API key was replaced by a newer one, and ended on {_day(entry.secret.until)}.", "expired_api_key"
            )

    def _refresh(self) -> None:
        seen = _state(self._path)
        if seen == self._seen:
            return
        with self._lock:
            try:
                self._entries, self.problem = _entries(read_keys(self._path)), ""
            except InputError as error:
                self.problem = error.what
                if not self._path.exists():
                    self._entries = {}
            self._seen = seen


def allowed(caller: Caller, scope: str) -> None:
    """Let a caller pass.

    Raises:
        ApiError: 403, his key does not allow it.
    """
    if scope not in caller.scopes:
        raise ApiError(403, f"This API key does not allow that: it lacks the scope {scope!r}.", code="missing_scope")


def scope_of(path: str) -> str:
    """The scope that an address asks for; "" for none."""
    if path in OPEN:
        return ""
    for start, scope in SCOPE_OF.items():
        if path == start or path.startswith(start + "/"):
            return scope
    return "complete"


def token_of(headers: Headers) -> str:
    """The API key of a request: a bearer token, X-API-Key, or the password a browser asked for; "" for none."""
    kind, _, value = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return value.strip()
    if kind.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().rpartition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return headers.get("x-api-key", "")


def with_request(caller: Caller, client: str, address: str) -> Caller:
    """What the request itself says of its sender."""
    return replace(caller, client=client[:64], address=address)


def _entries(keys: tuple[Key, ...]) -> dict[str, _Entry]:
    return {secret.id: _Entry(key, secret) for key in keys for secret in key.secrets}


def _state(path: Path) -> tuple[Any, ...]:
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_mode


def _day(at: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(at))
