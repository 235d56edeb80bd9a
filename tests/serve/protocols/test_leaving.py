"""A client that hangs up frees the engine, whatever protocol it spoke. Real sockets."""

from __future__ import annotations

import http.client
import json
import threading
from typing import Any

import httpx
import pytest

from ownlm.serve.config import ServeConfig
from ownlm.serve.model import ServedModel
from tests.serve.protocols.asking import engine_of
from tests.serve.running import eventually, serving

INFILL = {"input_prefix": "x", "input_suffix": "", "n_predict": 250}
FIM = {"model": "tiny", "prompt": "x", "max_tokens": 250}
GENERATE = {"inputs": "x", "parameters": {"max_new_tokens": 250}}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/completions", {"segments": {"prefix": "x"}}),
        ("/infill", INFILL),
        ("/infill", {**INFILL, "stream": True}),
        ("/v1/fim/completions", FIM),
        ("/v1/fim/completions", {**FIM, "stream": True}),
        ("/generate", GENERATE),
        ("/generate_stream", GENERATE),
    ],
    ids=lambda value: str(value)[:60],
)
def test_who_hangs_up_frees_the_engine(scripted: ServedModel, path: str, body: dict[str, Any]) -> None:
    engine = engine_of(scripted)
    engine.gate = threading.Event()
    engine.say_bytes(b"abcdefgh" * 30)
    with serving(scripted, ServeConfig()) as url:
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        eventually(lambda: engine.requests != [])
        connection.close()
        eventually(lambda: "ownlm_cancelled_requests_total 1.0" in httpx.get(f"{url}/metrics").text)
        engine.gate.set()
        assert engine.ended.wait(5)
        assert engine.steps <= 3
