"""A gateway on a real socket, and waiting for what it does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from ownlm.serve.app import app_for
from ownlm.serve.config import ServeConfig
from ownlm.serve.connection import limited
from ownlm.serve.listening import bind
from ownlm.serve.model import ServedModel


def eventually(true: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


@contextmanager
def serving(model: ServedModel, config: ServeConfig) -> Iterator[str]:
    """The application for a model on a real socket."""
    with running_app(app_for(model, config)) as address:
        yield address


@contextmanager
def running_app(app: FastAPI) -> Iterator[str]:
    """An application on a real socket."""
    gateway = getattr(app.state, "gateway", None)  # other applications have none
    config = ServeConfig() if gateway is None else gateway.config
    with bind("127.0.0.1", 0, config.patience_s) as listener:
        http = limited(config.patience_s, config.max_header_kb * 1000)
        running = uvicorn.Server(uvicorn.Config(app, http=http, log_config=None, timeout_graceful_shutdown=1))
        thread = threading.Thread(target=running.run, args=([listener],))
        thread.start()
        eventually(lambda: running.started)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            running.should_exit = True
            thread.join()
