"""`ownlm ablate` over the real flow, runner and store, with models whose scores are injected."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from pydantic import JsonValue
from rich.console import Console

from ownlm.ablating import Ablation, ablate, differing, prepared, print_ablation
from ownlm.ablating_page import write
from ownlm.errors import RecipeError
from ownlm.pipeline.progress import SilentProgress
from ownlm.pipeline.stage import StageContext, StageFunction
from ownlm.pipeline.store import Store
from ownlm.recipe.load import load_recipe
from ownlm.recipe.schema import Recipe
from ownlm.train.config import TrainStage
from tests.toy_run import toy_function, write_recipe

SIZES = [1000 + 10 * number for number in range(40)]


class Scores:
    """Stands in for training and scoring: bits a byte of a model are those of its size plus noise of its seed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.trained: list[TrainStage] = []
        self.stopped_after: float = float("inf")
        self.gain = 0.0
        monkeypatch.setattr("ownlm.pipeline.run.load_function", self._load)

    def _load(self, reference: str) -> StageFunction:
        special = {"ownlm.train.run:train": self._train, "ownlm.evaluate.ablation.score:score": self._score}
        return special.get(reference) or toy_function(reference)

    def _train(self, context: StageContext) -> Mapping[str, JsonValue]:
        assert isinstance(context.config, TrainStage)
        if len(self.trained) >= self.stopped_after:
            raise KeyboardInterrupt
        self.trained.append(context.config)
        (context.out / "model.json").write_text(context.config.canonical())
        return {"seed": context.config.train.seed, "tokens": 1, "seconds": 1.0, "parameters": 1}

    def _score(self, context: StageContext) -> Mapping[str, JsonValue]:
        seed = context.inputs["train"].manifest.metrics["seed"]
        assert isinstance(seed, int)
        generator = np.random.default_rng(seed)
        better = _reserved(context) == 200
        bits = 2 + generator.normal(0, 0.01) - self.gain * better
        documents = [{"id": str(n), "bytes": size, "bits": bits * size} for n, size in enumerate(SIZES)]
        lines = [{"id": str(n // 2), "exact": bool(n % 3), "similarity": 0.5} for n in range(10)]
        names = (
            "held_out_by_own",
            "held_out_by_other",
            "held_out_by_both",
            "trained_on",
            "damaged",
            "documents",
            "bytes",
        )
        counts: dict[str, JsonValue] = dict(zip(names, (50, 45, 42, 2, 0, 40, sum(SIZES)), strict=True))
        (context.out / "scores.json").write_text(json.dumps({"counts": counts, "documents": documents, "lines": lines}))
        return {"bits_per_byte": bits, **counts}


def _reserved(context: StageContext) -> int:
    config = context.inputs["vocabulary"].manifest.config
    assert isinstance(config, dict)
    block = config["vocabulary"]
    assert isinstance(block, dict)
    found = block["reserved"]
    assert isinstance(found, int)
    return found


@pytest.fixture
def scores(monkeypatch: pytest.MonkeyPatch) -> Scores:
    return Scores(monkeypatch)


def _recipes(folder: Path, *overrides: str) -> tuple[Recipe, Recipe]:
    one = write_recipe(folder, "one")
    other = write_recipe(folder, "other")
    return prepared(load_recipe(one), 30, None), prepared(load_recipe(other, overrides), 30, None)


def _ablated(tmp_path: Path, *overrides: str, seeds: int = 3) -> Ablation:
    a, b = _recipes(tmp_path, *overrides)
    return ablate(a, b, Store(tmp_path / "home"), seeds=seeds, workers=1, progress=SilentProgress())


def test_a_better_version_is_told(tmp_path: Path, scores: Scores) -> None:
    scores.gain = 0.2
    found = _ablated(tmp_path, "vocabulary.reserved=200")
    assert found.figures["bits_per_byte"].better == "b"
    assert found.sentence.startswith("other is better: other needs 0.")
    assert found.differences == (("vocabulary.reserved", "19", "200"),)
    assert found.besides == ()
    assert {config.train.steps for config in scores.trained} == {30}
    assert sorted(config.train.seed for config in scores.trained) == [0, 1, 2, 3, 4, 5]


def test_a_recipe_against_itself_is_no_difference(tmp_path: Path, scores: Scores) -> None:
    found = _ablated(tmp_path)
    assert found.differences == ()
    assert found.figures["bits_per_byte"].better is None
    assert found.sentence.startswith("No difference can be seen with this many seeds (3)")
    assert found.figures["bits_per_byte"].value != 0, "seeds are not shared"


def test_one_seed_claims_nothing(tmp_path: Path, scores: Scores) -> None:
    scores.gain = 5.0
    found = _ablated(tmp_path, "vocabulary.reserved=200", seeds=1)
    assert "one seed says nothing about noise" in found.sentence
    assert found.figures["bits_per_byte"].better is None


def test_it_goes_on_where_it_stopped_and_more_seeds_add_to_it(tmp_path: Path, scores: Scores) -> None:
    scores.stopped_after = 3
    with pytest.raises(KeyboardInterrupt):
        _ablated(tmp_path)
    scores.stopped_after = float("inf")
    first = _ablated(tmp_path)
    assert len(scores.trained) == 6
    assert _ablated(tmp_path).to_json() == first.to_json()
    assert len(scores.trained) == 6
    more = _ablated(tmp_path, seeds=4)
    assert len(scores.trained) == 8
    assert more.figures["bits_per_byte"].a[:3] == first.figures["bits_per_byte"].a


def test_what_is_not_data_is_named(tmp_path: Path, scores: Scores) -> None:
    scores.gain = 0.5
    found = _ablated(tmp_path, "vocabulary.reserved=200", "train.batch=4")
    assert found.besides == ("train.batch",)
    assert found.sentence.endswith("But not only the data differs: train.batch.")


def test_what_is_printed_and_written(tmp_path: Path, scores: Scores) -> None:
    found = _ablated(tmp_path, "clean.syntax={}", "train.batch=4")
    text = io.StringIO()
    print_ablation(Console(file=text, width=160), found)
    said = text.getvalue()
    assert "train.batch: 8 | 4  (not data)" in said
    assert "held out by both 42 (A 50, B 45), of which 2 were trained on by one" in said
    assert "hidden lines exact" in said
    assert found.sentence in said.replace("\n", " ")
    page = write(found, tmp_path / "page")
    assert "train.batch" in page.read_text()
    figures = json.loads((tmp_path / "page" / "ablation.json").read_text())
    assert figures["sentence"] == found.sentence
    assert len(figures["figures"]["bits_per_byte"]["a"]) == 3


def test_size_and_steps_stand_in_for_the_recipes(tmp_path: Path) -> None:
    recipe = load_recipe(write_recipe(tmp_path))
    assert recipe.model.d_model == 64
    small = prepared(recipe, 20, "0.8m")
    assert (small.model.size, small.model.d_model, small.train.steps) == ("0.8m", None, 20)
    assert prepared(recipe, None, None).model == recipe.model
    assert differing(recipe, recipe) == ()
    with pytest.raises(RecipeError, match="no size is called"):
        prepared(recipe, None, "9m")
