from __future__ import annotations

import pytest

from ownlm.serve.engines.base import GenerationRequest, GenerationStep
from ownlm.serve.engines.one_by_one import OneByOne
from ownlm.serve.model import ServedModel


def requests_of(model: ServedModel) -> list[GenerationRequest]:
    return [
        GenerationRequest(
            tuple(model.vocabulary.encode(f"def f{number}(x):\n")),
            6,
            temperature=[0.0, 0.8][number % 2],
            seed=number,
            stop_ids=model.stop_ids,
        )
        for number in range(6)
    ]


def collected(engine: OneByOne, requests: list[GenerationRequest]) -> dict[int, list[int]]:
    tokens: dict[int, list[int]] = {index: [] for index in range(len(requests))}

    def on_step(step: GenerationStep) -> bool:
        tokens[step.choice].append(step.token)
        return False

    engine.generate_batch(requests, on_step)
    return tokens


def test_threads_change_nothing(model: ServedModel) -> None:
    requests = requests_of(model)
    expected: dict[int, list[int]] = {}
    for index, request in enumerate(requests):
        expected[index] = []
        model.engine.generate(request, lambda step, index=index: expected[index].append(step.token) or False)
    for threads in (1, 3):
        assert collected(OneByOne(model.engine, threads), requests) == expected


def test_an_error_of_the_listener_is_raised(model: ServedModel) -> None:
    def on_step(step: GenerationStep) -> bool:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        OneByOne(model.engine, 2).generate_batch(requests_of(model), on_step)


def test_scores_of_the_end_of_each_sequence(model: ServedModel) -> None:
    sequences = [(model.vocabulary.encode(text), 2) for text in ("class Stack:\n    def", "for index in values")]
    done: list[int] = []
    scores = OneByOne(model.engine, 2).score_batch(sequences, done.append)
    assert sorted(done) == [0, 1]
    for (tokens, first), score in zip(sequences, scores, strict=True):
        assert score == sum(one.logprob for one in model.engine.score(tokens, 0)[first - 1 :])
