"""A connection that does not wait for ever: slow senders and endless headers are turned away before a request exists.

uvicorn parses requests (httptools, C) but sets no limit on their heads, and none on the time a head may take
("slowloris"). Bodies are limited where they are read (`serve.http`); readers that take nothing are dropped by the
system (`server.bind` sets TCP_USER_TIMEOUT).
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"content-length: 30\r\nconnection: close\r\n\r\nThe request's head is too big."
)


class Connection(HttpToolsProtocol):
    """One client's connection. Subclasses set the limits (`limited`)."""

    head_s: float
    head_bytes: int

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._read = 0  # bytes of the head that is being read
        self._in_head = True
        self._too_large = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The first request should begin now, and its head be there soon."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Some of a request."""
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._count(len(data))
            if self._too_large:
                self.send_400_response("")

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._in_head, self._read = True, 0
        self._wait()

    def on_header(self, name: bytes, value: bytes) -> None:
        """One line of the head."""
        self._count(len(name) + len(value) + 4)
        if self._too_large:
            raise ValueError("the head is too large")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is there: from here on the application sets the limits."""
        self._in_head = False
        self._stop_waiting()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """What is no request, or one too large, is answered and hung up on."""
        if self._too_large:
            self.transport.write(TOO_LARGE)
            self.transport.close()
        else:
            super().send_400_response(msg)

    def _count(self, more: int) -> None:
        self._read += more
        self._too_large = self._read > self.head_bytes

    def _wait(self) -> None:
        self._stop_waiting()
        self._timer = self.loop.call_later(self.head_s, self._hang_up)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _hang_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.abort()


def limited(head_s: float, head_bytes: int) -> type[Connection]:
    """Connections with limits.

    Args:
        head_s: seconds until the head of a request must be there.
        head_bytes: of a request's line and headers, at most.
    """
    return type("LimitedConnection", (Connection,), {"head_s": head_s, "head_bytes": head_bytes})
