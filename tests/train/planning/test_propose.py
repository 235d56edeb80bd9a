"""Layouts proposed for GPUs, and what does not fit."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from ownlm.errors import RecipeError
from ownlm.layouts import Asked
from ownlm.model.architecture import Architecture
from ownlm.model.config import ModelConfig
from ownlm.recipe.load import validate
from ownlm.recipe.schema import Recipe
from ownlm.train.config import TrainConfig
from ownlm.train.parallel.check import check_mesh
from ownlm.train.planning.fit import check_fits, memory_of_machine, misfit
from ownlm.train.planning.hardware import GPUS, gpu_named, usable
from ownlm.train.planning.propose import most, propose
from ownlm.train.planning.speed import step_time

H100 = gpu_named("h100-80gb")


def model(size: str, context: int = 2048, **changed: Any) -> Architecture:
    return ModelConfig.model_validate({"size": size} | changed).architecture(32768, context)


def training(**changed: Any) -> TrainConfig:
    return TrainConfig.model_validate({"steps": 1000, "batch": 64, "optimizer": "adamw"} | changed)


@settings(max_examples=15, deadline=None)
@given(
    size=st.sampled_from(["135m", "1b"]),
    family=st.sampled_from(["llama", "qwen3_moe", "bamba"]),
    gpus=st.sampled_from([1, 2, 4, 8, 16]),
    checkpointing=st.sampled_from(["none", "full"]),
)
def test_every_proposal_divides_fits_and_keeps_the_batch(size: str, family: str, gpus: int, checkpointing: str) -> None:
    architecture, train = model(size, family=family), training(activation_checkpointing=checkpointing)
    found = propose(architecture, train, H100, gpus, nodes=max(1, gpus // 8))
    assert found
    for one in found:
        check_mesh(one.train, architecture)
        assert one.train.mesh.places == gpus
        assert one.train.windows == train.windows
        assert one.memory.peak <= usable(H100)
        assert one.time.seconds > 0
    assert [one.time.seconds for one in found] == sorted(one.time.seconds for one in found)


def test_a_small_model_has_replicas_and_a_large_one_shards() -> None:
    small = propose(model("135m"), training(), H100, 8)[0]
    large = propose(model("7b", 4096), training(), H100, 8)[0]
    assert small.train.mesh.data * small.train.mesh.shard == 8
    assert large.train.mesh.shard * large.train.mesh.tensor > 1
    assert large.memory.parts["weights"] < 4 * model("7b").parameters / 2


def test_settings_of_a_proposal_make_it() -> None:
    best = propose(model("7b", 4096), training(), H100, 16, nodes=2)[0]
    values: dict[str, Any] = {}
    for text in best.overrides():
        name, _, value = text.partition("=")
        place = values
        *path, last = name.split(".")[1:]
        for part in path:
            place = place.setdefault(part, {})
        place[last] = {"true": True, "false": False}.get(value, int(value) if value.isdecimal() else value)
    made = TrainConfig.model_validate(training().model_dump() | values)
    assert made.mesh.places == 16
    assert made.model_copy(update={"mesh": best.train.mesh}) == best.train
    same = {"data", "shard", "tensor", "pipeline", "context", "expert", "nodes", "sequence"}
    assert made.mesh.model_dump(include=same) == best.train.mesh.model_dump(include=same)


def test_what_cannot_fit_says_by_how_much_and_what_would() -> None:
    with pytest.raises(RecipeError, match=r"needs .* GB a GPU, .* GB more") as caught:
        propose(model("7b"), training(), gpu_named("l4-24gb"), 1)
    assert "GPUs or larger ones" in str(caught.value)
    with pytest.raises(RecipeError, match="no layout of 7 GPUs divides"):
        propose(model("135m"), training(batch=15), H100, 7)


def test_time_goes_with_the_formulas() -> None:
    architecture, alone = model("1b"), training()
    one = step_time(architecture, alone, H100, 0.5)
    flops = 64 * 2048 * architecture.training_flops_per_token
    assert one.seconds == pytest.approx(flops / (H100.flops * 0.5))
    assert (one.gradients, one.traffic, one.waiting) == (0, {}, 0)
    data = step_time(architecture, training(mesh={"data": 8}), H100, 0.5)
    assert data.computing == pytest.approx(one.computing / 8)
    assert data.gradients == pytest.approx(2 * 7 / 8 * 4 * architecture.parameters / H100.inside)
    shard = step_time(architecture, training(mesh={"shard": 8}), H100, 0.5)
    assert shard.gradients == pytest.approx(7 / 8 * 8 * architecture.parameters / H100.inside)
    tensor = step_time(architecture, training(mesh={"tensor": 8}), H100, 0.5)
    stream = 2 * 64 * 2048 * architecture.d_model
    expected = 4 * 2 * 7 / 8 * stream * architecture.layers / H100.inside
    assert tensor.traffic == pytest.approx({"tensor": expected})
    pipeline = step_time(architecture, training(mesh={"pipeline": 4, "microbatches": 16}), H100, 0.5)
    assert pipeline.waiting == pytest.approx(pipeline.computing * 3 / 16)
    far = step_time(architecture, training(mesh={"data": 16}), H100, 0.5)
    assert far.gradients > 5 * data.gradients
    again = step_time(architecture, training(activation_checkpointing="full"), H100, 0.5)
    assert again.seconds == pytest.approx(one.seconds * 4 / 3)


@settings(max_examples=30, deadline=None)
@given(batch=st.sampled_from([4, 16, 64]), share=st.floats(0.02, 1.2), device=st.sampled_from(["cpu", "cuda"]))
def test_a_change_that_is_advised_does_fit(batch: int, share: float, device: str) -> None:
    architecture, train = model("30m", 256), training(batch=batch, compile="off")
    needs = most(architecture, train, bf16=True, device=device).peak
    available = round(needs * share) + (400_000_000 if device == "cpu" else 0)
    problem = misfit(architecture, train, available, bf16=True, device=device)
    if problem is None:
        assert share >= 0.999
        return
    assert share < 1
    assert f"{available / 1e9:.1f} GB there are" in problem.what
    assert problem.advice is not None
    if not problem.advice.startswith("set train."):
        assert "are not enough" in problem.advice
        return
    words = problem.advice.removeprefix("set ").replace(" and train", ", train").split(", ")
    values = {name.removeprefix("train."): value.split()[0] for name, _, value in (w.partition(" to ") for w in words)}
    mesh = train.mesh.model_copy(update={"shard": int(values.pop("mesh.shard", 1))})
    changed = train.model_copy(update={n: v if "check" in n else int(v) for n, v in values.items()} | {"mesh": mesh})
    check_fits(architecture, changed, available, bf16=True, device=device)


def test_this_machine_has_memory() -> None:
    assert 1 << 28 < memory_of_machine(2) == memory_of_machine() // 2


def test_the_table_of_gpus_is_plausible() -> None:
    for name, gpu in GPUS.items():
        assert name.endswith("gb")
        assert gpu.memory < int(name.split("-")[-1][:-2]) * 1e9 * 1.08
        assert gpu.between <= gpu.inside


def recipe(**changed: Any) -> Recipe:
    values = {"sources": [{"directory": {"path": "."}}], "model": {"size": "1b"}, "shards": {"context": 2048}}
    return validate(values | {"train": {"batch": 64, "optimizer": "adamw"} | changed}, {}, "recipe")


@pytest.mark.parametrize("price", [None, 80.0])
def test_the_best_few_are_printed_with_their_settings(price: float | None) -> None:
    text = io.StringIO()
    Asked(8, "H100-80GB").propose(recipe(price_per_hour=price, currency="EUR")).show(Console(file=text, width=120))
    shown = text.getvalue()
    assert "layouts on 8 h100-80gb" in shown
    assert "train.batch=" in shown
    assert ("10.00 EUR a GPU and hour (as given)" if price else "list prices") in shown


@pytest.mark.parametrize(
    ("asked", "what"),
    [
        (Asked(8, "abacus"), "no GPU is known as 'abacus'"),
        (Asked(16, "h100-80gb"), "not spread evenly over 1 machines"),
        (Asked(9, "h100-80gb", 2), "not spread evenly over 2 machines"),
    ],
)
def test_gpus_that_are_not_there_are_refused(asked: Asked, what: str) -> None:
    with pytest.raises(RecipeError, match=what):
        asked.propose(recipe())
