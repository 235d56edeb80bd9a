from __future__ import annotations

import os
import subprocess
import sys

import pytest
from pydantic import ValidationError

from ownlm.train.config import AdamWConfig, OptimizerConfig, ScheduleConfig, TrainConfig, TrainStage


@pytest.mark.parametrize("block", [OptimizerConfig, ScheduleConfig])
@pytest.mark.parametrize("count", [0, 2])
def test_exactly_one_part_is_chosen(block: type[OptimizerConfig | ScheduleConfig], count: int) -> None:
    names = list(block.model_fields)[:count]
    with pytest.raises(ValidationError, match="choose exactly one of"):
        block.model_validate({name: {} for name in names})


def test_a_bare_name_stands_for_its_defaults() -> None:
    assert OptimizerConfig.model_validate("adamw") == OptimizerConfig(adamw=AdamWConfig())
    assert TrainConfig.model_validate({"schedule": "cosine"}).schedule.cosine is not None


@pytest.mark.parametrize(
    "bad", [{"steps": 0}, {"batch": 0}, {"clip": 0}, {"precision": "fp4"}, {"steps": "many"}, {"step": 3}]
)
def test_nonsense_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TrainConfig.model_validate(bad)


@pytest.mark.parametrize("warmup", [[[5, 2], [5, 4]], [[5, 2], [3, 4]], [[5, 6]], [[5, 40]], [[0, 2]], [[3, 0]]])
def test_a_warm_up_of_batches_that_does_not_fit_is_refused(warmup: list[list[int]]) -> None:
    with pytest.raises(ValidationError, match="batch_warmup"):
        TrainConfig.model_validate({"batch": 4, "accumulate": 8, "batch_warmup": warmup})


def test_batches_grow() -> None:
    config = TrainConfig.model_validate(
        {"steps": 10, "batch": 4, "accumulate": 3, "batch_warmup": [[2, 2], [5, 4], [6, 8]]}
    )
    assert [config.batch_sizes().at(step) for step in range(10)] == [2, 2, 4, 4, 4, 8, 12, 12, 12, 12]
    assert config.all_windows() == sum(config.batch_sizes().at(step) for step in range(10))
    assert TrainConfig(steps=7, batch=3, accumulate=2).all_windows() == 42


def test_every_field_is_described() -> None:
    for block in (TrainConfig, TrainStage, OptimizerConfig, ScheduleConfig, AdamWConfig):
        assert all(field.description for field in block.model_fields.values())


def test_settings_survive_json() -> None:
    stage = TrainStage()
    assert TrainStage.model_validate_json(stage.canonical()) == stage


@pytest.mark.parametrize(("given", "expected"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_waiting_threads_sleep_unless_told_otherwise(given: str | None, expected: str) -> None:
    """Set before torch is loaded: a recipe's settings are imported first."""
    surroundings = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    if given is not None:
        surroundings["OMP_WAIT_POLICY"] = given
    code = "import os, sys, ownlm.train.config; print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], env=surroundings, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [expected, "False"]
