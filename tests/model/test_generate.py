from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ownlm.model.config import Architecture
from ownlm.model.decoder import Decoder
from ownlm.model.generate import greedy
from tests.model.strategies import FAMILIES, architectures, lively

SMALL = Architecture(vocab_size=140, d_model=16, layers=2, heads=2, kv_heads=1, d_ff=24, context=32)


def slow_greedy(decoder: Decoder, prompt: Sequence[int], max_new: int, stop_ids: Sequence[int] = ()) -> list[int]:
    """The definition: the whole sequence again for every token, one prompt at a time."""
    ids = list(prompt)
    for _ in range(max_new):
        with torch.no_grad():
            token = int(decoder(torch.tensor([ids]))[0, -1].argmax())
        if token in stop_ids:
            break
        ids.append(token)
    return ids[len(prompt) :]


prompts_of = st.lists(st.lists(st.integers(0, 129), min_size=1, max_size=12), min_size=1, max_size=6)


@settings(max_examples=40, deadline=None)
@given(architectures(FAMILIES), prompts_of, st.integers(0, 8), st.sampled_from([1, 2, 64]), st.integers(0, 99))
def test_equal_to_the_slow_reference(
    architecture: Architecture, prompts: list[list[int]], max_new: int, batch: int, seed: int
) -> None:
    decoder = lively(architecture, seed).double()
    expected = [slow_greedy(decoder, prompt, max_new) for prompt in prompts]
    assert greedy(decoder, prompts, max_new, batch=batch) == expected


@settings(max_examples=25, deadline=None)
@given(prompts_of, st.sets(st.integers(0, 139), min_size=20, max_size=100), st.integers(0, 99))
def test_stop_ids_end_a_sequence_and_are_not_part_of_it(
    prompts: list[list[int]], stop_ids: set[int], seed: int
) -> None:
    decoder = lively(SMALL, seed).double()
    expected = [slow_greedy(decoder, prompt, 6, sorted(stop_ids)) for prompt in prompts]
    assert greedy(decoder, prompts, 6, stop_ids=stop_ids) == expected


def test_a_stop_function_ends_a_sequence_with_its_last_token() -> None:
    decoder = lively(SMALL, 1)
    free = greedy(decoder, [[1, 2], [3]], 8)
    stopped = greedy(decoder, [[1, 2], [3]], 8, stop=lambda new: len(new) == 3 and new[0] == free[0][0])
    assert stopped[0] == free[0][:3]
    assert stopped[1] == (free[1] if free[1][0] != free[0][0] else free[1][:3])


def test_finished_prompts_are_counted() -> None:
    seen: list[int] = []
    greedy(lively(SMALL, 1), [[1], [2], [3]], 2, batch=2, advance=seen.append)
    assert seen == [2, 1]


def test_training_mode_is_given_back() -> None:
    decoder = Decoder(SMALL).train()
    greedy(decoder, [[1]], 1)
    assert decoder.training


def test_an_empty_prompt_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one token"):
        greedy(Decoder(SMALL), [[1], []], 2)
