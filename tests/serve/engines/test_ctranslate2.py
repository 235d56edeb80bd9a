from __future__ import annotations

import math
import shutil
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ownlm.errors import ArtifactError, EngineError, ServerError
from ownlm.serve.config import ServeConfig
from ownlm.serve.engines.base import GenerationRequest, GenerationStep
from ownlm.serve.engines.ctranslate2 import Ctranslate2Engine
from ownlm.serve.model import ServedModel

PROMPT = (0, 140, 200, 300, 301, 400)
STOPS = frozenset(range(128))


@pytest.fixture(scope="module")
def engine(export_dir: Path) -> Ctranslate2Engine:
    return Ctranslate2Engine(export_dir / "ctranslate2", ServeConfig(parallel=2))


def run(engine: Ctranslate2Engine, request: GenerationRequest) -> list[list[GenerationStep]]:
    choices: list[list[GenerationStep]] = [[] for _ in range(request.choices)]

    def on_step(step: GenerationStep) -> bool:
        choices[step.choice].append(step)
        return False

    engine.generate(request, on_step)
    return choices


def tokens(choices: list[list[GenerationStep]]) -> list[list[int]]:
    return [[step.token for step in choice] for choice in choices]


def slow_logits(engine: Ctranslate2Engine, ids: list[int]) -> np.ndarray:
    """The whole text through the model, for its last position."""
    return np.array(engine._generator.forward_batch([engine._strings(ids)]))[0, -1]


def test_greedy_equals_one_full_pass_per_token(engine: Ctranslate2Engine) -> None:
    ids = list(PROMPT)
    for step in run(engine, GenerationRequest(PROMPT, 12, temperature=0))[0]:
        assert step.token == int(slow_logits(engine, ids).argmax())
        ids.append(step.token)


ENDS_AT_ONCE = """
import sys
from pathlib import Path
from ownlm.serve.config import ServeConfig
from ownlm.serve.engines import ctranslate2
from ownlm.serve.engines.base import GenerationRequest
engine = ctranslate2.Ctranslate2Engine(Path(sys.argv[1]), ServeConfig(parallel=1))
engine.generate(GenerationRequest((0, 140, 200), 2, temperature=0), lambda step: False)
print("done", flush=True)
"""


