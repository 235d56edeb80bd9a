"""Requests that are refused, and how that is said; `ownlm.serve.protocols.shapes` puts it in each protocol's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse

from ownlm.serve.protocols.shapes import shape_of

RETRY_AFTER_S = 1


class ApiError(Exception):
    """A request that is refused, and why.

    Args:
        status: the HTTP status.
        message: one sentence for the person who sent it; never quotes their code.
        param: the field it is about.
        code: a word programs can tell it by.
        headers: further response headers.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code
        self.headers = dict(headers or {})

    def body(self, path: str = "") -> dict[str, Any]:
        """The answer's JSON for clients of `path`; "" for OpenAI's."""
        return shape_of(path)(self)[1]

    def response(self, path: str = "") -> JSONResponse:
        """The answer to clients of `path`; "" for OpenAI's."""
        status, body = shape_of(path)(self)
        return JSONResponse(body, status, headers=self.headers)


def busy(retry_s: int = RETRY_AFTER_S) -> ApiError:
    """429: the queue is full; there should be room in `retry_s` seconds."""
    return ApiError(
        429,
        "The server is busy: too many requests are waiting. Try again in a moment.",
        code="server_busy",
        headers={"Retry-After": str(retry_s)},
    )


def too_often(rate: str, retry_s: int) -> ApiError:
    """429: the caller has asked too often; he may again in `retry_s` seconds."""
    return ApiError(
        429,
        f"Too many requests: at most {rate} of one user. Try again in {retry_s} s.",
        code="rate_limit_exceeded",
        headers={"Retry-After": str(retry_s)},
    )


def broken() -> ApiError:
    """503: the engine broke while it computed the answer; it is being opened again."""
    return ApiError(
        503,
        "The engine stopped while it answered. It is being started again: try again in a moment.",
        code="engine_error",
        headers={"Retry-After": str(RETRY_AFTER_S)},
    )


def not_ready() -> ApiError:
    """503: no version of the model answers yet."""
    return ApiError(
        503, "No model is ready yet. /health says why.", code="not_ready", headers={"Retry-After": str(RETRY_AFTER_S)}
    )


def stopping() -> ApiError:
    """503: the server is being stopped."""
    return ApiError(503, "The server is stopping.", code="stopping", headers={"Retry-After": str(RETRY_AFTER_S)})


def unauthorized(message: str, code: str) -> ApiError:
    """401: no API key, or one that is not good."""
    return ApiError(401, message, code=code, headers={"WWW-Authenticate": 'Bearer realm="ownlm"'})


def internal(number: str) -> ApiError:
    """500: our fault. `number` is in the log, beside where it happened."""
    return ApiError(500, f"Internal error {number}. The server's log says more.", code="internal_error")
