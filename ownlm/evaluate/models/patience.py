"""One question to a server, asked until it answers: retries, back-off, Retry-After, a deadline, a size limit.

    408 425 429 500 502 503 504, a lost connection, a time-out, an answer that is not JSON   again, after 1, 2, 4 ... s
    Retry-After (seconds or a date)                                                         obeyed, up to max_wait_s
    any other status                                                                        the server's refusal

When one request is told to wait, those that have not been sent yet wait with it: a server that limits the rate is not
asked by the others meanwhile. The key is never part of a message, also where the server repeats it.
"""

from __future__ import annotations

import json
import threading
import time
import weakref
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from ownlm.errors import ServerError
from ownlm.pipeline.tracking.redact import HIDDEN, redact

if TYPE_CHECKING:
    import httpx

AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
LONGEST_STEP_S = 60.0
MOST_BYTES = 1 << 26
"""A longer answer is not read to its end."""

_SHOWN = 300
_sleep, _now = time.sleep, time.monotonic


class RefusedError(Exception):
    """The server answered that it does not do what was asked.

    Args:
        status: of the answer.
        message: what it said.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status, self.message = status, message


class _TryAgainError(Exception):
    """Something that may pass.

    Args:
        what: happened, for the message.
        wait: seconds the server asks to wait; None when it does not say.
    """

    def __init__(self, what: str, wait: float | None = None) -> None:
        super().__init__(what)
        self.what, self.wait = what, wait


class Asker:
    """Asks one server. Safe to call from several threads.

    Args:
        base: its address, without credentials and without a closing slash.
        key: sent as a bearer token; "" for none.
        attempts: times a question is sent.
        timeout_s: of one attempt, from its first byte sent to its last received.
        max_wait_s: longest wait the server may ask for.
    """

    def __init__(self, base: str, key: str, *, attempts: int, timeout_s: float, max_wait_s: float) -> None:
        import httpx

        self.base = base
        self._key, self._attempts, self._timeout_s, self._max_wait_s = key, attempts, timeout_s, max_wait_s
        loopback = httpx.URL(base).host in ("127.0.0.1", "::1", "localhost")
        self._client = httpx.Client(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(timeout_s, pool=None),
            trust_env=not loopback,  # a proxy is for others than this machine
        )
        weakref.finalize(self, self._client.close)
        self._lock = threading.Lock()
        self._not_before, self._stopped = 0.0, False

    def ask(self, path: str, body: Mapping[str, object] | None = None) -> Any:
        """The JSON that the server answers to a POST of `body`, or to a GET without one.

        Raises:
            RefusedError: it refuses.
            ServerError: it does not answer, however often it is asked.
        """
        last = ""
        for attempt in range(self._attempts):
            self._wait_turn()
            try:
                return self._once(path, body)
            except _TryAgainError as error:
                last = error.what
                if attempt + 1 == self._attempts or self._stopped:
                    break
                self._pause(attempt, error.wait, last)
        times = "once" if self._attempts == 1 else f"{self._attempts} times"
        raise ServerError(
            f"The server does not answer as it should, asked {times} ({last}).",
            where=self.base,
            advice="see that it runs and is not overloaded, then run the same command again; lower concurrency",
        )

    def _once(self, path: str, body: Mapping[str, object] | None) -> Any:
        import httpx

        deadline = _now() + self._timeout_s
        try:
            method = "GET" if body is None else "POST"
            with self._client.stream(method, self.base + path, json=body) as answer:
                raw = self._read(answer, deadline)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _TryAgainError(self._clean(f"{type(error).__name__} {error}".strip())) from error
        if answer.status_code in AGAIN:
            said = f"{answer.status_code} {message_of(raw)}"
            raise _TryAgainError(self._clean(said), asked_wait(answer.headers))
        if answer.status_code != 200:
            raise RefusedError(answer.status_code, self._clean(message_of(raw)))
        try:
            return json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise _TryAgainError("its answer is not JSON") from error

    def _read(self, answer: httpx.Response, deadline: float) -> bytes:
        parts, size = [], 0
        for part in answer.iter_bytes():
            parts.append(part)
            size += len(part)
            if size > MOST_BYTES:
                raise _TryAgainError(f"its answer is longer than {MOST_BYTES >> 20} MiB")
            if _now() > deadline:
                raise _TryAgainError(f"its answer takes longer than {self._timeout_s:g} s")
        return b"".join(parts)

    def stop(self) -> None:
        """Let questions under way end without another attempt: one has failed for good."""
        self._stopped = True

    def _wait_turn(self) -> None:
        with self._lock:
            wait = 0.0 if self._stopped else self._not_before - _now()
        if wait > 0:
            _sleep(wait)

    def _pause(self, attempt: int, asked: float | None, what: str) -> None:
        """Put off the next question of this and of all other threads."""
        if asked is not None and asked > self._max_wait_s:
            raise ServerError(
                f"The server asks to wait {asked:,.0f} s ({what}).",
                where=self.base,
                advice=f"run the same command again then; {self._max_wait_s:g} s are waited for (max_wait_s)",
            )
        wait = min(2.0**attempt, LONGEST_STEP_S) if asked is None else asked
        with self._lock:
            self._not_before = max(self._not_before, _now() + wait)

    def _clean(self, text: str) -> str:
        hidden = text.replace(self._key, HIDDEN) if self._key else text
        return redact(hidden)[:_SHOWN]


def message_of(raw: bytes) -> str:
    """What an answer that is an error says, in one line: the protocol's message, or the body's beginning."""
    text = raw.decode("utf-8", errors="replace")
    try:
        found: Any = json.loads(text)
        for name in ("error", "message", "detail"):
            if isinstance(found, dict) and found.get(name):
                found = found[name]
        text = found if isinstance(found, str) else text
    except (ValueError, RecursionError):
        pass
    return " ".join(text.split())


def asked_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds that `Retry-After` asks to wait (RFC 9110, section 10.2.3); None when it does not say."""
    said = headers.get("retry-after", "").strip()
    try:
        return max(0.0, float(said)) if said and said[0].isdigit() and said[-1].isdigit() else _until(said)
    except ValueError:
        return None


def _until(date: str) -> float | None:
    return max(0.0, parsedate_to_datetime(date).timestamp() - time.time()) if date else None
