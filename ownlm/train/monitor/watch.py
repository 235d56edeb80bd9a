"""`ownlm train watch`: a page in the browser that follows a run, whether it runs, has ended, or was killed.

    metrics.jsonl, completions.jsonl ─► pictures ─► http://127.0.0.1:PORT/     asked for every two seconds

The server answers this machine only, writes nothing, and needs no lock: it reads the files as they grow. Charts are the
same as on the page of the finished run. No script or style comes from outside.
"""

from __future__ import annotations

import secrets
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from ownlm.errors import ServerError
from ownlm.train.monitor.watched import Watched
from ownlm.web.html import text
from ownlm.web.page import stylesheet

_HOSTS = ("127.0.0.1", "localhost")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'nonce-{nonce}'; connect-src 'self'; img-src data:"
_SCRIPT = """
const main = document.querySelector("main"), note = document.querySelector(".subtitle"), told = note.textContent;
let seen = main.dataset.seen;
async function look() {
  try {
    const answer = await fetch("part?seen=" + seen, { cache: "no-store" });
    if (answer.status === 200) {
      seen = answer.headers.get("ETag");
      main.innerHTML = await answer.text();
    }
    note.textContent = told;
  } catch { note.textContent = "The server of this page has ended; what is shown is the last it said."; }
  setTimeout(look, 2000);
}
setTimeout(look, 2000);
"""


class WatchServer(ThreadingHTTPServer):
    """Serves one run's page to this machine.

    Args:
        watched: the run.
        port: 0 picks a free one.

    Raises:
        ServerError: the port is taken.
    """

    daemon_threads = True

    def __init__(self, watched: Watched, port: int = 0) -> None:
        self.watched = watched
        try:
            super().__init__(("127.0.0.1", port), _Handler)
        except OSError as error:
            raise ServerError(
                f"The page cannot be served: {error.strerror}.",
                where=f"127.0.0.1:{port}",
                advice="Choose another --port; 0 picks a free one.",
            ) from error

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    """Answers `/`, the whole page, and `/part?seen=VERSION`, its changing part, if it has changed."""

    server: WatchServer

    def do_GET(self) -> None:
        """See the class."""
        host = (self.headers.get("Host") or "").rsplit(":", 1)[0]
        path, _, query = self.path.partition("?")
        watched = self.server.watched
        if host not in _HOSTS:  # another name for this machine is another site's trick
            self._answer(HTTPStatus.FORBIDDEN, "This page is for this machine only.", {})
        elif path == "/":
            nonce = secrets.token_hex(12)
            self._answer(
                HTTPStatus.OK, _shell(watched, nonce), {"Content-Security-Policy": _POLICY.format(nonce=nonce)}
            )
        elif path == "/part":
            version = watched.version()
            if query == f"seen={version}":
                self._answer(HTTPStatus.NO_CONTENT, "", {})
            else:
                self._answer(HTTPStatus.OK, watched.page().body(), {"ETag": version})
        else:
            self._answer(HTTPStatus.NOT_FOUND, "There is only one page here.", {})

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""

    def _answer(self, status: HTTPStatus, body: str, headers: dict[str, str]) -> None:
        data = body.encode("utf-8")
        self.send_response(status)
        common = {
            "Content-Type": "text/html; charset=utf-8",
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
        }
        for name, value in (
            common | {"X-Content-Type-Options": "nosniff", "Content-Length": str(len(data))} | headers
        ).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


def _shell(watched: Watched, nonce: str) -> str:
    version, page = watched.version(), watched.page()
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<link rel="icon" href="data:,">\n'
        f"<title>{text(page.title)}</title>\n<style>\n{stylesheet()}</style>\n</head>\n"
        f'<body>\n<header><h1>{text(page.title)}</h1><p class="subtitle">{text(page.subtitle)}</p></header>\n'
        f'<main data-seen="{version}">\n{page.body()}\n</main>\n'
        f'<script nonce="{nonce}">{_SCRIPT}</script>\n</body>\n</html>\n'
    )
