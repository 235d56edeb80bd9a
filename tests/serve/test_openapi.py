"""What the gateway says it takes: whole, offline, and true: whatever follows it, or breaks it, is never a 500."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings

from ownlm.serve.app import app_for
from ownlm.serve.config import ServeConfig
from ownlm.serve.model import ServedModel
from ownlm.serve.openapi import description
from ownlm.serve.protocols.examples import EXAMPLES as TYPED
from ownlm.serve.protocols.examples import MODEL
from ownlm.serve.server import RunningServer

EXAMPLES = 25


def get(model: ServedModel, path: str) -> httpx.Response:
    async def send() -> httpx.Response:
        app = app_for(model, ServeConfig())
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            return await client.get(path)

    return asyncio.run(send())


def test_every_route_is_described_and_says_what_key_it_needs(scripted: ServedModel) -> None:
    schema = get(scripted, "/openapi.json").json()
    assert schema["openapi"].startswith("3.1")
    assert {"/v1/completions", "/v1/chat/completions", "/infill", "/generate", "/v1/events"} <= set(schema["paths"])
    completions = schema["paths"]["/v1/completions"]["post"]
    assert {"bearer": ["complete"]} in completions["security"]
    assert "security" not in schema["paths"]["/health"]["get"]
    assert "$ref" not in str(completions["requestBody"])


def test_the_page_shows_it_and_loads_nothing(scripted: ServedModel) -> None:
    answer = get(scripted, "/docs")
    assert answer.headers["content-type"].startswith("text/html")
    assert "script-src" not in answer.headers["Content-Security-Policy"]  # default-src 'none' forbids all
    for shown in ("POST /v1/completions", "max_tokens", "input_prefix", "API keys need the scope complete"):
        assert shown in answer.text
    for loading in ("<script", "src=", "@import", "url(", 'href="http'):
        assert loading not in answer.text


def test_the_page_shows_fields_inside_fields_and_what_to_type(scripted: ServedModel) -> None:
    page = get(scripted, "/docs").text
    for shown in ("segments.prefix", "input_extra[].text", "parameters.max_new_tokens", "above 0, to 1"):
        assert shown in page
    assert "curl -s http://localhost/infill -H" in page


@pytest.mark.parametrize("path", list(TYPED))
def test_what_the_page_tells_people_to_type_is_answered(server: RunningServer, path: str) -> None:
    model = httpx.get(f"{server.url}/v1/models").json()["data"][0]["id"]
    for example in TYPED[path]:
        body = {name: model if value == MODEL else value for name, value in example.items()}
        answer = httpx.post(f"{server.url}{path}", json=body, timeout=30)
        if path == "/v1/events":  # about a completion that nobody served
            assert answer.json()["error"]["code"] in ("unknown_completion", "not_stored")
        elif path == "/v1/chat/completions":
            assert answer.json()["error"]["code"] == "not_a_chat_model"
        else:
            assert answer.status_code == 200, answer.text


def test_a_described_answer_is_what_is_answered(scripted: ServedModel) -> None:
    """The schema of OpenAI's answer takes a real one, and refuses one without its id."""
    import jsonschema_rs

    schema = description(app_for(scripted, ServeConfig()))
    answered = schema["paths"]["/v1/models"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    validator = jsonschema_rs.validator_for({**answered, "components": schema["components"]})
    real = get(scripted, "/v1/models").json()
    assert validator.is_valid(real)
    assert not validator.is_valid({**real, "data": [{"object": "model"}]})


def operations() -> list[str]:
    """Addresses that take a body; they differ in nothing else that could go wrong."""
    return [
        "POST /v1/completions",
        "POST /v1/chat/completions",
        "POST /v1/events",
        "POST /infill",
        "POST /v1/fim/completions",
        "POST /generate",
        "POST /generate_stream",
        "POST /tgi",
        "GET /v1/models/{name}",
    ]


@pytest.fixture(scope="module")
def schema(server: RunningServer) -> Any:
    import schemathesis

    return schemathesis.openapi.from_url(f"{server.url}/openapi.json")


@pytest.mark.slow
@pytest.mark.parametrize("operation", operations())
def test_no_request_is_answered_500(schema: Any, operation: str) -> None:
    """schemathesis makes requests that follow the description, and ones that do not."""
    method, path = operation.split()
    asked = schema[path][method]
    statuses = set()

    @given(case=asked.as_strategy())
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    def ask(case: Any) -> None:
        if isinstance(case.body, dict):
            for name in ("max_tokens", "n_predict"):  # few tokens do: what is tested is what is asked
                if isinstance(case.body.get(name), int):
                    case.body[name] = min(case.body[name], 2)
        statuses.add(case.call().status_code)

    ask()
    assert statuses
    assert not [status for status in statuses if status == 500]


def test_the_list_of_addresses_is_whole(scripted: ServedModel) -> None:
    schema = description(app_for(scripted, ServeConfig()))
    with_bodies = {
        f"POST {path}" for path, methods in schema["paths"].items() if "requestBody" in methods.get("post", {})
    }
    assert {f"POST {path}" for path in TYPED} == with_bodies
    assert with_bodies == {one for one in operations() if one.startswith("POST")}


def test_the_description_of_the_served_run_is_the_same(server: RunningServer, export_dir: Path) -> None:
    served = httpx.get(f"{server.url}/openapi.json").json()
    assert served["info"]["title"] == "ownlm"
    assert httpx.get(f"{server.url}/docs").status_code == 200
