"""TGI's protocol: Hugging Face's two clients against a real server, and llm-ls by its recorded requests."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
from huggingface_hub import InferenceClient
from huggingface_hub.errors import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from ownlm.serve.call import CodeContext
from ownlm.serve.model import ServedModel
from ownlm.serve.protocols.tgi_request import GenerateParameters, GenerateRequest
from ownlm.serve.server import RunningServer
from tests.serve.protocols import recorded
from tests.serve.protocols.asking import ask, asked_of, engine_of, events, prompt_text

GENERATE, STREAM, EITHER = "/generate", "/generate_stream", "/tgi"
PROMPT = "def area(radius):\n"
PYTHON = Path(__file__).resolve().parents[3] / ".clients/python/bin/python"


@pytest.fixture
def official(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> InferenceClient:
    """Tests are offline for Hugging Face's hub, and its client then asks nobody; this server is on loopback."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    return InferenceClient(model=f"{server.url}{EITHER}", token="none", timeout=20)


def test_the_official_clients_whole_answer(official: InferenceClient) -> None:
    text = official.text_generation(PROMPT, max_new_tokens=9)
    details = official.text_generation(PROMPT, max_new_tokens=9, details=True)
    assert details.generated_text == text
    assert details.details.finish_reason in ("length", "eos_token")
    assert 0 < details.details.generated_tokens <= 9
    full = official.text_generation(PROMPT, max_new_tokens=9, return_full_text=True)
    assert full == PROMPT + text


@pytest.mark.parametrize("seed", [1, 2])
def test_the_official_clients_stream_is_the_whole_answer(official: InferenceClient, seed: int) -> None:
    asked: dict[str, Any] = {"max_new_tokens": 16, "seed": seed, "do_sample": True, "temperature": 0.9}
    whole = official.text_generation(PROMPT, **asked)
    shown = list(official.text_generation(PROMPT, **asked, details=True, stream=True))
    assert "".join(event.token.text for event in shown) == whole
    assert [event.generated_text for event in shown] == [None] * (len(shown) - 1) + [whole]
    assert shown[-1].details.input_length > 0
    assert "".join(official.text_generation(PROMPT, **asked, stream=True)) == whole


def test_the_official_client_tells_what_is_wrong(official: InferenceClient) -> None:
    with pytest.raises(ValidationError, match="max_new_tokens"):
        official.text_generation(PROMPT, max_new_tokens=0)


OLDER_CLIENT = """
import json, sys
from text_generation import Client
from text_generation.errors import ValidationError
client = Client(sys.argv[1], timeout=20)
whole = client.generate("def f():", max_new_tokens=7)
pieces = [event.token.text for event in client.generate_stream("def f():", max_new_tokens=7)]
try:
    client.generate("def f():", max_new_tokens=7, stop_sequences=["a"] * 99)
except ValidationError as error:
    wrong = str(error)
print(json.dumps([whole.generated_text, "".join(pieces), whole.details.generated_tokens, wrong]))
"""


@pytest.mark.skipif(not PYTHON.is_file(), reason="text-generation is not installed (scripts/test installs it)")
def test_the_client_text_generation(server: RunningServer) -> None:
    command = [str(PYTHON), "-c", OLDER_CLIENT, f"{server.url}{EITHER}"]
    said = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert said.returncode == 0, said.stderr
    whole, joined, tokens, wrong = json.loads(said.stdout)
    assert whole == joined
    assert 0 < tokens <= 7
    assert "stop" in wrong


@pytest.mark.parametrize("body", [recorded.llm_ls(), recorded.llm_ls_before_0_5()], ids=["0.5", "before"])
def test_what_llm_ls_sends_is_filled_in(scripted: ServedModel, body: dict[str, Any]) -> None:
    answer = ask(scripted, "POST", GENERATE, json=body)
    assert answer.json() == {"generated_text": "hello"}
    request = asked_of(scripted)
    assert (request.max_tokens, request.temperature, request.top_p) == (60, 0.2, 0.95)
    text = prompt_text(scripted)
    assert text.startswith("<|fim_prefix|><|fim_suffix|>")  # its own order was prefix first
    assert "import math" in text.partition("<|fim_middle|>")[2]


@pytest.mark.parametrize(
    ("inputs", "context"),
    [
        ("x = ", CodeContext("x = ")),
        ("<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>", CodeContext("a", "b")),
        ("<|fim_prefix|><|fim_suffix|><|fim_middle|>", CodeContext("", "")),
        ("<|fim_prefix|>a<|fim_suffix|>b", CodeContext("<|fim_prefix|>a<|fim_suffix|>b")),
        ("a<|fim_suffix|>b<|fim_middle|>", CodeContext("a<|fim_suffix|>b<|fim_middle|>")),
        ('s = "<|fim_prefix|>"', CodeContext('s = "<|fim_prefix|>"')),
    ],
)
def test_markers_are_read_only_in_their_places(inputs: str, context: CodeContext) -> None:
    assert GenerateRequest(inputs=inputs).context() == context


@given(st.text(), st.text())
def test_text_between_markers_comes_back_whole(prefix: str, suffix: str) -> None:
    inputs = f"<|fim_prefix|>{prefix}<|fim_suffix|>{suffix}<|fim_middle|>"
    assert GenerateRequest(inputs=inputs).context() == CodeContext(prefix, suffix)


@pytest.mark.parametrize(
    ("parameters", "temperature"),
    [
        ({}, 0.0),
        ({"do_sample": False}, 0.0),
        ({"temperature": 1.0}, 0.0),
        ({"do_sample": True}, 1.0),
        ({"temperature": 0.3}, 0.3),
        ({"do_sample": False, "temperature": 0.3}, 0.3),
        ({"top_k": 5}, 1.0),
        ({"top_p": 0.9, "temperature": 0.5}, 0.5),
        ({"top_p": 1.0, "temperature": 0.0}, 0.0),
    ],
)
def test_when_text_is_sampled(parameters: dict[str, Any], temperature: float) -> None:
    """As `NextTokenChooser` of TGI's server decides: by do_sample, or by any setting of sampling."""
    assert GenerateParameters(**parameters).sampling_temperature() == temperature


def test_a_streams_last_event_has_all_the_text(scripted: ServedModel) -> None:
    engine_of(scripted).say("a + b")
    for path, body in ((STREAM, {"inputs": "x"}), (EITHER, {"inputs": "x", "stream": True})):
        shown = [json.loads(event) for event in events(ask(scripted, "POST", path, json=body))]
        assert [event["index"] for event in shown] == list(range(1, len(shown) + 1))
        assert shown[-1]["generated_text"] == "a + b"
        assert shown[-1]["details"]["finish_reason"] == "eos_token"


def test_info_tells_the_limits(client: httpx.Client) -> None:
    info = client.get("/info").json()
    assert (info["model_id"], info["max_total_tokens"], info["max_input_tokens"]) == ("tiny", 256, 255)
