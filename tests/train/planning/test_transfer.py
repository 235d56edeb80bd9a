"""The learning rate a narrow model wants is what wider ones want under muP: real training on a tiny corpus."""

from __future__ import annotations

from pathlib import Path

import pytest

from ownlm.errors import TrainingError
from ownlm.model.config import ModelConfig
from ownlm.train.config import TrainStage
from ownlm.train.planning.proxy import carried_over
from ownlm.train.planning.rates import Choice, Trial, choose
from ownlm.train.run import train
from tests.train.inputs import make_inputs, stage_context

BASE = 32
GRID = [4e-3, 8e-3, 1.6e-2, 3.2e-2, 6.4e-2]
STEP = GRID[1] / GRID[0]


def model(width: int) -> ModelConfig:
    heads = width // 16
    return ModelConfig(size="1m", d_model=width, layers=2, heads=heads, kv_heads=heads, d_ff=2 * width)


def best(inputs: Path, work: Path, shape: ModelConfig) -> Choice:
    """What a sweep at this width says."""
    trials = []
    for lr in GRID:
        settings = {"steps": 60, "batch": 8, "eval_every": 0, "eval_batches": 4, "compile": "off", "precision": "fp32"}
        settings |= {"optimizer": {"adamw": {"lr": lr}}, "schedule": {"wsd": {"warmup_steps": 5}}, "monitor": None}
        config = TrainStage.model_validate({"train": settings, "model": shape.model_dump(), "context": 64})
        try:
            loss = train(stage_context(inputs, work / f"{shape.d_model}-{lr:g}", config))["heldout_bits_per_byte"]
        except TrainingError:
            loss = None
        trials.append(Trial(lr, 0, loss if isinstance(loss, float) else None))
    return choose(trials)


@pytest.mark.slow
def test_the_optimum_at_a_width_holds_at_twice_and_four_times_it(tmp_path: Path) -> None:
    inputs = make_inputs(tmp_path / "inputs", documents=400)
    narrow = model(BASE)
    found = best(inputs, tmp_path, narrow)
    assert found.edge is None
    for width in (2 * BASE, 4 * BASE):
        wide = model(width)
        carried = wide.model_copy(update={"mup": carried_over(wide, narrow)})
        assert 1 / STEP <= best(inputs, tmp_path, carried).lr / found.lr <= STEP
