"""The engine in front of the real tritonserver, on the repository that our export writes."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ownlm.errors import EngineError, ServerError
from ownlm.export.config import TritonExport
from ownlm.export.description import Description
from ownlm.export.huggingface import quiet_transformers
from ownlm.export.triton.write import write_triton
from ownlm.serve.config import ServeConfig
from ownlm.serve.engines.base import GenerationStep
from ownlm.serve.engines.ctranslate2 import Ctranslate2Engine
from ownlm.serve.engines.open import open_engine
from ownlm.serve.engines.triton import TritonEngine
from ownlm.serve.model import load_model
from tests.evaluate.models import TINY
from tests.serve.engines.exported import exported, prompts, request, steps_of, tokens_at_once, tokens_of, vocabulary
from tests.serve.engines.triton_server import require_triton, running_triton

pytestmark = pytest.mark.slow  # the real server starts twice


def config(url: str, **more: object) -> ServeConfig:
    return ServeConfig(engine="triton", engine_url=url, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def repository() -> Path:
    require_triton()
    out, settings = exported(), TritonExport(instances=2, threads=1)
    with quiet_transformers():
        return write_triton(out / "huggingface", out, settings, Description(TINY, vocabulary(), True))


@pytest.fixture(scope="module")
def server(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    with running_triton(repository / "python", tmp_path_factory.mktemp("triton") / "log") as addresses:
        yield addresses


@pytest.fixture(scope="module")
def engine(server: tuple[str, str], repository: Path) -> Iterator[TritonEngine]:
    engine = open_engine(repository, config(server[0]))
    assert isinstance(engine, TritonEngine)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def embedded() -> Ctranslate2Engine:
    return Ctranslate2Engine(exported() / "ctranslate2", ServeConfig())


def test_greedy_steps_are_the_embedded_engines(engine: TritonEngine, embedded: Ctranslate2Engine) -> None:
    for prompt in prompts():
        asked = request(prompt, top_logprobs=3)
        ours, theirs = steps_of(engine, asked), steps_of(embedded, asked)
        assert [(step.token, step.finish) for step in ours] == [(step.token, step.finish) for step in theirs]
        for one, other in zip(ours, theirs, strict=True):
            assert one.score is not None
            assert other.score is not None
            assert one.score.logprob == pytest.approx(other.score.logprob, abs=1e-5)
            assert [token for token, _ in one.score.top] == [token for token, _ in other.score.top]


def test_seeded_choices_are_the_embedded_engines(engine: TritonEngine, embedded: Ctranslate2Engine) -> None:
    for seed in (3, 2**63 + 5):
        asked = request(prompts()[1], temperature=0.9, top_p=0.9, top_k=50, seed=seed, choices=3)
        found = tokens_of(engine, asked)
        assert found == tokens_of(embedded, asked)
        assert found[0] != found[1]


def test_choices_without_a_seed_are_all_answered(engine: TritonEngine) -> None:
    for scores in (None, 1):
        asked = request(prompts()[1], temperature=1.0, choices=3, max_tokens=4, top_logprobs=scores)
        steps = steps_of(engine, asked)
        assert {step.choice for step in steps if step.finish} == {0, 1, 2}


def test_greedy_choices_are_all_the_same(engine: TritonEngine) -> None:
    first, second = tokens_of(engine, request(prompts()[1], choices=2))
    assert first == second


def test_prompts_are_scored(engine: TritonEngine, embedded: Ctranslate2Engine) -> None:
    for ours, theirs in zip(engine.score(prompts()[0], 2), embedded.score(prompts()[0], 2), strict=True):
        assert ours.logprob == pytest.approx(theirs.logprob, abs=1e-5)
        assert [token for token, _ in ours.top] == [token for token, _ in theirs.top]
    assert engine.score([5], 2) == []


def test_cancelling_reaches_the_model(engine: TritonEngine, repository: Path, tmp_path: Path) -> None:
    """With one worker, the next request is answered only because the long one before it was given up."""
    endless = request([0, 200], max_tokens=1_000_000, stop_ids=frozenset({1}))
    pbtxt = (repository / "python" / "ownlm" / "config.pbtxt").read_text()
    single = tmp_path / "repository" / "ownlm"
    single.mkdir(parents=True)
    (single / "1").symlink_to(repository / "python" / "ownlm" / "1")
    (single / "config.pbtxt").write_text(pbtxt.replace('string_value: "2"', 'string_value: "1"'))
    with running_triton(tmp_path / "repository", tmp_path / "log") as (address, _):
        alone = TritonEngine(repository, config(address, engine_timeout_s=120.0))
        seen: list[GenerationStep] = []
        alone.generate(endless, lambda step: bool(seen.append(step)), lambda: len(seen) >= 3)
        assert 3 <= len(seen) < 1000
        assert tokens_of(alone, request(prompts()[0])) == tokens_of(engine, request(prompts()[0]))
        alone.close()


def test_many_threads_at_once(engine: TritonEngine, embedded: Ctranslate2Engine) -> None:
    asked = [request(prompt) for prompt in prompts()[:6]]
    assert tokens_at_once(engine, asked) == [tokens_of(embedded, one) for one in asked]


def test_the_model_refuses_what_cannot_be_and_goes_on(engine: TritonEngine) -> None:
    with pytest.raises(EngineError, match="refuses the request") as raised:
        steps_of(engine, request([100_000]))
    assert "100000" not in str(raised.value)
    assert tokens_of(engine, replace(request(prompts()[0]), max_tokens=1))


def test_it_streams_over_http_too(server: tuple[str, str], embedded: Ctranslate2Engine) -> None:
    """Triton's own generate_stream, as docs/triton.md shows it with curl."""
    body = json.dumps({"input_ids": prompts()[1], "max_tokens": 5, "stop_ids": [0]}).encode()
    with urllib.request.urlopen(f"{server[1]}/v2/models/ownlm/generate_stream", data=body, timeout=20) as answer:
        events = [json.loads(line[5:]) for line in answer.read().decode().splitlines() if line.startswith("data:")]
    assert [event["token"] for event in events] == tokens_of(embedded, request(prompts()[1], max_tokens=5))[0]


def test_it_serves_an_export(server: tuple[str, str], repository: Path) -> None:
    served = load_model(repository.parent, config(server[0]))
    assert served.context == TINY.context
    assert tokens_of(served.engine, request(prompts()[0]))
    served.engine.close()


def test_a_model_that_is_not_there(server: tuple[str, str], repository: Path) -> None:
    with pytest.raises(ServerError, match=r"no model 'other'|NOT_FOUND"):
        TritonEngine(repository, config(server[0], engine_model="other"))


def test_a_server_that_is_not_there(repository: Path) -> None:
    with pytest.raises(ServerError, match="UNAVAILABLE"):
        TritonEngine(repository, config("grpc://127.0.0.1:9", engine_timeout_s=3.0))


@pytest.mark.parametrize("url", ["", "http://127.0.0.1:8001", "grpc://127.0.0.1", "grpc://user:word@host:1"])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(ServerError, match="address is missing or none"):
        TritonEngine(exported() / "ctranslate2", config(url))