def test_a_process_that_ends_right_after_an_answer_ends_well(export_dir: Path) -> None:
    """It was aborted: a thread of the engine took the interpreter's lock while that was torn down.

    Who comes first is chance, the more so the more there is to do: several at a time, half of which ended so.
    """
    command = [sys.executable, "-c", ENDS_AT_ONCE, str(export_dir / "ctranslate2")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    ended = [(*process.communicate(timeout=60), process.returncode) for process in running]
    assert ended == [("done\n", "", 0)] * 4


def test_a_closed_engine_says_so(export_dir: Path) -> None:
    engine = Ctranslate2Engine(export_dir / "ctranslate2", ServeConfig())
    engine.close()
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.generate(GenerationRequest(PROMPT, 2), lambda step: False)


def test_ids_are_those_of_the_vocabulary(model: ServedModel, engine: Ctranslate2Engine) -> None:
    """CTranslate2 takes strings; a token whose string differs from the tokenizer's would be another token."""
    strings = [model.vocabulary._tokenizer.id_to_token(number) for number in range(model.vocabulary.size)]
    assert engine._tokens == strings


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("seed", [None, 5])
def test_ends_at_max_tokens(engine: Ctranslate2Engine, temperature: float, seed: int | None) -> None:
    (choice,) = run(engine, GenerationRequest(PROMPT, 7, temperature=temperature, seed=seed))
    assert len(choice) == 7
    assert [step.finish for step in choice] == [None] * 6 + ["length"]


@pytest.mark.parametrize(("temperature", "seed"), [(0.0, None), (1.0, None), (1.0, 5)])
def test_ends_at_a_stop_token(engine: Ctranslate2Engine, temperature: float, seed: int | None) -> None:
    everything = frozenset(range(512))
    (choice,) = run(engine, GenerationRequest(PROMPT, 7, temperature=temperature, seed=seed, stop_ids=everything))
    assert [step.finish for step in choice] == ["stop"]


@pytest.mark.parametrize(("temperature", "seed"), [(0.0, None), (1.0, None), (1.0, 5)])
def test_the_caller_ends_a_choice_and_only_that(
    engine: Ctranslate2Engine, temperature: float, seed: int | None
) -> None:
    seen: Counter[int] = Counter()

    def on_step(step: GenerationStep) -> bool:
        seen[step.choice] += 1
        return step.choice == 0 and seen[0] == 2

    engine.generate(GenerationRequest(PROMPT, 6, temperature=temperature, seed=seed, choices=3), on_step)
    assert seen == {0: 2, 1: 6, 2: 6}


@pytest.mark.parametrize(("temperature", "seed"), [(0.0, None), (1.0, None), (1.0, 5)])
@pytest.mark.parametrize("at", [0, 1, 4])
def test_cancelled_within_one_token(engine: Ctranslate2Engine, temperature: float, seed: int | None, at: int) -> None:
    """Counted: no token is given out after the caller has said so."""
    steps: list[GenerationStep] = []
    request = GenerationRequest(PROMPT, 100, temperature=temperature, seed=seed)
    engine.generate(request, lambda step: bool(steps.append(step)), lambda: len(steps) >= at)
    assert len(steps) == at


@pytest.mark.parametrize(("temperature", "seed"), [(0.0, None), (1.0, None), (1.0, 5)])
def test_an_error_of_the_caller_comes_back(engine: Ctranslate2Engine, temperature: float, seed: int | None) -> None:
    def on_step(step: GenerationStep) -> bool:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        engine.generate(GenerationRequest(PROMPT, 6, temperature=temperature, seed=seed), on_step)
    assert run(engine, GenerationRequest(PROMPT, 2, temperature=0))  # and the engine still works


def test_a_seed_gives_the_same_samples_alone_and_among_others(engine: Ctranslate2Engine) -> None:
    requests = [GenerationRequest(PROMPT, 16, temperature=1.0, seed=seed, choices=2) for seed in range(6)]
    alone = [tokens(run(engine, request)) for request in requests]
    assert len({str(choices) for choices in alone}) == len(requests)
    noise = GenerationRequest(PROMPT, 16, temperature=1.0, choices=3)
    mixed = [request for request in requests for request in (request, noise)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda request: tokens(run(engine, request)), mixed))[::2]
    assert together == alone


def test_a_choice_does_not_depend_on_how_many_there_are(engine: Ctranslate2Engine) -> None:
    request = GenerationRequest(PROMPT, 10, temperature=0.9, seed=3)
    two, four = (tokens(run(engine, replace(request, choices=count))) for count in (2, 4))
    assert four[:2] == two
    assert len({str(choice) for choice in four}) == 4


def test_seeded_samples_are_drawn_from_the_models_distribution(engine: Ctranslate2Engine) -> None:
    """Given the seeded choices so far, each token is what the sampler says on the logits of a full pass."""
    from ownlm.serve.engines.sampling import SeededSampler

    request = GenerationRequest(PROMPT, 12, temperature=0.8, top_p=0.9, top_k=50, seed=11)
    (choice,) = tokens(run(engine, request))
    sampler = SeededSampler(11, 0, temperature=0.8, top_k=50, top_p=0.9)
    ids = list(PROMPT)
    for token in choice:
        assert token == sampler.choose(slow_logits(engine, ids))
        ids.append(token)


