"""The engine in front of the real llama.cpp server, on the GGUF that our export writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from ownlm.errors import EngineError, ServerError
from ownlm.export.description import Description
from ownlm.export.gguf.server import running_llamacpp
from ownlm.export.gguf.write import write_gguf
from ownlm.export.huggingface import write_huggingface
from ownlm.serve.config import ServeConfig
from ownlm.serve.engines.base import GenerationStep
from ownlm.serve.engines.ctranslate2 import Ctranslate2Engine
from ownlm.serve.engines.llamacpp import LlamaCppEngine
from ownlm.serve.engines.open import open_engine
from ownlm.serve.model import load_model
from ownlm.serve.server import running_server
from ownlm.tokens.vocabulary.load import Vocabulary
from tests.evaluate.models import TINY, tiny
from tests.serve.engines.exported import exported, prompts, request, steps_of, tokens_at_once, tokens_of, vocabulary
from tests.tokens.corpora import small

pytest.importorskip("xllamacpp", reason="llama.cpp is not here: pip install xllamacpp")


def config(url: str) -> ServeConfig:
    return ServeConfig(engine="llamacpp", engine_url=url)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running_llamacpp(exported() / "gguf" / "model.gguf", exact=True, parallel=2) as address:
        yield address


@pytest.fixture(scope="module")
def engine(url: str) -> Iterator[LlamaCppEngine]:
    engine = open_engine(exported() / "gguf", config(url))
    assert isinstance(engine, LlamaCppEngine)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def embedded() -> Ctranslate2Engine:
    return Ctranslate2Engine(exported() / "ctranslate2", ServeConfig())


def test_greedy_tokens_are_the_embedded_engines(engine: LlamaCppEngine, embedded: Ctranslate2Engine) -> None:
    for prompt in prompts():
        assert tokens_of(engine, request(prompt)) == tokens_of(embedded, request(prompt))


def test_the_ends_are_told_alike(engine: LlamaCppEngine, embedded: Ctranslate2Engine) -> None:
    for prompt in prompts():
        ours, theirs = (steps_of(one, request(prompt)) for one in (engine, embedded))
        assert [step.finish for step in ours] == [step.finish for step in theirs]


def test_scores_are_the_embedded_engines(engine: LlamaCppEngine, embedded: Ctranslate2Engine) -> None:
    asked = request(prompts()[0], top_logprobs=3)
    compared = 0
    for ours, theirs in zip(steps_of(engine, asked), steps_of(embedded, asked), strict=True):
        assert theirs.score is not None
        if ours.score is not None:
            compared += 1
            assert ours.score.logprob == pytest.approx(theirs.score.logprob, abs=1e-3)
            assert [token for token, _ in ours.score.top] == [token for token, _ in theirs.score.top]
    assert compared > 5


def test_tokens_inside_a_character_are_not_lost(tmp_path: Path) -> None:
    """Random weights write bytes of characters all the time; llama.cpp leaves these out of its stream."""
    folder = write_huggingface(tiny(), small()[0].parent / "vocabulary", tmp_path)
    gguf = write_gguf(folder, tmp_path, "f32", Description(TINY, small()[1], True))
    with running_llamacpp(gguf / "model.gguf", parallel=2) as address:
        engine = LlamaCppEngine(gguf, config(address))
        broken = 0
        for seed in range(6):
            asked = request([0], temperature=1.0, seed=seed, max_tokens=30, stop_ids=frozenset({8}))
            streamed = tokens_of(engine, asked)[0]
            body = {"prompt": [0], "n_predict": 30, "temperature": 1.0, "seed": seed, "return_tokens": True}
            body |= {"samplers": ["temperature", "top_k", "top_p"], "top_k": 0, "top_p": 1.0}
            assert (
                streamed[: len(streamed) - 1] == engine._remote.ask("/completion", body)["tokens"][: len(streamed) - 1]
            )
            broken += "\ufffd" in small()[1].decode(streamed)
        assert broken > 0
        engine.close()


def test_a_seed_means_something(engine: LlamaCppEngine) -> None:
    asked = request(prompts()[0], temperature=1.0, seed=7, choices=2)
    first = tokens_of(engine, asked)
    assert first == tokens_of(engine, asked)
    assert first[0] != first[1]
    assert first != tokens_of(engine, request(prompts()[0], temperature=1.0, seed=8, choices=2))


def test_a_choice_ends_when_its_reader_says_so(engine: LlamaCppEngine) -> None:
    seen: list[GenerationStep] = []
    engine.generate(request(prompts()[0]), lambda step: seen.append(step) or len(seen) == 2)
    assert len(seen) == 2


def test_cancelled_before_anything_came_nothing_is_given(engine: LlamaCppEngine) -> None:
    seen: list[GenerationStep] = []
    engine.generate(request(prompts()[0]), lambda step: bool(seen.append(step)), lambda: True)
    assert seen == []


def test_many_threads_at_once(engine: LlamaCppEngine, embedded: Ctranslate2Engine) -> None:
    asked = [request(prompt) for prompt in prompts()[:6]]
    assert tokens_at_once(engine, asked) == [tokens_of(embedded, one) for one in asked]


def test_it_serves_an_export(url: str) -> None:
    served = load_model(exported(), config(url))
    assert served.context == 64
    assert tokens_of(served.engine, request(prompts()[0]))
    served.engine.close()


def test_the_gateway_completes_through_it(url: str) -> None:
    """Text in, text out: what it says with the engine embedded."""
    body = {"prompt": "def value(item):\n    ", "suffix": "\n    return total", "max_tokens": 12, "temperature": 0}
    said = []
    for settings in ({"engine": "llamacpp", "engine_url": url}, {}):
        chosen = ServeConfig.model_validate({"port": 0, "feedback": None, **settings})
        with running_server(exported(), chosen) as server:
            answer = httpx.post(f"{server.url}/v1/completions", json={"model": server.model_name, **body}, timeout=20)
            said.append(answer.json()["choices"])
    assert said[0] == said[1]
    assert said[0][0]["text"]


def test_log_probabilities_of_a_prompt_are_refused(engine: LlamaCppEngine) -> None:
    assert engine.score([1], 0) == []
    with pytest.raises(EngineError, match="no log-probabilities of a prompt"):
        engine.score([1, 2], 0)


def test_another_vocabulary_is_found_out(url: str, export_dir: Path) -> None:
    assert Vocabulary.load(export_dir / "ctranslate2").content != vocabulary().content
    with pytest.raises(ServerError, match="another vocabulary"):
        LlamaCppEngine(export_dir / "ctranslate2", config(url))


def test_a_server_that_is_gone() -> None:
    with running_llamacpp(exported() / "gguf" / "model.gguf") as address:
        engine = LlamaCppEngine(exported() / "gguf", config(address))
    with pytest.raises(EngineError, match="is gone"):
        tokens_of(engine, request(prompts()[0]))
    engine.close()
    with pytest.raises(ServerError, match="is gone"):
        LlamaCppEngine(exported() / "gguf", config(address))
