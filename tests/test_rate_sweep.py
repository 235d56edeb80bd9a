"""The learning-rate sweep: over the real flow, runner and store, with proxies that say what they would have lost."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import JsonValue
from rich.console import Console

from ownlm.errors import RecipeError, TrainingError
from ownlm.pipeline.progress import SilentProgress
from ownlm.pipeline.stage import StageContext, StageFunction
from ownlm.pipeline.store import Store
from ownlm.rate_sweep import RateSweep, print_sweep, rates_of, size_of, sweep
from ownlm.rate_sweep_page import write
from ownlm.recipe.load import load_recipe
from ownlm.train.config import TrainStage
from tests.toy_run import toy_function, toy_recipe, write_recipe

OPTIMUM = 6e-3
WIDE = ["model.d_model=256", "model.heads=8", "model.kv_heads=8", "model.d_ff=640", "train.optimizer=adamw"]
RATES = [1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2]


class Proxies:
    """Stands in for training: counts, diverges above a rate, and is stopped after so many."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.trained: list[TrainStage] = []
        self.diverges_from, self.stopped_after = math.inf, math.inf
        self.error = "step 3 is not a number: loss nan"
        monkeypatch.setattr("ownlm.pipeline.run.load_function", self._load)

    def _load(self, reference: str) -> StageFunction:
        build = toy_function(reference)
        return self._train if reference == "ownlm.train.run:train" else build

    def _train(self, context: StageContext) -> Mapping[str, JsonValue]:
        config = context.config
        assert isinstance(config, TrainStage)
        if len(self.trained) >= self.stopped_after:
            raise KeyboardInterrupt
        self.trained.append(config)
        assert config.train.optimizer.adamw is not None
        lr = config.train.optimizer.adamw.lr
        if lr >= self.diverges_from:
            raise TrainingError(self.error)
        (context.out / "model.json").write_text(config.canonical())
        return {"heldout_bits_per_byte": 2 + 0.1 * math.log2(lr / OPTIMUM) ** 2 + 0.001 * config.train.seed}


@pytest.fixture
def proxies(monkeypatch: pytest.MonkeyPatch) -> Proxies:
    return Proxies(monkeypatch)


def swept(tmp_path: Path, *more: str, lrs: list[float] = RATES, seeds: int = 1) -> RateSweep:
    recipe, store = toy_recipe(tmp_path, *WIDE, *more), Store(tmp_path / "home")
    return sweep(
        recipe, store, lrs, size="1m", steps=30, seeds=seeds, workers=1, progress=SilentProgress(), told=lambda _: None
    )


def test_the_minimum_is_found_and_its_settings_are_a_recipes(tmp_path: Path, proxies: Proxies) -> None:
    found = swept(tmp_path, seeds=2)
    assert found.choice.lr == pytest.approx(OPTIMUM, rel=0.02)
    assert {config.model.d_model for config in proxies.trained} == {128}
    assert {config.train.steps for config in proxies.trained} == {30}
    used = load_recipe(write_recipe(tmp_path), [*WIDE, *found.settings])
    assert used.train.optimizer.adamw is not None
    assert used.train.optimizer.adamw.lr == found.choice.lr
    assert used.model.mup is not None
    assert used.model.mup.base_d_model == 128


def test_a_sweep_goes_on_and_more_rates_add_to_it(tmp_path: Path, proxies: Proxies) -> None:
    proxies.stopped_after = 3
    with pytest.raises(KeyboardInterrupt):
        swept(tmp_path)
    proxies.stopped_after = math.inf
    found = swept(tmp_path)
    assert len(proxies.trained) == len(RATES)
    assert swept(tmp_path) == found
    assert len(swept(tmp_path, lrs=[*RATES, 3.2e-2]).choice.rates) == len(RATES) + 1
    assert len(proxies.trained) == len(RATES) + 1


def test_a_rate_that_diverges_is_left_out_and_other_failures_are_not(tmp_path: Path, proxies: Proxies) -> None:
    proxies.diverges_from = 1e-2
    found = swept(tmp_path)
    assert found.choice.rates[-1].mean is None
    assert found.choice.best == 8e-3
    proxies.error = "the cpu refused a training step: out of memory"
    with pytest.raises(TrainingError, match="refused"):
        swept(tmp_path, lrs=[5e-3, 2e-2])


def test_what_is_printed_and_written(tmp_path: Path, proxies: Proxies) -> None:
    found = swept(tmp_path, lrs=[1e-3, 2e-3, 4e-3], seeds=2)
    text = io.StringIO()
    print_sweep(Console(file=text, width=120), found)
    assert "4e-3 is the highest" in text.getvalue().replace("0.004", "4e-3")
    assert "model.mup.base_d_model=128" in text.getvalue()
    page = write(found, tmp_path / "page")
    assert "0.004" in page.read_text()
    figures = json.loads((tmp_path / "page" / "sweep.json").read_text())
    assert [rate["lr"] for rate in figures["rates"]] == [1e-3, 2e-3, 4e-3]
    assert figures["overrides"] == list(found.settings)


@pytest.mark.parametrize("text", ["1e-3", "1e-3,x", "0,1e-3", "2,1e-3", "nan,1e-3", ""])
def test_a_list_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(RecipeError, match=r"learning rate|two rates"):
        rates_of(text)


def test_lists_ascend_and_sizes_are_known() -> None:
    assert rates_of("4e-3, 1e-3,2e-3,1e-3") == [1e-3, 2e-3, 4e-3]
    assert size_of("1m") == "1m"
    with pytest.raises(RecipeError, match="no size is called"):
        size_of("9m")
