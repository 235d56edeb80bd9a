"""Pieces of HTTP the protocols share: bodies with a limit, events, clients that leave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from ownlm.serve.call import Caller
from ownlm.serve.protocols.errors import ApiError

MB = 1e6
SLICE_BYTES = 1 << 16


async def read_body(request: Request, limit_mb: float) -> bytes:
    """The body of a JSON request.

    A page of another site can send a form or plain text to this server without asking it first, but not
    application/json: insisting on that keeps foreign pages out, since no answer of ours allows them in.

    Raises:
        ApiError: 415 for another type, 413 for more than `limit_mb` MB, 408 when it takes too long.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise ApiError(415, "The body must be JSON: send the header Content-Type: application/json.")
    limit = int(limit_mb * MB)
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > limit:
        raise _too_large(limit_mb)
    body = bytearray()
    try:
        async with asyncio.timeout(patience_s(request)):
            async for part in request.stream():
                body += part
                if len(body) > limit:
                    raise _too_large(limit_mb)
    except ClientDisconnect:
        raise ApiError(400, "The body ended too early.") from None
    except TimeoutError:
        raise ApiError(408, "The body came too slowly.", headers={"Connection": "close"}) from None
    return bytes(body)


async def until_gone(request: Request, work: Coroutine[Any, Any, None]) -> bool:
    """Do `work` for as long as the client is there.

    Returns:
        True when it is done, False when the client left and it was cancelled.
    """
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
            return True
        return False
    finally:
        for each in (task, gone):
            each.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


def caller_of(request: Request) -> Caller:
    """Who sent a request: what `Guard` found out from its API key, and the program, from its User-Agent."""
    known: Caller | None = request.scope.get("ownlm.caller")
    return known or Caller()


def patience_s(request: Request) -> float:
    """Seconds a client may take to send a request, or to take a piece of its answer."""
    return float(request.app.state.gateway.config.patience_s)


async def ready_at_once() -> None:
    """Nothing is waited for."""


class EventStream(StreamingResponse):
    """Server-sent events.

    Args:
        events: what is sent.
        on_end: called however it ends, at once when the client leaves or does not take what is sent.
        ready: waited for before the status is sent; what it raises is answered instead.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        events: AsyncIterator[bytes],
        on_end: Callable[[], None],
        ready: Callable[[], Awaitable[None]] = ready_at_once,
    ) -> None:
        super().__init__(events, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._events, self._on_end, self._ready = events, on_end, ready

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events."""
        request = Request(scope, receive)
        try:
            with suppress(TimeoutError):
                await until_gone(request, self._send(send, patience_s(request)))
        finally:
            self._on_end()
            close = getattr(self._events, "aclose", None)
            if close is not None:
                await close()

    async def _send(self, send: Send, patience: float) -> None:
        await self._ready()

        async def sent(message: Message) -> None:
            async with asyncio.timeout(patience):
                await send(message)

        await sent({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for chunk in self._events:
            # In slices: a send returns once what was sent before is on its way, however large it is itself.
            for start in range(0, len(chunk), SLICE_BYTES):
                part = chunk[start : start + SLICE_BYTES]
                await sent({"type": "http.response.body", "body": part, "more_body": True})
        await sent({"type": "http.response.body", "body": b"", "more_body": False})


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _too_large(limit_mb: float) -> ApiError:
    return ApiError(413, f"The body is larger than {limit_mb:g} MB.", code="body_too_large")
