"""Real sockets: ports, clients that leave, shutting down, and what is imported."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from ownlm.errors import ArtifactError, ServerError
from ownlm.serve.config import ServeConfig
from ownlm.serve.model import ServedModel
from ownlm.serve.server import RunningServer, running_server
from tests.serve.running import eventually, serving
from tests.serve.scripted import ScriptedEngine

OTHER_TOKENIZER = '{"name": "x", "context": 99, "vocabulary": {"sha256": "0000"}}'


def test_port_zero_is_a_free_one(server: RunningServer) -> None:
    assert server.url.startswith("http://127.0.0.1:")
    assert not server.url.endswith(":0")
    assert httpx.get(f"{server.url}/health").json()["status"] == "ok"
    assert server.model_name == "tiny"


def test_a_port_in_use_is_an_error_with_advice(server: RunningServer, export_dir: Path) -> None:
    port = int(server.url.rpartition(":")[2])
    with pytest.raises(ServerError, match="in use") as caught, running_server(export_dir, ServeConfig(port=port)):
        pass
    assert caught.value.where == f"127.0.0.1:{port}"
    assert "serve.port" in str(caught.value.advice)


def test_the_port_is_free_again_afterwards(export_dir: Path) -> None:
    with running_server(export_dir, ServeConfig(port=0)) as first:
        port = int(first.url.rpartition(":")[2])
        httpx.get(f"{first.url}/health")
    with running_server(export_dir, ServeConfig(port=port)) as again:
        assert httpx.get(f"{again.url}/health").status_code == 200


def test_a_folder_that_is_no_export_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="not an export"), running_server(tmp_path, ServeConfig(port=0)):
        pass


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"name": "x"}', '{"name": "", "context": 99}', '{"name": "x", "context": "y"}', OTHER_TOKENIZER],
)
def test_a_damaged_description_is_an_error(export_dir: Path, tmp_path: Path, text: str) -> None:
    broken = tmp_path / "broken" / "ctranslate2"
    broken.mkdir(parents=True)
    for file in (export_dir / "ctranslate2").iterdir():
        (broken / file.name).symlink_to(file)
    (broken / "ownlm.json").unlink()
    (broken / "ownlm.json").write_text(text)
    with pytest.raises(ArtifactError), running_server(tmp_path / "broken", ServeConfig(port=0)):
        pass


def test_ipv6(export_dir: Path) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 loopback here")
    with running_server(export_dir, ServeConfig(host="::1", port=0)) as server:
        assert httpx.get(f"{server.url}/health").status_code == 200


@contextmanager
def left_waiting(url: str, body: dict[str, object]) -> Iterator[None]:
    """A client that asks for a completion and hangs up without its answer."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)
    connection.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
    try:
        yield
    finally:
        connection.close()


@pytest.mark.parametrize("stream", [False, True])
def test_generation_stops_when_the_client_leaves(scripted: ServedModel, stream: bool) -> None:
    engine = scripted.engine
    assert isinstance(engine, ScriptedEngine)
    engine.gate = threading.Event()
    engine.say("x = 1\n" * 200)
    body = {"model": "tiny", "prompt": "x", "stream": stream, "max_tokens": 250}
    with serving(scripted, ServeConfig()) as url:
        with left_waiting(url, body):
            eventually(lambda: engine.requests != [])
        eventually(lambda: "ownlm_cancelled_requests_total 1.0" in httpx.get(f"{url}/metrics").text)
        engine.gate.set()
        assert engine.ended.wait(5)
        assert engine.steps <= 3
        eventually(lambda: "ownlm_jobs_running 0.0" in httpx.get(f"{url}/metrics").text)


def test_a_real_generation_stops_when_the_client_leaves(model: ServedModel) -> None:
    """The real engine: the slot is free long before the tokens asked for could be made."""
    patient = replace(model, context=100_000)
    config = ServeConfig(max_tokens=40_000, default_tokens=40_000)
    with serving(patient, config) as url:
        with httpx.stream(
            "POST", f"{url}/v1/completions", json={"model": "tiny", "prompt": "x", "stream": True}
        ) as answer:
            next(answer.iter_lines())
        eventually(lambda: "ownlm_jobs_running 0.0" in httpx.get(f"{url}/metrics").text, seconds=3)


def test_who_leaves_the_queue_is_never_computed(scripted: ServedModel) -> None:
    engine = scripted.engine
    assert isinstance(engine, ScriptedEngine)
    engine.gate = threading.Event()
    body = {"model": "tiny", "prompt": "x"}
    with serving(scripted, ServeConfig(parallel=1)) as url:
        with left_waiting(url, body), left_waiting(url, body), left_waiting(url, body):
            eventually(lambda: "ownlm_jobs_waiting 2.0" in httpx.get(f"{url}/metrics").text)
            eventually(lambda: len(engine.requests) == 1)
        # All three are known to have left before the first may go on: none of them can be taken up in between.
        eventually(lambda: "ownlm_cancelled_requests_total 3.0" in httpx.get(f"{url}/metrics").text)
        engine.gate.set()
        eventually(lambda: "ownlm_jobs_waiting 0.0" in httpx.get(f"{url}/metrics").text)
        assert httpx.post(f"{url}/v1/completions", json=body).status_code == 200
    assert len(engine.requests) == 2  # the first, which had started, and the last


def test_many_at_once_get_their_own_answers(server: RunningServer) -> None:
    async def crowd() -> list[tuple[str, str]]:
        async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:

            async def ask(number: int) -> str:
                body = {"model": "tiny", "prompt": f"x = {number % 8}", "max_tokens": 12, "seed": number % 8}
                answer = await client.post("/v1/completions", json=body)
                return str(answer.json()["choices"][0]["text"])

            texts = await asyncio.gather(*(ask(number) for number in range(32)))
            return [(texts[number], texts[number % 8]) for number in range(32)]

    for text, same in asyncio.run(crowd()):
        assert text == same


SERVE = """
import sys
import threading
from pathlib import Path
from ownlm.serve.client import complete
from ownlm.serve.config import ServeConfig
from ownlm.serve.server import running_server
import httpx
export = Path(sys.argv[1])
assert isinstance(complete(export, "def f(", max_tokens=4), str)
with running_server(export, ServeConfig(port=0)) as server:
    answer = httpx.post(server.url + "/v1/completions", json={"model": "tiny", "prompt": "x", "max_tokens": 3})
    assert answer.status_code == 200, answer.text
    heavy = {"torch", "transformers", "pyarrow", "pyspark", "pandas"} & set(sys.modules)
    assert not heavy, heavy
    threading.Timer(0.3, print, [server.url], {"flush": True}).start()  # when `wait` is there
    server.wait()
print("ended", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serving_imports_no_torch_and_ends_on_signals(export_dir: Path, number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-W", "error::DeprecationWarning:ownlm", "-c", SERVE, str(export_dir)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("http://"), process.communicate()[1]
    process.send_signal(number)
    rest, errors = process.communicate(timeout=20)
    assert rest == "ended\n"
    assert errors == ""
    assert process.returncode == 0


def test_the_configuration_is_light_to_import() -> None:
    code = "import sys, ownlm.serve.config; assert not {'torch', 'ctranslate2', 'fastapi', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).resolve().parents[2])
