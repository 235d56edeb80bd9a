from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ownlm.serve.engines.torch.drafting import LONGEST, MOST_REACH, SHORTEST, Asked, DraftModel, Reach, lookup
from ownlm.serve.engines.torch.network import Network
from tests.serve.engines.torch.reference import decoder_of


def obvious(tokens: list[int], most: int) -> list[int]:
    for size in range(LONGEST, SHORTEST - 1, -1):
        for start in range(len(tokens) - size - 1, -1, -1):
            if tokens[start : start + size] == tokens[len(tokens) - size :]:
                return tokens[start + size : start + size + most]
    return []


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.integers(1, 9))
def test_lookup(tokens: list[int], most: int) -> None:
    assert lookup(tokens, most) == obvious(tokens, most)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9))))
def test_reach_stays_in_bounds_and_no_guess_teaches_nothing(passes: list[tuple[int, int]]) -> None:
    reach = Reach()
    for guessed, right in passes:
        before = reach.most
        reach.learn(guessed, min(guessed, right))
        assert 1 <= reach.most <= MOST_REACH
        assert guessed or reach.most == before


@pytest.mark.parametrize("memory", [0, 1 << 20])
def test_a_draft_models_guesses_are_its_likeliest_tokens_wherever_texts_go(memory: int) -> None:
    """Texts grow by guesses that were right, by others, and out of their rooms; each time it is as if read anew."""
    decoder = decoder_of()
    model = DraftModel(Network(decoder, "float64"), memory)

    def expected(text: list[int], most: int) -> list[int]:
        made = list(text)
        with torch.inference_mode():
            for _ in range(most):
                made.append(int(decoder(torch.tensor([made]))[0, -1].argmax()))
        return made[len(text) :]

    texts = {1: [20, 30, 40], 2: [20, 30, 41, 17]}
    with torch.inference_mode():
        for grown in range(5):
            proposed = model.propose([Asked(key, text, 1 + key) for key, text in texts.items()])
            for guesses, (key, text) in zip(proposed, texts.items(), strict=True):
                assert guesses == expected(text, 1 + key)
                text += [*guesses[: grown % 3], 50 + grown]
        texts[1] += list(range(100, 260))
        assert model.propose([Asked(1, texts[1], 2)]) == [expected(texts[1], 2)]
        model.forget(1)
        model.forget(1)
        assert model.propose([Asked(3, texts[1], 2)]) == [expected(texts[1], 2)]