@pytest.mark.parametrize("seed", [None, 1])
def test_first_tokens_follow_the_probabilities(engine: Ctranslate2Engine, seed: int | None) -> None:
    logits_V = slow_logits(engine, list(PROMPT)).astype(np.float64)
    probabilities_V = np.exp(logits_V - logits_V.max())
    probabilities_V /= probabilities_V.sum()
    count = 1500
    drawn = [
        choice[0]
        for part in range(count // 100)
        for choice in tokens(
            run(engine, GenerationRequest(PROMPT, 1, seed=None if seed is None else part, choices=100))
        )
    ]
    frequencies = np.bincount(drawn, minlength=len(probabilities_V)) / count
    assert 0.5 * np.abs(frequencies - probabilities_V).sum() < 0.35  # total variation; another token's row is ~0.8
    likeliest = int(probabilities_V.argmax())
    spread = math.sqrt(probabilities_V[likeliest] / count)
    assert abs(frequencies[likeliest] - probabilities_V[likeliest]) < 5 * spread


def test_top_k_one_is_greedy(engine: Ctranslate2Engine) -> None:
    greedy = tokens(run(engine, GenerationRequest(PROMPT, 8, temperature=0)))
    assert tokens(run(engine, GenerationRequest(PROMPT, 8, temperature=1.5, top_k=1))) == greedy
    assert tokens(run(engine, GenerationRequest(PROMPT, 8, temperature=1.5, top_k=1, seed=4))) == greedy


@pytest.mark.parametrize(("temperature", "seed"), [(0.0, None), (0.7, None), (0.7, 5)])
def test_log_probabilities_are_the_models(engine: Ctranslate2Engine, temperature: float, seed: int | None) -> None:
    request = GenerationRequest(PROMPT, 5, temperature=temperature, seed=seed, choices=2, top_logprobs=3)
    for choice in run(engine, request):
        ids = list(PROMPT)
        for step in choice:
            logits_V = slow_logits(engine, ids).astype(np.float64)
            logprobs_V = logits_V - logits_V.max() - np.log(np.exp(logits_V - logits_V.max()).sum())
            assert step.score is not None
            assert step.score.logprob == pytest.approx(logprobs_V[step.token], abs=1e-4)
            best = np.argsort(-logprobs_V)[:3]
            assert [value for _, value in step.score.top] == pytest.approx(logprobs_V[best].tolist(), abs=1e-4)
            ids.append(step.token)


def test_scores_of_a_text(engine: Ctranslate2Engine) -> None:
    scores = engine.score(PROMPT, 2)
    assert len(scores) == len(PROMPT) - 1
    for position, score in enumerate(scores, start=1):
        logits_V = slow_logits(engine, list(PROMPT[:position])).astype(np.float64)
        expected = logits_V[PROMPT[position]] - logits_V.max() - np.log(np.exp(logits_V - logits_V.max()).sum())
        assert score.logprob == pytest.approx(expected, abs=1e-4)
        assert score.top[0][0] == int(logits_V.argmax())
    assert engine.score(PROMPT[:1], 2) == []


def copy_of(export_dir: Path, target: Path) -> Path:
    shutil.copytree(export_dir / "ctranslate2", target)
    return target


@pytest.mark.parametrize("missing", ["model.bin", "vocabulary.json", "config.json"])
def test_a_missing_file_is_an_error_that_names_it(export_dir: Path, tmp_path: Path, missing: str) -> None:
    folder = copy_of(export_dir, tmp_path / "model")
    (folder / missing).unlink()
    with pytest.raises(ArtifactError) as caught:
        Ctranslate2Engine(folder, ServeConfig())
    assert caught.value.advice
    assert "model" in str(caught.value.where)


@pytest.mark.parametrize("size", [0, 10, 5000])
def test_a_torn_model_is_an_error(export_dir: Path, tmp_path: Path, size: int) -> None:
    folder = copy_of(export_dir, tmp_path / "model")
    (folder / "model.bin").write_bytes((folder / "model.bin").read_bytes()[:size])
    with pytest.raises(ArtifactError, match="cannot be loaded"):
        Ctranslate2Engine(folder, ServeConfig())


@pytest.mark.parametrize("text", ["", "{}", '["a", 1]', "\x00"])
def test_a_damaged_vocabulary_is_an_error(export_dir: Path, tmp_path: Path, text: str) -> None:
    folder = copy_of(export_dir, tmp_path / "model")
    (folder / "vocabulary.json").write_text(text)
    with pytest.raises(ArtifactError, match="vocabulary"):
        Ctranslate2Engine(folder, ServeConfig())


def test_an_unknown_number_type_is_an_error(export_dir: Path) -> None:
    with pytest.raises(ServerError, match="refuses"):
        Ctranslate2Engine(export_dir / "ctranslate2", ServeConfig(compute_type="int3"))
