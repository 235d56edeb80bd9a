"""The certificate of HTTPS, and the next one: the files are looked at, and a renewed pair is taken without a restart.

    files change ─► a context of their own ─► good: new connections get it, at their hello
                                          └─► bad:  looked at once more, told in the log, the one before goes on

The listening socket keeps its first context; who says hello is given the newest one (SSL_set_SSL_CTX, by the callback
for server names). `load_cert_chain` on the listening context would do for a good pair, but of a bad one it leaves the
certificate without the key.
"""

from __future__ import annotations

import logging
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ownlm.errors import ServerError, first_line
from ownlm.serve.config import ServeConfig

INTERVAL_S = 0.25
"""Seconds between looks, as for watched folders."""

logger = logging.getLogger("ownlm.serve")

State = tuple[tuple[int, int, int] | None, ...]


class Certificate:
    """A certificate chain and its key, in PEM files that may be replaced.

    Args:
        chain: the file of the chain.
        key: the file of the key; None when it is in the same one.

    Attributes:
        context: what to listen with.

    Raises:
        ServerError: they cannot be used.
    """

    def __init__(self, chain: Path, key: Path | None) -> None:
        self._chain, self._key = chain, key
        self._seen = self._state()
        self._doubtful: State | None = None
        try:
            self.context = self._newest = _context(chain, key)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise ServerError(
                f"the certificate cannot be used: {first_line(error)}",
                where=chain,
                advice="set serve.tls_certificate and serve.tls_key to PEM files that belong together, "
                "without a password",
            ) from error
        self.context.sni_callback = self._hello

    def look(self) -> None:
        """Take the files' pair if it is another one, and good.

        A bad one is tried again at the next look: two files cannot be replaced at once. Then it is told, once.
        """
        state = self._state()
        if state == self._seen:
            return
        try:
            self._newest = _context(self._chain, self._key)
        except (OSError, ValueError) as error:
            if state != self._doubtful:
                self._doubtful = state
                return
            logger.warning(
                "the new certificate cannot be used, the old one stays: %s (%s)", first_line(error), self._chain
            )
        self._seen, self._doubtful = state, None

    @contextmanager
    def watched(self, interval_s: float = INTERVAL_S) -> Iterator[None]:
        """Look every `interval_s` seconds, in a thread, while the block runs."""
        stop = threading.Event()

        def run() -> None:
            while not stop.wait(interval_s):
                self.look()

        thread = threading.Thread(target=run, name="certificate", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _hello(self, connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        connection.context = self._newest

    def _state(self) -> State:
        """Changes when one of the files does; links are followed, for renewals often change only those."""
        found: list[tuple[int, int, int] | None] = []
        for file in (self._chain, self._key or self._chain):
            try:
                status = file.stat()
                found.append((status.st_ino, status.st_size, status.st_mtime_ns))
            except OSError:
                found.append(None)
        return tuple(found)


def certificate_of(config: ServeConfig) -> Certificate | None:
    """What to answer by HTTPS with; None for HTTP.

    Raises:
        ServerError: the certificate or its key cannot be used.
    """
    if not config.tls_certificate:
        return None
    return Certificate(Path(config.tls_certificate), Path(config.tls_key) if config.tls_key else None)


def _context(chain: Path, key: Path | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(chain, key, password="")
    return context
