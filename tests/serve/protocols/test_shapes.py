"""Every refusal comes in the words of the protocol it is refused in."""

from __future__ import annotations

import json
import logging
from typing import Any

import httpx
import pytest

from ownlm.serve.config import ServeConfig
from ownlm.serve.model import ServedModel
from ownlm.serve.protocols.errors import ApiError
from ownlm.serve.protocols.shapes import shape_of
from tests.serve.protocols.asking import ask, engine_of, events

OPENAI, CHAT, TABBY = "/v1/completions", "/v1/chat/completions", "/v1/events"
INFILL, MISTRAL, TGI = "/infill", "/v1/fim/completions", "/generate"
GOOD: dict[str, dict[str, Any]] = {
    OPENAI: {"model": "tiny", "prompt": "x"},
    INFILL: {"input_prefix": "x", "input_suffix": "y"},
    MISTRAL: {"model": "tiny", "prompt": "x"},
    TGI: {"inputs": "x"},
    "/generate_stream": {"inputs": "x"},
    "/tgi": {"inputs": "x"},
}


def checked(path: str, answer: httpx.Response) -> str:
    """The message of an error, once its shape is seen to be the protocol's."""
    said = answer.json()
    if path == INFILL:
        assert set(said) == {"error"}
        assert set(said["error"]) == {"code", "message", "type"}
        assert said["error"]["code"] == answer.status_code
        return str(said["error"]["message"])
    if path == MISTRAL and answer.status_code == 422:
        (detail,) = said["detail"]
        assert set(detail) == {"loc", "msg", "type"}
        assert detail["loc"][0] == "body"
        return str(detail["msg"])
    if path == MISTRAL:
        assert set(said) == {"object", "message", "type", "param", "code"}
        return str(said["message"])
    if path in (TGI, "/generate_stream", "/tgi"):
        assert set(said) == {"error", "error_type"}
        return str(said["error"])
    assert set(said["error"]) == {"message", "type", "param", "code"}
    return str(said["error"]["message"])


REFUSED = {
    OPENAI: 400,
    CHAT: 400,
    TABBY: 400,
    INFILL: 400,
    MISTRAL: 422,
    TGI: 422,
    "/generate_stream": 422,
    "/tgi": 422,
}
JSON = {"content-type": "application/json"}


@pytest.mark.parametrize("path", REFUSED)
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"secret_code": 1}', b"\xff", b'{"inputs": "\\ud800"}'])
def test_bodies_that_are_none(client: httpx.Client, path: str, body: bytes) -> None:
    answer = client.post(path, content=body, headers=JSON)
    assert answer.status_code == REFUSED[path]
    message = checked(path, answer)
    assert message.endswith((".", "?"))
    assert path in (OPENAI, CHAT) or "secret_code" not in message


@pytest.mark.parametrize("path", GOOD)
@pytest.mark.parametrize("value", [None, 3, [], {}, True])
def test_fields_of_wrong_types(client: httpx.Client, path: str, value: Any) -> None:
    first = next(name for name in reversed(GOOD[path]))
    answer = client.post(path, json={**GOOD[path], first: value})
    assert answer.status_code == REFUSED[path]
    assert first in checked(path, answer)


@pytest.mark.parametrize("path", REFUSED)
def test_other_kinds_of_bodies_methods_and_hosts(client: httpx.Client, path: str) -> None:
    plain = client.post(path, content=b"{}", headers={"content-type": "text/plain"})
    assert plain.status_code == 415
    assert "application/json" in checked(path, plain)
    method = client.put(path)
    assert method.status_code == 405
    checked(path, method)
    foreign = client.post(path, json={}, headers={"host": "evil.example"})
    assert foreign.status_code == 403
    checked(path, foreign)


@pytest.mark.parametrize("path", GOOD)
def test_bodies_that_are_too_large(scripted: ServedModel, path: str) -> None:
    answer = ask(scripted, "POST", path, json={"x": "y" * 20_000}, config=ServeConfig(max_body_mb=0.01))
    assert answer.status_code == 413
    checked(path, answer)


@pytest.mark.parametrize("path", GOOD)
def test_text_that_is_no_unicode(client: httpx.Client, path: str) -> None:
    first = next(name for name in reversed(GOOD[path]))
    body = json.dumps({**GOOD[path], first: "\ud800"}).encode()
    answer = client.post(path, content=body, headers=JSON)
    assert answer.status_code == REFUSED[path]
    checked(path, answer)


@pytest.mark.parametrize("path", [OPENAI, INFILL, MISTRAL, TGI])
def test_what_breaks_here_says_nothing_but_a_number(
    scripted: ServedModel, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    engine_of(scripted).error = RuntimeError("boom at my_secret_code")
    with caplog.at_level(logging.CRITICAL):
        answer = ask(scripted, "POST", path, json=GOOD[path])
        assert answer.status_code == 500
        assert checked(path, answer).startswith("Internal error ")
        shown = ask(scripted, "POST", {TGI: "/generate_stream"}.get(path, path), json={**GOOD[path], "stream": True})
    last = json.loads(events(shown)[-1])
    assert "my_secret_code" not in answer.text + shown.text
    assert "Internal error" in json.dumps(last)
    assert set(last) == set(answer.json())


@pytest.mark.parametrize(
    ("path", "status", "shown", "kind"),
    [
        (INFILL, 401, 401, "authentication_error"),
        (INFILL, 429, 429, "unavailable_error"),
        (INFILL, 503, 503, "unavailable_error"),
        (INFILL, 500, 500, "server_error"),
        (MISTRAL, 401, 401, "invalid_request_error"),
        (MISTRAL, 503, 503, "internal_server_error"),
        (TGI, 401, 401, "authentication"),
        (TGI, 429, 429, "overloaded"),
        (TGI, 503, 429, "overloaded"),
        (TGI, 500, 500, "generation"),
        (OPENAI, 429, 429, "invalid_request_error"),
        ("/nothing", 503, 503, "server_error"),
    ],
)
def test_kinds(path: str, status: int, shown: int, kind: str) -> None:
    told, body = shape_of(path)(ApiError(status, "No."))
    assert told == shown
    assert kind in json.dumps(body)


def test_when_to_come_back_is_said_in_every_protocol() -> None:
    for path in REFUSED:
        assert ApiError(503, "No.", headers={"Retry-After": "7"}).response(path).headers["retry-after"] == "7"
