"""The narrow copy of a model, and what is carried over."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ownlm.errors import RecipeError
from ownlm.model.config import SIZES, ModelConfig, SizeName
from ownlm.train.config import OptimizerConfig, TrainConfig
from ownlm.train.planning.proxy import carried_over, narrowed, overrides, proxy_training, with_rate

FAMILIES = ["llama", "qwen3", "mixtral", "qwen3_moe", "dots1", "bamba"]


@given(st.sampled_from(list(SIZES)), st.sampled_from(list(SIZES)), st.sampled_from(FAMILIES))
def test_a_proxy_differs_in_width_only(wide: SizeName, narrow: SizeName, family: str) -> None:
    assume(SIZES[wide].d_model > SIZES[narrow].d_model)
    model = ModelConfig.model_validate({"size": wide, "family": family})
    proxy = narrowed(model, narrow)
    own, small = model.architecture(1024, 64), proxy.architecture(1024, 64)
    assert small.d_model == SIZES[narrow].d_model
    assert (small.layers, small.family, small.tied) == (own.layers, own.family, own.tied)
    assert small.d_ff / small.d_model == pytest.approx(own.d_ff / own.d_model, rel=0.15)
    assert small.parameters < own.parameters
    assert small.heads % small.kv_heads == 0
    mup = carried_over(model, proxy)
    carried = model.model_copy(update={"mup": mup}).architecture(1024, 64)
    assert carried.mup_base == small.d_model
    assert (carried.mup_base_head or carried.head_width) == small.head_width


def test_heads_keep_their_width_where_that_divides() -> None:
    proxy = narrowed(ModelConfig(size="7b"), "1m").architecture(1024, 64)
    assert (proxy.heads, proxy.kv_heads, proxy.head_width) == (1, 1, 128)
    proxy = narrowed(ModelConfig(size="70m"), "2.6m").architecture(1024, 64)
    assert (proxy.heads, proxy.head_width) == (3, 64)
    chosen = ModelConfig(size="360m", head_dim=96)
    assert narrowed(chosen, "1m").architecture(1024, 64).head_width == 96
    assert carried_over(chosen, narrowed(chosen, "1m")).base_head_dim is None


@pytest.mark.parametrize("size", ["1m", "1.3m", "2.6m"])
def test_a_model_must_be_wider_than_its_proxy(size: SizeName) -> None:
    with pytest.raises(RecipeError, match="nothing to carry over"):
        narrowed(ModelConfig(size="1m"), size)


def test_training_is_shorter_in_one_place_and_a_warm_up_shrinks_along() -> None:
    train = TrainConfig.model_validate(
        {
            "steps": 1000,
            "batch": 8,
            "accumulate": 4,
            "batch_warmup": [[100, 8]],
            "mesh": {"data": 2},
            "schedule": {"cosine": {"warmup_steps": 100}},
            "branch": "somewhere",
            "seed": 5,
        }
    )
    proxy = proxy_training(train, 100, 3e-3, 2)
    assert (proxy.steps, proxy.seed, proxy.mesh.places, proxy.branch) == (100, 7, 1, None)
    assert proxy.schedule.cosine is not None
    assert proxy.schedule.cosine.warmup_steps == 10
    assert proxy.batch_warmup == [[10, 8]]
    assert proxy.windows == train.windows
    assert proxy_training(train, 4000, 3e-3, 0).schedule == train.schedule


def test_muons_adamw_goes_along_in_proportion() -> None:
    optimizer = OptimizerConfig.model_validate({"muon": {"lr": 0.01, "embeddings": {"lr": 0.02, "weight_decay": 0.0}}})
    found = with_rate(optimizer, 0.005).muon
    assert found is not None
    assert (found.lr, found.embeddings.lr, found.embeddings.weight_decay) == (0.005, 0.01, 0.0)


def test_overrides_are_settings_of_a_recipe() -> None:
    model = ModelConfig(size="360m")
    proxy = narrowed(model, "1m")
    mup = carried_over(model, proxy)
    assert overrides(OptimizerConfig.model_validate("adamw"), 3.2e-3, mup) == [
        "train.optimizer.adamw.lr=0.0032",
        "model.mup.base_d_model=128",
    ]
    muon = overrides(OptimizerConfig.model_validate("muon"), 5e-3, carried_over(ModelConfig(size="135m"), proxy))
    assert muon[:2] == ["train.optimizer.muon.lr=0.005", "train.optimizer.muon.embeddings.lr=0.005"]
