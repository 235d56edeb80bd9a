"""Run the gateway: bind, load, serve in a thread, stop gracefully.

    with running_server(export, ServeConfig(port=0)) as server:
        print(server.url)
        server.wait()            # until Ctrl+C or SIGTERM

The port is bound before the model is loaded: a port in use is known at once. Requests under way are finished on the
way out, for `GRACE_S` seconds at most.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from ownlm.errors import DependencyError, ServerError
from ownlm.serve.config import ServeConfig
from ownlm.serve.listening import address, bind, check_open

if TYPE_CHECKING:
    from fastapi import FastAPI

    from ownlm.serve.dashboard import PanelSource
    from ownlm.serve.feedback import Feedback
    from ownlm.serve.routing import Router

GRACE_S = 5
KEEP_ALIVE_S = 75
"""Longer than clients keep idle connections (httpx: 5 s): who closes first risks a request that is on its way."""
START_S = 30.0


class RunningServer:
    """A gateway that answers requests.

    Attributes:
        url: its address, e.g. "http://127.0.0.1:8080".
        model_name: what clients call its model.
    """

    def __init__(self, url: str, model_name: str, thread: threading.Thread) -> None:
        self.url, self.model_name = url, model_name
        self._thread = thread
        self._stop = threading.Event()

    def wait(self) -> None:
        """Block until Ctrl+C, SIGTERM, `stop` from another thread, or the server's own end."""
        with _signals_set(self._stop):
            while self._thread.is_alive() and not self._stop.wait(0.5):
                pass

    def stop(self) -> None:
        """Let `wait` return."""
        self._stop.set()


@contextmanager
def running_server(
    export_dir: Path | None,
    config: ServeConfig,
    *,
    model_name: str | None = None,
    reports: Path | None = None,
    router: Router | None = None,
    feedback: Feedback | None = None,
    panels: Sequence[PanelSource] = (),
    copies: Path | None = None,
) -> Iterator[RunningServer]:
    """Serve an export artifact for as long as the block runs.

    Args:
        export_dir: the artifact's folder; None when the router brings all versions.
        config: settings of serving.
        model_name: what clients call the model; None for the name it was exported under.
        reports: see `app_for`, as all that follow.
        router: chooses versions.
        feedback: is told what is served.
        panels: of the dashboard.
        copies: where versions that have a URL are kept.

    Raises:
        ServerError: when the address cannot be bound, may not be without API keys, its certificate cannot be used, or
            the engine refuses its settings.
        ArtifactError: when the folder is not an export, is incomplete or damaged.
        DependencyError: when a package of serving is missing.
        InputError: when the file of API keys cannot be used.
    """
    check_open(config)
    with bind(config.host, config.port, config.patience_s) as listener:
        try:
            import uvicorn

            from ownlm.serve.app import app_for
            from ownlm.serve.certificate import certificate_of
            from ownlm.serve.connection import limited
            from ownlm.serve.loading import load_version
        except ImportError as error:
            raise DependencyError(
                f"the package {error.name} is not installed", advice="install it: pip install 'ownlm[serve]'"
            ) from error
        tls = certificate_of(config)
        model = None if export_dir is None else load_version(export_dir, config, model_name)
        app = app_for(model, config, reports=reports, router=router, feedback=feedback, panels=panels, copies=copies)
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                http=limited(config.patience_s, config.max_header_kb * 1000),
                ws="none",
                limit_concurrency=config.max_connections,
                ssl_certfile=config.tls_certificate or None,
                ssl_context_factory=None if tls is None else lambda settings, default: tls.context,
                log_config=None,
                access_log=False,  # what was asked is nobody's business; /metrics counts
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=GRACE_S,
                lifespan="on",
            )
        )
        thread = threading.Thread(target=server.run, args=([listener],), name="gateway", daemon=True)
        thread.start()
        try:
            _await_start(server, thread)
            url = address(config.host, listener.getsockname()[1], tls=tls is not None)
            with nullcontext() if tls is None else tls.watched():
                yield RunningServer(url, model_name or _name(app), thread)
        finally:
            server.should_exit = True
            thread.join(GRACE_S + 2)
            app.state.gateway.versions.close()


def _name(app: FastAPI) -> str:
    models = app.state.gateway.versions.models()
    return models[0].name if models else ""


def _await_start(server: object, thread: threading.Thread) -> None:
    waited = threading.Event()
    for _ in range(int(START_S / 0.005)):
        if getattr(server, "started", False):
            return
        if not thread.is_alive():
            break
        waited.wait(0.005)
    raise ServerError("the server did not start", advice="look at the log above; run the command again")


@contextmanager
def _signals_set(event: threading.Event) -> Iterator[None]:
    """While the block runs, SIGINT and SIGTERM set `event`. Only the main thread may change handlers."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handler(number: int, frame: FrameType | None) -> None:
        event.set()

    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
