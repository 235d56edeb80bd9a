"""The OpenAPI description is true: what clients send is valid by it, and so is what they are answered."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from ownlm.serve.app import app_for
from ownlm.serve.config import ServeConfig
from ownlm.serve.model import ServedModel
from ownlm.serve.openapi import description as served_description
from ownlm.serve.protocols.openai_request import CompletionRequest
from ownlm.serve.protocols.openapi import schema_of
from tests.serve.protocols import recorded
from tests.serve.protocols.asking import ask

SENT: list[tuple[str, dict[str, Any]]] = [
    ("/v1/completions", {"model": "tiny", "prompt": "x", "logprobs": 2, "n": 2, "stop": ["a"], "seed": 1}),
    ("/v1/completions", {"model": "tiny", "prompt": ["a", "b"], "max_tokens": 3}),
    ("/v1/completions", recorded.tabby()),
    ("/infill", recorded.llama_vim()),
    ("/infill", recorded.llama_vscode()),
    ("/infill", recorded.llama_vim_warm_up()),
    ("/infill", recorded.llama_vscode_warm_up()),
    ("/v1/fim/completions", {"model": "tiny", "prompt": "x", "suffix": "y", "max_tokens": 4, "stop": "z"}),
    ("/v1/fim/completions", recorded.continue_fim() | {"stream": False}),
    ("/generate", recorded.llm_ls()),
    ("/generate", recorded.llm_ls_before_0_5()),
    ("/generate", {"inputs": "x", "parameters": {"details": True, "max_new_tokens": 3}}),
    ("/tgi", {"inputs": "x"}),
]
ASKED = ["/v1/models", "/v1/models/tiny", "/v1/health", "/v1beta/server_setting", "/props", "/info"]


@pytest.fixture(scope="module")
def description(model: ServedModel) -> dict[str, Any]:
    """What /openapi.json says."""
    return served_description(app_for(model, ServeConfig()))


def operation(description: dict[str, Any], method: str, path: str) -> dict[str, Any]:
    paths = description["paths"]
    found: dict[str, Any] = (paths.get(path) or paths[path.replace("tiny", "{name}")])[method]
    return found


def check(description: dict[str, Any], schema: dict[str, Any], value: object) -> None:
    Draft202012Validator({**schema, "components": description["components"]}).validate(value)


def check_answer(description: dict[str, Any], method: str, path: str, answer: httpx.Response) -> None:
    assert answer.status_code == 200
    content = operation(description, method, path)["responses"]["200"]["content"]
    check(description, content["application/json"]["schema"], answer.json())


@pytest.mark.parametrize(("path", "body"), SENT, ids=lambda value: str(value)[:24])
def test_what_clients_send_and_get_is_as_described(
    description: dict[str, Any], client: httpx.Client, path: str, body: dict[str, Any]
) -> None:
    sent = operation(description, "post", path)["requestBody"]["content"]["application/json"]["schema"]
    check(description, sent, body)
    check_answer(description, "post", path, client.post(path, json=body))


@pytest.mark.parametrize("path", ASKED)
def test_what_is_asked_without_a_body_is_as_described(
    description: dict[str, Any], client: httpx.Client, path: str
) -> None:
    check_answer(description, "get", path, client.get(path))


def test_a_chat_is_as_described(description: dict[str, Any], scripted: ServedModel) -> None:
    body = {"model": "tiny", "messages": [{"role": "user", "content": "x"}], "logprobs": True, "top_logprobs": 1}
    path = "/v1/chat/completions"
    check(
        description, operation(description, "post", path)["requestBody"]["content"]["application/json"]["schema"], body
    )
    check_answer(description, "post", path, ask(replace(scripted, chat=True), "POST", path, json=body))


def test_every_protocol_route_says_what_it_takes(description: dict[str, Any]) -> None:
    for path, methods in description["paths"].items():
        said = methods.get("post")
        if said is not None and said.get("tags") and path != "/v1/health":
            schema = said["requestBody"]["content"]["application/json"]["schema"]
            assert schema.get("properties") or schema["anyOf"], path
            assert said["summary"].endswith("."), path


def test_operations_have_names_of_their_own(description: dict[str, Any]) -> None:
    names = [said["operationId"] for methods in description["paths"].values() for said in methods.values()]
    assert len(names) == len(set(names))


class Inner(BaseModel):
    number: int


class Outer(BaseModel):
    one: Inner
    many: list[Inner] | None = None


def test_schemas_look_nothing_up_elsewhere() -> None:
    schema = schema_of(Outer)
    assert "$" not in str(schema)
    assert schema["properties"]["one"]["properties"]["number"] == {"title": "Number", "type": "integer"}
    either = schema_of(CompletionRequest | Outer)
    assert len(either["anyOf"]) == 2
    Draft202012Validator(either).validate({"one": {"number": 3}})
    assert not Draft202012Validator(either).is_valid({"one": {"number": "3"}})
