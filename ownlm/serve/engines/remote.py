"""A server that computes for us, spoken to by HTTP: answers as they come, cancelled at once.

One event loop in a thread of its own holds the connections of an engine; the calling thread takes what has come from a
queue and asks every few milliseconds whether anybody still waits. Cancelling closes the connection, which is what
vLLM and llama.cpp take as the client's leaving, while they read the prompt too.

The address, and the key from the environment, go nowhere else: no message holds the key, nor what a server says in
words, which may repeat the prompt.
"""

from __future__ import annotations

import asyncio
import json
import os
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import httpx

from ownlm.errors import EngineError, ServerError
from ownlm.serve.config import ServeConfig
from ownlm.serve.engines.base import never

POLL_S = 0.01
"""How long a call that waits for a token may go without asking whether it was cancelled."""

CONNECT_S = 5.0
_END: Final = object()
_BROKEN = (httpx.ConnectError, httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)


class Remote:
    """Connections to one server.

    Args:
        config: `engine_url`, `engine_timeout_s`, and the name of the variable that holds the key.

    Raises:
        ServerError: there is no address, or it is none.
    """

    def __init__(self, config: ServeConfig) -> None:
        self.url = _address(config)
        key = os.environ.get(config.engine_key_env, "") if config.engine_key_env else ""
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._timeout = httpx.Timeout(config.engine_timeout_s, connect=min(CONNECT_S, config.engine_timeout_s))
        self._loop = asyncio.new_event_loop()
        self._client = httpx.AsyncClient(
            base_url=self.url,
            headers=self._headers,
            timeout=self._timeout,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=64),
            trust_env=False,
        )
        self._thread = threading.Thread(target=self._loop.run_forever, name="engine-connections", daemon=True)
        self._thread.start()

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """One answer, whole: POST with a body, else GET.

        Raises:
            EngineError: the server does not answer, or with an error.
        """
        return asyncio.run_coroutine_threadsafe(self._ask(path, body), self._loop).result()

    def events(self, path: str, body: dict[str, Any], cancelled: Callable[[], bool] = never) -> Iterator[Any]:
        """The server-sent events of an answer, as JSON values. Leaving the iteration closes the connection.

        Raises:
            EngineError: the server is gone, too slow, or answers with an error.
        """
        came: queue.SimpleQueue[Any] = queue.SimpleQueue()
        streaming = asyncio.run_coroutine_threadsafe(self._stream(path, body, came.put), self._loop)
        streaming.add_done_callback(lambda _: came.put(_END))
        try:
            while not cancelled():
                try:
                    event = came.get(timeout=POLL_S)
                except queue.Empty:
                    continue
                if event is _END:
                    streaming.result()
                    return
                yield event
        finally:
            streaming.cancel()

    def close(self) -> None:
        """Close the connections and end the thread."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._client.aclose(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @contextmanager
    def opening(self) -> Iterator[None]:
        """What an engine asks of its server before it answers anybody; whatever is wrong closes the connections.

        Raises:
            ServerError: for every EngineError in the block.
        """
        try:
            yield
        except EngineError as error:
            self.close()
            raise ServerError(error.what, where=error.where, advice=error.advice) from error
        except ServerError:
            self.close()
            raise

    async def _ask(self, path: str, body: dict[str, Any] | None) -> Any:
        method = "GET" if body is None else "POST"
        for last in (False, True):
            try:
                answer = await self._client.request(method, path, json=body)
            except _BROKEN as error:
                if last:
                    raise self._gone(error) from error
                continue
            except httpx.HTTPError as error:
                raise self._gone(error) from error
            if answer.status_code != httpx.codes.OK:
                raise self._refused(answer.status_code, answer.content)
            return self._parsed(answer.text)
        raise AssertionError("the second attempt returns or raises")

    async def _stream(self, path: str, body: dict[str, Any], put: Callable[[Any], None]) -> None:
        for last in (False, True):
            began = False
            try:
                async with self._client.stream("POST", path, json=body) as answer:
                    began = True
                    if answer.status_code != httpx.codes.OK:
                        raise self._refused(answer.status_code, await answer.aread())
                    async for line in answer.aiter_lines():
                        data = line.removeprefix("data:").strip()
                        if line.startswith("data:") and data != "[DONE]":
                            put(self._parsed(data))
                return
            except _BROKEN as error:
                if began or last:
                    raise self._gone(error) from error
            except httpx.HTTPError as error:
                raise self._gone(error) from error

    def _parsed(self, text: str) -> Any:
        try:
            value = json.loads(text)
        except ValueError:
            raise EngineError("the engine's server answers something that is no JSON", where=self.url) from None
        if isinstance(value, dict) and value.get("error"):
            raise self._refused(None, text.encode())
        return value

    def _gone(self, error: Exception) -> EngineError:
        slow = isinstance(error, httpx.TimeoutException)
        return EngineError(
            f"the engine's server {'does not answer in time' if slow else 'is gone'} ({type(error).__name__})",
            where=self.url,
            advice="see whether it runs, and its log; serve.engine_timeout_s says how long to wait for it",
        )

    def _refused(self, status: int | None, content: bytes) -> EngineError:
        """An error without the server's words: they may repeat what it was asked."""
        kind = ""
        try:
            error = json.loads(content)["error"]
            kind = str(error.get("type") or error.get("code") or "")
        except (ValueError, LookupError, TypeError, AttributeError):
            pass
        kind = kind if kind.replace("_", "").isalnum() else ""
        said = " ".join(part for part in ("" if status is None else str(status), kind) if part) or "an error"
        advice = {
            401: "give its key in the environment variable that serve.engine_key_env names",
            403: "give its key in the environment variable that serve.engine_key_env names",
            404: "check serve.engine_url and serve.engine_model",
        }
        return EngineError(
            f"the engine's server refuses: {said}",
            where=self.url,
            advice=advice.get(status or 0, "the server's log says why"),
        )


def _address(config: ServeConfig) -> str:
    try:
        url = httpx.URL(config.engine_url)
        good = url.scheme in ("http", "https") and bool(url.host) and not url.userinfo
    except httpx.InvalidURL:
        good = False
    if not good:
        raise ServerError(
            f"the engine {config.engine} is a server, and its address is missing or none",
            where="serve.engine_url",
            advice="set serve.engine_url, e.g. http://127.0.0.1:8000; a key goes into an environment variable",
        )
    return str(url).rstrip("/")
