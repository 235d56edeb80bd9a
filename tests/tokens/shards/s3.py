"""A real S3 server on loopback (moto's), which gives wrong answers when it is told to."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.request import Request, urlopen

Fault = Callable[[bytes], bytes | None]
"""The body as it is -> what is sent in its place; None: the server fails with status 500."""

KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLEEXAMPLE00", "AWS_SECRET_ACCESS_KEY": "a-secret-nobody-must-see"}


def failing(body: bytes) -> None:
    """An internal error."""
    return


def truncated(body: bytes) -> bytes:
    """The connection ends in the middle."""
    return body[: len(body) // 2]


def flipped(body: bytes) -> bytes:
    """One bit is wrong."""
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]


@dataclass
class Server:
    """A running server.

    Attributes:
        url: its address.
        faults: end of a key -> what is done to its next bodies, one after another.
        requests: (method, path) of all requests.
    """

    url: str
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)

    def count(self, method: str, end: str) -> int:
        """How many requests had this method and a path that ends so."""
        return sum(one == method and path.endswith(end) for one, path in self.requests)

    def answer(self, app: Any, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        """The WSGI application around moto's."""
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        self.requests.append((method, path))
        due = [left for end, left in self.faults.items() if path.endswith(end) and left]
        if method != "GET" or not due:
            return app(environ, start)  # type: ignore[no-any-return]
        fault = due[0].pop(0)
        kept: list[Any] = []
        body = b"".join(app(environ, lambda *given: kept.extend(given)))
        changed = fault(body)
        if changed is None:
            start("500 Internal Server Error", [("Content-Type", "text/plain")])
            return [b"out of order"]
        start(*kept)  # the length that was promised stays
        return [changed]


@contextmanager
def serving() -> Iterator[Server]:
    """Start a server with a bucket called `shards`, and say in the environment where it is."""
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log(self, *_: Any) -> None:
            pass

    app, server = DomainDispatcherApplication(create_backend_app), Server("")
    http = make_server(
        "127.0.0.1",
        0,
        lambda environ, start: server.answer(app, environ, start),
        threaded=True,
        request_handler=Quiet,
    )
    server.url = f"http://127.0.0.1:{http.server_port}"
    said = KEYS | {"AWS_ENDPOINT_URL": server.url, "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "1"}
    before = dict(os.environ)
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    os.environ.update(said)
    try:
        import s3fs

        urlopen(Request(f"{server.url}/moto-api/reset", method="POST")).close()  # a process has one store
        s3fs.S3FileSystem.clear_instance_cache()
        s3fs.S3FileSystem().mkdir("shards")
        yield server
        s3fs.S3FileSystem.clear_instance_cache()
    finally:
        os.environ.clear()
        os.environ.update(before)
        http.shutdown()
        thread.join()
        http.server_close()
