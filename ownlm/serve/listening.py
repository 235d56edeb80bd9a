"""Where a gateway listens: who may reach it, the socket, and the address people are told."""

from __future__ import annotations

import errno
import ipaddress
import socket

from ownlm.errors import ServerError
from ownlm.serve.config import ServeConfig


def check_open(config: ServeConfig) -> None:
    """Refuse to listen to other machines where anybody could ask.

    Raises:
        ServerError: no API keys are set, and nobody said that there need not be any.
    """
    if not (config.keys or config.without_keys or _is_loopback(config.host)):
        raise ServerError(
            "other machines could ask without an API key",
            where=f"serve.host: {config.host}",
            advice="make keys (ownlm serve keys add NAME), or let everybody ask: serve.without_keys=true",
        )


def bind(host: str, port: int, patience_s: float = 20.0) -> socket.socket:
    """A socket bound to the address; port 0 takes a free one.

    Args:
        host: name or address.
        port: its number.
        patience_s: connections whose client takes nothing for so long, or is gone without a word, are dropped.

    Raises:
        ServerError: when the address is taken, not this machine's, or not allowed.
    """
    where = f"{host}:{port}"
    try:
        family, _, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except OSError as error:
        raise ServerError(
            "the address cannot be resolved",
            where=where,
            advice="set serve.host to 127.0.0.1 or an address of this machine",
        ) from error
    # Named as TCP, which is the default anyway: asyncio turns Nagle's delay (40 ms an answer) off only on such sockets.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # A port whose last connections still linger may be used again; one somebody listens on may not.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; accepted connections inherit it
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(patience_s * 1000))
        listener.bind(place)
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise _cannot_bind(error, where) from error
    return listener


def address(host: str, port: int, *, tls: bool = False) -> str:
    """The URL a browser on this machine reaches the server by."""
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}  # noqa: S104  not bound here, only read
    name = everywhere.get(host, f"[{host}]" if ":" in host else host)
    return f"{'https' if tls else 'http'}://{name}:{port}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _cannot_bind(error: OSError, where: str) -> ServerError:
    advice = {
        errno.EADDRINUSE: "stop the other program, or choose another port (serve.port=8081; 0 picks a free one)",
        errno.EACCES: "ports below 1024 need special rights: choose a higher one (serve.port=8080)",
        errno.EADDRNOTAVAIL: "set serve.host to 127.0.0.1 or an address of this machine",
    }
    what = {errno.EADDRINUSE: "the port is in use", errno.EACCES: "the port may not be used"}
    code = error.errno or 0
    return ServerError(
        what.get(code, f"the address cannot be used: {error.strerror}"),
        where=where,
        advice=advice.get(code, "choose another serve.host and serve.port"),
    )
