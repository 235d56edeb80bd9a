"""Part `users` of `benchmarks/serve.py`: the same requests to a gateway and to its engine without one.

Gateway and engine run in processes of their own, so that what asks costs them nothing but the processor. Users ask
again as soon as they have their answer. Both sides take turns in short rounds.

Lost: a request without an answer, or with a text that is not the one of its prompt. Doubled: an answer's id seen
before, or tokens the gateway counted beyond those it gave out.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from serve_contenders import percentiles, quantile

ROUNDS = 5
Answer = tuple[int, float, str, str, int]
"""Which prompt, seconds, id, text, tokens."""


def serve(export: str, settings: dict[str, Any], wire: Connection) -> None:
    """A gateway, until told to end."""
    from ownlm.serve.config import ServeConfig
    from ownlm.serve.server import running_server

    with running_server(Path(export), ServeConfig.model_validate(settings)) as server:
        wire.send(server.url)
        wire.recv()


def compute(export: str, settings: dict[str, Any], prefixes: list[str], tokens: int, wire: Connection) -> None:
    """The engine alone: rounds of so many users, each request in a thread, `parallel` of them at a time."""
    from ownlm.serve.call import CompletionOptions
    from ownlm.serve.completion import complete
    from ownlm.serve.config import ServeConfig
    from ownlm.serve.model import load_model

    config = ServeConfig.model_validate(settings)
    model = load_model(Path(export), config)
    gate = threading.Semaphore(config.parallel)

    def ask(number: int) -> Answer:
        prompt = model.prompts.text(prefixes[number % len(prefixes)], None, tokens, "suffix_first")
        start, pieces = time.perf_counter(), []
        with gate:
            count = complete(model, prompt, CompletionOptions(temperature=0), pieces.append)
        return number, time.perf_counter() - start, "", "".join(piece.text for piece in pieces), count

    while (asked := wire.recv()) is not None:
        wire.send(crowd(ask, *asked))


def crowd(ask: Callable[[int], Answer], users: int, requests: int) -> list[Answer]:
    """Requests 0, 1, 2, ... by so many users at a time."""
    with ThreadPoolExecutor(users) as pool:
        return list(pool.map(ask, range(requests)))


@contextmanager
def process(target: Callable[..., None], *arguments: Any) -> Iterator[Connection]:
    """A process of its own, and the wire to it."""
    context = multiprocessing.get_context("spawn")
    wire, its_end = context.Pipe()
    child = context.Process(target=target, args=(*arguments, its_end), daemon=True)
    child.start()
    try:
        yield wire
    finally:
        wire.send(None)
        child.join(10)


def asking(url: str, model: str, prefixes: list[str], tokens: int) -> Callable[[int], Answer]:
    """Requests by kept connections, one a thread."""
    address = url.removeprefix("http://")
    local = threading.local()

    def ask(number: int) -> Answer:
        if not hasattr(local, "connection"):
            local.connection = http.client.HTTPConnection(address, timeout=120)
        prefix = prefixes[number % len(prefixes)]
        body = json.dumps({"model": model, "prompt": prefix, "max_tokens": tokens, "temperature": 0})
        start = time.perf_counter()
        local.connection.request("POST", "/v1/completions", body, {"Content-Type": "application/json"})
        answer = json.loads(local.connection.getresponse().read())
        seconds = time.perf_counter() - start
        return number, seconds, answer["id"], answer["choices"][0]["text"], answer["usage"]["completion_tokens"]

    return ask


def get(url: str, path: str) -> str:
    """A page."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
    connection.request("GET", path)
    return connection.getresponse().read().decode()


def counted_tokens(url: str) -> int:
    """Tokens the gateway says it generated, since its start."""
    found = re.findall(r"^ownlm_generated_tokens_total(?:\{.*\})? ([0-9.e+]+)$", get(url, "/metrics"), re.MULTILINE)
    return int(sum(map(float, found)))


def users(options: argparse.Namespace) -> None:
    """All engines, 1, 4 and 16 users."""
    text = options.file.read_text(encoding="utf-8")
    prefixes = [text[200 * number : 200 * number + 700] for number in range(16)]
    export, tokens = str(options.exports["float32"]), options.tokens
    print(f"\nUsers who ask again at once, {tokens} tokens, greedy, float32; from request to whole answer, ms\n")
    print(
        "| engine | users | engine alone p50 | p95 | p99 | gateway p50 | p95 | p99 | adds p50 | p99 | lost | doubled |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for name in [name for name in options.engines if name != "bare"]:
        settings = {
            "engine": name,
            "threads": options.threads,
            "parallel": 1 if name == "ctranslate2" else 16,
            "port": 0,
            "feedback": None,
        }
        with (
            process(serve, export, settings) as gateway,
            process(compute, export, settings, prefixes, tokens) as engine,
        ):
            url = gateway.recv()
            model = json.loads(get(url, "/v1/models"))["data"][0]["id"]
            ask = asking(url, model, prefixes, tokens)
            for count in (1, 4, 16):
                row(name, count, options.requests, url, ask, engine)


def row(name: str, count: int, requests: int, url: str, ask: Callable[[int], Answer], engine: Connection) -> None:
    """So many users; a line of the table."""
    engine.send((count, 16))
    expected = {number: text for number, _, _, text, _ in engine.recv()}
    crowd(ask, count, 16)  # both have met all prompts now
    before, alone, answers = counted_tokens(url), [], []
    for _ in range(ROUNDS):
        engine.send((count, requests // ROUNDS))
        alone += engine.recv()
        answers += crowd(ask, count, requests // ROUNDS)
    lost = sum(expected[number % 16] != text for number, _, _, text, _ in answers)
    doubled = len(answers) - len({answer for _, _, answer, _, _ in answers})
    surplus = counted_tokens(url) - before - sum(tokens for *_, tokens in answers)
    ours, bare = [seconds for _, seconds, *_ in answers], [seconds for _, seconds, *_ in alone]
    added = [(quantile(ours, share) - quantile(bare, share)) * 1e3 for share in (0.5, 0.99)]
    print(
        f"| {name} | {count} | {percentiles(bare)} | {percentiles(ours)} | {added[0]:.2f} | {added[1]:.2f} "
        f"| {lost} | {doubled}, {surplus} tokens |",
        flush=True,
    )
