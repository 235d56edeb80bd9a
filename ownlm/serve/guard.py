"""The outermost layer: who may talk to this server, what its pages may do, and what is counted.

A server on loopback is reachable by every web page open in a browser on this machine. Two doors are shut:

- DNS rebinding (a foreign name that resolves to 127.0.0.1): the Host header must be a name we know, or an address.
- Cross-site requests: an Origin header, which browsers send with them, must be our own; no answer carries CORS headers.
"""

from __future__ import annotations

import ipaddress
import time
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ownlm.serve.authentication import allowed, scope_of, token_of, with_request
from ownlm.serve.call import Caller
from ownlm.serve.config import ServeConfig
from ownlm.serve.gateway import Gateway
from ownlm.serve.protocols.errors import ApiError, internal

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
COUNTED_PATHS = (
    "/v1/completions",
    "/v1/chat/completions",
    "/v1/fim/completions",
    "/infill",
    "/generate",
    "/generate_stream",
    "/tgi",
    "/v1/events",
    "/v1/models",
    "/health",
    "/metrics",
    "/report",
    "/dashboard",
)


class Guard:
    """ASGI layer around the whole application."""

    def __init__(self, app: ASGIApp, gateway: Gateway) -> None:
        self._app, self._gateway = app, gateway
        self._names = allowed_names(gateway.config)
        self._addresses = gateway.config.host not in LOOPBACK_NAMES

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        metrics, path = self._gateway.metrics, counted_path(scope["path"])
        status = 0
        start = time.perf_counter()

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _add_headers(message, scope["path"])
            await send(message)

        metrics.in_flight.inc()
        try:
            headers = Headers(scope=scope)
            self._check(headers)
            scope["ownlm.caller"] = self._caller(scope, headers)
            await self._app(scope, receive, watched)
        except ApiError as refusal:
            await refusal.response(scope["path"])(scope, receive, watched)
        except Exception as error:
            number = self._gateway.log_internal(error)
            if not status:
                await internal(number).response(scope["path"])(scope, receive, watched)
        finally:
            metrics.in_flight.dec()
            metrics.requests.labels(path, str(status)).inc()
            metrics.seconds.labels(path).observe(time.perf_counter() - start)

    def _caller(self, scope: Scope, headers: Headers) -> Caller:
        """Who asks; a key is not asked for where none is needed.

        Raises:
            ApiError: 401, 403.
        """
        path = scope["path"]
        asked = scope_of(path)
        caller = Caller()
        if asked:
            try:
                caller = self._gateway.keys.caller(token_of(headers))
                allowed(caller, asked)
            except ApiError as refusal:
                self._gateway.metrics.refused.labels(refusal.code).inc()
                if path.startswith(("/report", "/metrics")):  # people open it: their browser asks for a name and a key
                    refusal.headers["WWW-Authenticate"] = 'Basic realm="ownlm"'
                raise
        address = (scope.get("client") or ("",))[0]
        return with_request(caller, headers.get("user-agent", ""), address)

    def _check(self, headers: Headers) -> None:
        host = host_name(headers.get("host", ""))
        if not self._known(host):
            raise ApiError(
                403,
                "This server does not go by that name. Call it by its address, or add the name to serve.allowed_hosts.",
                code="unknown_host",
            )
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower():
            raise ApiError(403, "Requests from pages of other sites are refused.", code="foreign_origin")

    def _known(self, host: str) -> bool:
        return host in self._names or (self._addresses and _is_address(host))


def allowed_names(config: ServeConfig) -> frozenset[str]:
    """Names in a Host header this server answers to, lower case, without port and brackets."""
    return LOOPBACK_NAMES | {config.host.lower()} | {name.lower() for name in config.allowed_hosts}


def host_name(header: str) -> str:
    """The name in a Host header, lower case, without port and brackets; "" when there is none."""
    try:
        return (urlsplit(f"//{header}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def counted_path(path: str) -> str:
    """The label a path is counted under: few, whatever people ask for."""
    return next((known for known in COUNTED_PATHS if path == known or path.startswith(known + "/")), "other")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _add_headers(message: Message, path: str) -> None:
    headers = MutableHeaders(scope=message)
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "no-referrer"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    if headers.get("content-type", "").startswith("text/html"):
        headers["Content-Security-Policy"] = REPORT_POLICY if path.startswith(("/report", "/docs")) else PAGE_POLICY
