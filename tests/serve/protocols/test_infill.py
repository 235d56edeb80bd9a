"""llama.cpp's infill: what llama.vim and llama.vscode send is answered with what they read."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from ownlm.serve.call import CodeContext, Snippet
from ownlm.serve.model import ServedModel
from ownlm.serve.protocols.infill_request import InfillRequest
from tests.serve.protocols import recorded
from tests.serve.protocols.asking import ask, asked_of, engine_of, events, prompt_text

INFILL = "/infill"
PREFIX = "import math\n\ndef area(radius):\n    return math.pi"
SUFFIX = "\n\ndef volume(radius):\n    return 4 / 3 * math.pi * radius**3\n"


@pytest.mark.parametrize("body", [recorded.llama_vim(), recorded.llama_vscode()], ids=["vim", "vscode"])
def test_what_the_plugins_send_is_understood(body: dict[str, Any]) -> None:
    asked = InfillRequest.model_validate_json(json.dumps(body))
    extra = Snippet("shapes.py", recorded.EXTRA["text"], "opened")
    assert asked.context() == CodeContext(PREFIX, SUFFIX, snippets=(extra,))
    assert asked.deadline_s() == 120
    assert not asked.warm_up


def test_a_real_model_answers_what_llama_vim_reads(client: httpx.Client) -> None:
    """The keys `s:fim_render` of autoload/llama.vim looks for; all of them, and no others."""
    answer = client.post(INFILL, json=recorded.llama_vim())
    assert answer.status_code == 200
    said = answer.json()
    assert set(said) == set(recorded.RESPONSE_FIELDS)
    assert isinstance(said["content"], str)
    assert said["timings/prompt_n"] > 0
    assert said["timings/predicted_n"] > 0
    assert said["timings/prompt_ms"] > 0
    assert said["tokens_cached"] == said["timings/prompt_n"] + said["timings/predicted_n"]
    assert said["truncated"] is False


def test_a_real_model_answers_what_llama_vscode_reads(client: httpx.Client) -> None:
    """The fields of `LlamaResponse` in src/llama-server.ts."""
    said = client.post(INFILL, json=recorded.llama_vscode()).json()
    assert isinstance(said["content"], str)
    assert said["stop"] is True
    assert said["model"] == "tiny"
    assert said["truncated"] is False
    assert isinstance(said["tokens_cached"], int)
    timings = said["timings"]
    assert timings["prompt_per_second"] == pytest.approx(1000 * timings["prompt_n"] / timings["prompt_ms"])
    assert said["tokens_predicted"] == timings["predicted_n"]
    assert said["tokens_evaluated"] == timings["prompt_n"]


def test_a_stream_joined_is_the_whole_answer(scripted: ServedModel) -> None:
    engine_of(scripted).say(" * radius**2")
    body = recorded.llama_vscode()
    whole = ask(scripted, "POST", INFILL, json=body).json()
    assert whole["content"] == " * radius**2"
    shown = [json.loads(event) for event in events(ask(scripted, "POST", INFILL, json={**body, "stream": True}))]
    assert "".join(event["content"] for event in shown) == whole["content"]
    assert [event["stop"] for event in shown] == [False] * (len(shown) - 1) + [True]
    assert len(shown) > 2
    for name in ("tokens_predicted", "tokens_evaluated", "stop_type", "truncated", "model"):
        assert shown[-1][name] == whole[name]


@pytest.mark.parametrize("body", [recorded.llama_vim_warm_up(), recorded.llama_vscode_warm_up()], ids=["vim", "vscode"])
def test_a_warm_up_is_answered_and_computes_nothing(scripted: ServedModel, body: dict[str, Any]) -> None:
    answer = ask(scripted, "POST", INFILL, json=body)
    assert answer.status_code == 200
    assert answer.json().get("content", "") == ""
    assert ("response_fields" in body) == (answer.json() == {})
    assert engine_of(scripted).requests == []


def test_what_is_asked_reaches_the_engine(scripted: ServedModel) -> None:
    ask(scripted, "POST", INFILL, json=recorded.llama_vim(n_predict=9, seed=5, temperature=0.3))
    request = asked_of(scripted)
    assert (request.max_tokens, request.seed, request.temperature) == (9, 5, 0.3)
    assert (request.top_k, request.top_p) == (40, 0.9)
    text = prompt_text(scripted)
    assert "def area(radius):" in text
    assert "def volume(radius):" in text
    ask(
        scripted,
        "POST",
        INFILL,
        json={"input_prefix": "a", "input_suffix": "", "seed": -1, "n_predict": -1, "top_k": -1},
    )
    request = asked_of(scripted)
    assert (request.max_tokens, request.seed, request.temperature, request.top_k) == (64, None, 0.1, 0)


def test_the_stop_strings_of_the_plugin_end_the_text(scripted: ServedModel) -> None:
    engine_of(scripted).say_bytes(b"abc STOP def")
    body = recorded.llama_vscode() | {"stop": [" STOP"]}
    said = ask(scripted, "POST", INFILL, json=body).json()
    assert (said["content"], said["stop_type"]) == ("abc", "eos")


@pytest.mark.parametrize(
    ("prompt_ms", "predict_ms", "seconds"),
    [(500, 1000, 1.5), (None, 1000, None), (500, None, None), (0, 1000, None), (500, -1, None), (1, 1, 0.002)],
)
def test_a_deadline_needs_both_of_its_parts(
    prompt_ms: int | None, predict_ms: int | None, seconds: float | None
) -> None:
    asked = InfillRequest(input_prefix="a", input_suffix="b", t_max_prompt_ms=prompt_ms, t_max_predict_ms=predict_ms)
    assert asked.deadline_s() == seconds


def test_props_tell_the_context(client: httpx.Client) -> None:
    """`extractRuntimeContextSize` of src/language-model-token-limits.ts; it asks for /props with or without a model."""
    for path in ("/props", "/props?model=tiny&autoload=false"):
        assert client.get(path).json()["default_generation_settings"]["n_ctx"] == 256
    assert client.get("/health").json()["status"] == "ok"


def test_the_model_may_be_named(scripted: ServedModel) -> None:
    assert ask(scripted, "POST", INFILL, json=recorded.llama_vim(model="tiny")).status_code == 200
    assert ask(scripted, "POST", INFILL, json=recorded.llama_vim(model="")).status_code == 200
    missing = ask(scripted, "POST", INFILL, json=recorded.llama_vim(model="other"))
    assert missing.status_code == 404
    assert missing.json()["error"]["type"] == "not_found_error"
