"""A policy that could not be carried out is refused with the recipe."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ownlm.train.config import TrainConfig

counts = st.integers(1, 30)


def configured(back: int, every: int, keep_last: int) -> TrainConfig:
    return TrainConfig.model_validate(
        {
            "spikes": {"policy": "rewind", "rewind_steps": back},
            "checkpoints": {"every": every, "keep_last": keep_last},
        }
    )


@given(st.integers(0, 60), counts, st.integers(1, 4), st.integers(1, 200))
def test_a_recipe_that_is_taken_always_finds_a_checkpoint(back: int, every: int, keep_last: int, spike: int) -> None:
    """The spike is in a step after `spike - 1` others; kept are the newest, that of the start among them."""
    try:
        configured(back, every, keep_last)
    except ValidationError:
        return
    kept = list(range(0, spike, every))[-keep_last:]
    assert min(kept) <= max(0, spike - 1 - back)


def test_one_that_may_not_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"raise train\.checkpoints\.keep_last"):
        configured(201, 200, 2)
    configured(200, 200, 2)
