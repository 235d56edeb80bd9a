"""What the gateway itself adds: a real model's folder, with an engine that answers at once.

    python benchmarks/gateway.py EXPORT

Everything but the engine is the real thing, in a process of its own: socket, HTTP, guard, JSON, prompt (about 190
tokens), queue, thread, text, events. Asked one request after the other over one connection; times are the client's.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

TOKENS, ROUNDS, WARM_UP = 32, 300, 100
PROMPT = "import os\n\ndef read(path):\n" * 30


class Instant:
    """An engine that has its tokens ready."""

    def __init__(self, ids: list[int]) -> None:
        self._ids = ids

    def generate(self, request: Any, on_step: Callable[[Any], bool], cancelled: Callable[[], bool]) -> None:
        """See `Engine.generate`."""
        from ownlm.serve.engines.base import GenerationStep

        for number in range(request.max_tokens):
            finish = "length" if number + 1 == request.max_tokens else None
            if on_step(GenerationStep(0, self._ids[number % len(self._ids)], None, finish)):  # type: ignore[arg-type]
                return

    def score(self, tokens: Any, top_logprobs: int) -> list[Any]:
        """Not asked."""
        return []

    def close(self) -> None:
        """Nothing to give back."""


def serve(export: Path, told: Any) -> None:
    """In the gateway's process; tells its port."""
    import uvicorn

    from ownlm.serve.app import app_for
    from ownlm.serve.config import ServeConfig
    from ownlm.serve.connection import limited
    from ownlm.serve.listening import bind
    from ownlm.serve.model import load_model

    model = load_model(export, ServeConfig())
    ids = model.vocabulary.encode("def f(x):\n    return x + 1\n")
    app = app_for(replace(model, engine=Instant(ids)), ServeConfig())
    listener = bind("127.0.0.1", 0)
    told.put((listener.getsockname()[1], model.name))
    config = uvicorn.Config(app, http=limited(20, 32_000), ws="none", log_config=None, access_log=False)
    uvicorn.Server(config).run([listener])


def ask(connection: http.client.HTTPConnection, model: str, tokens: int, stream: bool) -> None:
    """One request, read to its end."""
    body = {"model": model, "prompt": PROMPT, "max_tokens": tokens, "temperature": 0, "stream": stream}
    connection.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 200


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("export", type=Path, help="an export artifact's folder, with ctranslate2")
    export = parser.parse_args().export
    told: Any = multiprocessing.Queue()
    process = multiprocessing.Process(target=serve, args=(export, told), daemon=True)
    process.start()
    port, model = told.get(timeout=60)
    connection, server = http.client.HTTPConnection("127.0.0.1", port), psutil.Process(process.pid)
    for name, tokens, stream in (("whole, 1 token", 1, False), ("whole", TOKENS, False), ("stream", TOKENS, True)):
        seconds = []
        for number in range(WARM_UP + ROUNDS):
            if number == WARM_UP:
                used = sum(server.cpu_times()[:2])
            start = time.perf_counter()
            ask(connection, model, tokens, stream)
            seconds.append(time.perf_counter() - start)
        cpu = (sum(server.cpu_times()[:2]) - used) / ROUNDS
        ordered = sorted(seconds[WARM_UP:])
        shown = "  ".join(f"p{share} {ordered[int(ROUNDS * share / 100)] * 1000:5.2f} ms" for share in (50, 95, 99))
        print(f"{name:<16} {shown}   CPU of the server {cpu * 1000:.2f} ms")
    process.terminate()


if __name__ == "__main__":
    main()
