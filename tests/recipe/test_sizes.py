"""The recipes for GPUs: models are as large as their comments say, and fit into the mesh and a GPU's memory."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ownlm.model.decoder import Decoder
from ownlm.pipeline.store import Store
from ownlm.plan import plan
from ownlm.recipe.load import load_recipe
from ownlm.train.parallel.check import check_mesh
from ownlm.train.planning.propose import most

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
GPU = 80_000_000_000
SIZES = {
    # parameters, those a token goes through, GPUs, billions of tokens
    "one-gpu": (346_092_480, 346_092_480, 1, 7.3),
    "eight-gpus": (1_711_376_384, 1_711_376_384, 8, 34.6),
    "many-nodes": (7_180_914_688, 7_180_914_688, 64, 143.7),
    "experts": (1_054_376_896, 346_588_096, 8, 21.0),
    "hybrid": (436_698_520, 436_698_520, 1, 8.7),
}


@pytest.mark.parametrize("name", SIZES)
def test_it_is_as_large_as_it_says_and_fits(name: str) -> None:
    recipe = load_recipe(RECIPES / f"{name}.yaml")
    model = recipe.model.architecture(recipe.vocabulary.size, recipe.shards.context)
    parameters, active, gpus, billions = SIZES[name]
    with torch.device("meta"):
        decoder = Decoder(model)
    weights = {id(weight): weight.numel() for weight in decoder.parameters()}
    assert sum(weights.values()) == model.parameters == parameters
    assert model.active_parameters == active
    assert recipe.train.mesh.places == gpus
    assert recipe.train.all_windows() * recipe.shards.context / 1e9 == pytest.approx(billions, abs=0.1)
    check_mesh(recipe.train, model)
    assert most(model, recipe.train, bf16=True, device="cuda").peak < 0.8 * GPU


@pytest.mark.parametrize("name", SIZES)
def test_it_is_planned(name: str, tmp_path: Path) -> None:
    """On a folder of code here, in place of the data set."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "one.py").write_text("def one():\n    return 1\n")
    nothing = f"clean.decontamination.paths=[{tmp_path / 'code'}]"
    recipe = load_recipe(RECIPES / f"{name}.yaml", [nothing], [tmp_path / "code"])
    planned = plan(recipe, Store(tmp_path / "home"), workers=1)
    assert "train" in [stage.name for stage in planned.stages]
