"""Clients that send slowly, too much, or nothing; that do not read. Real sockets."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from ownlm.serve.config import ServeConfig
from ownlm.serve.keys import write_keys
from ownlm.serve.model import ServedModel
from ownlm.serve.server import running_server
from tests.serve.running import eventually, serving
from tests.serve.scripted import ScriptedEngine

BODY = json.dumps({"model": "tiny", "prompt": "x", "max_tokens": 3}).encode()


def connected(url: str) -> socket.socket:
    host, _, port = url.removeprefix("http://").partition(":")
    connection = socket.socket()
    connection.settimeout(20)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # little fits on the way to one who does not read
    connection.connect((host, int(port)))
    return connection


def read_all(connection: socket.socket) -> bytes:
    found = b""
    try:
        while part := connection.recv(65536):
            found += part
    except ConnectionResetError:
        pass
    return found


def head(length: int, *more: bytes) -> bytes:
    lines = [b"POST /v1/completions HTTP/1.1", b"Host: localhost", b"Content-Type: application/json"]
    return b"\r\n".join([*lines, b"Content-Length: %d" % length, *more, b"", b""])


@pytest.mark.parametrize("start", [b"", b"POST /v1/comp", head(10)[:-4]])
def test_a_head_that_does_not_come_is_hung_up_on(scripted: ServedModel, start: bytes) -> None:
    with serving(scripted, ServeConfig(patience_s=0.2)) as url, connected(url) as connection:
        connection.sendall(start)
        assert read_all(connection) == b""


def test_a_body_that_does_not_come_is_408(scripted: ServedModel) -> None:
    with serving(scripted, ServeConfig(patience_s=0.2)) as url, connected(url) as connection:
        connection.sendall(head(1000) + b"{")
        answer = read_all(connection)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"too slowly" in answer


def test_a_slow_but_steady_client_is_served(scripted: ServedModel) -> None:
    with serving(scripted, ServeConfig(patience_s=10)) as url, connected(url) as connection:
        for byte in head(len(BODY), b"Connection: close") + BODY:
            connection.sendall(bytes([byte]))
        assert read_all(connection).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "sent",
    [
        head(1, b"X-Long: " + b"x" * 40_000),
        head(1, *(b"X-%d: x" % number for number in range(5000))),
        b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\n",
        b"GET / HTTP/1.1\r\nX-Endless: " + b"x" * 40_000,
    ],
)
def test_a_head_that_is_too_large_is_431(scripted: ServedModel, sent: bytes) -> None:
    with serving(scripted, ServeConfig()) as url, connected(url) as connection:
        try:
            for begin in range(0, len(sent), 4096):
                connection.sendall(sent[begin : begin + 4096])
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer = read_all(connection)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 431 ")  # nothing, where the system throws it away unread
        assert httpx.get(f"{url}/live").status_code == 200


def test_heads_of_one_connection_do_not_add_up(scripted: ServedModel) -> None:
    with serving(scripted, ServeConfig(max_header_kb=2)) as url, httpx.Client(base_url=url) as client:
        for _ in range(10):
            assert client.get("/live", headers={"X-Some": "x" * 1000}).status_code == 200


@pytest.mark.parametrize(
    "noise", [b"\x16\x03\x01\x02\x00\x01\x00", b"HELO\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x00" * 99]
)
def test_noise_is_400(scripted: ServedModel, noise: bytes) -> None:
    with serving(scripted, ServeConfig()) as url, connected(url) as connection:
        connection.sendall(noise)
        connection.shutdown(socket.SHUT_WR)
        assert read_all(connection).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("text", [b"\xff\xfe", b'"\xed\xa0\x80"', b'"\\ud800"', b'"' + b"a\xc3" + b'"'])
@pytest.mark.parametrize("path", ["/v1/completions", "/infill", "/generate", "/v1/fim/completions"])
def test_broken_utf_8_is_refused(scripted: ServedModel, path: str, text: bytes) -> None:
    fields = {"/infill": b"input_prefix", "/generate": b"inputs"}
    body = b'{"model": "tiny", "%s": %s}' % (fields.get(path, b"prompt"), text)
    with serving(scripted, ServeConfig()) as url:
        answer = httpx.post(url + path, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in (400, 422)
        assert answer.json()


def test_a_reader_that_takes_nothing_is_dropped_and_its_slot_is_free(scripted: ServedModel) -> None:
    """The answer is larger than what fits on the way: sending stands still, and the generation is ended."""
    engine = scripted.engine
    assert isinstance(engine, ScriptedEngine)
    engine.say("x = 1\n" * 20_000)
    patient = replace(scripted, context=1_000_000)
    body = json.dumps({"model": "tiny", "prompt": "x", "max_tokens": 60_000, "stream": True, "logprobs": 20}).encode()
    with serving(patient, ServeConfig(patience_s=0.5, max_tokens=60_000)) as url, connected(url) as connection:
        connection.sendall(head(len(body)) + body)
        eventually(lambda: engine.steps > 100)
        for line in ("ownlm_cancelled_requests_total 1.0", "ownlm_jobs_running 0.0"):
            eventually(lambda line=line: line in httpx.get(f"{url}/metrics", timeout=60).text, seconds=60)  # type: ignore[misc]


def test_no_more_than_so_many_connections(scripted: ServedModel, export_dir: Path) -> None:
    with running_server(export_dir, ServeConfig(port=0, max_connections=3)) as server:
        held = [connected(server.url) for _ in range(3)]
        eventually(lambda: httpx.get(f"{server.url}/live").status_code == 503)
        for connection in held:
            connection.close()
        eventually(lambda: httpx.get(f"{server.url}/live").status_code == 200)


def test_keys_guard_a_real_server(export_dir: Path, tmp_path: Path) -> None:
    write_keys(tmp_path / "keys", ())
    with running_server(export_dir, ServeConfig(port=0, keys=str(tmp_path / "keys"))) as server:
        assert httpx.get(f"{server.url}/v1/models").status_code == 401
        assert httpx.get(f"{server.url}/health").status_code == 200
