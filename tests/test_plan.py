"""The plan: what is cached, what it costs, and where its figures come from."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ownlm import plan as planning
from ownlm.errors import CorpusError, InputError
from ownlm.pipeline.artifact import MANIFEST
from ownlm.pipeline.store import Store
from ownlm.plan import Plan, PlannedStage, plan, totals
from ownlm.recipe.load import load_recipe, validate
from ownlm.recipe.schema import Recipe
from tests.toy_run import STAGES, carry_out, toy_recipe, toy_stages, write_recipe


@pytest.fixture(autouse=True)
def _fixed_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of 10 GFLOP/s, so that estimates do not depend on what else runs here."""
    monkeypatch.setattr(planning._Estimates, "peak", 1e10)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "home")


def rows(planned: Plan) -> dict[str, PlannedStage]:
    return {stage.name: stage for stage in planned.stages}


def states(recipe: Recipe, store: Store) -> list[str]:
    return [stage.state for stage in plan(recipe, store, workers=1).stages]


def edit_manifest(store: Store, kind: str, **changed: object) -> None:
    (path,) = store.artifacts.glob(f"{kind}-*/{MANIFEST}")
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))


def test_nothing_is_made_before_and_nothing_by_planning(tmp_path: Path, store: Store) -> None:
    planned = plan(toy_recipe(tmp_path), store, workers=1)
    assert [stage.name for stage in planned.stages] == STAGES
    assert {stage.state for stage in planned.stages} == {"to make"}
    assert not any(stage.measured for stage in planned.stages)
    assert all(stage.seconds > 0 and stage.memory > 0 and stage.work for stage in planned.stages)
    assert not list(store.artifacts.iterdir())
    assert not list(store.work.iterdir())


def test_after_a_run_all_is_cached_and_a_change_is_to_make_from_there_on(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy_stages(monkeypatch)
    recipe = toy_recipe(tmp_path)
    carry_out(recipe, store)
    assert states(recipe, store) == ["cached"] * 8
    planned = plan(recipe, store, workers=1)
    assert (planned.seconds, planned.memory) == (0, 0)
    assert states(toy_recipe(tmp_path, "train.seed=1"), store) == ["cached"] * 5 + ["to make"] * 3
    assert states(toy_recipe(tmp_path, "evaluate.batch=3"), store) == ["cached"] * 6 + ["to make", "cached"]
    assert states(toy_recipe(tmp_path, "serve.port=9", "name=x"), store) == ["cached"] * 8
    (tmp_path / "code" / "more.py").write_text("x = 1\n")
    assert states(recipe, store) == ["to make"] * 8


def test_the_plan_says_what_the_run_then_does(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    toy_stages(monkeypatch)
    for overrides in ([], ["train.seed=1"], ["clean.line_length=null"], ["train.seed=1"]):
        recipe = toy_recipe(tmp_path, *overrides)
        planned = rows(plan(recipe, store, workers=1))
        for name, result in carry_out(recipe, store).items():
            assert result.cached == (planned[name].state == "cached"), (overrides, name)


def test_training_time_is_measured_from_an_earlier_run_of_the_same_model(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy_stages(monkeypatch)
    carry_out(toy_recipe(tmp_path), store)
    twice = rows(plan(toy_recipe(tmp_path, "train.steps=120"), store, workers=1))["train"]
    assert twice.measured
    assert twice.seconds == pytest.approx(2 * 12.0)
    other_model = rows(plan(toy_recipe(tmp_path, "model.layers=3"), store, workers=1))["train"]
    far_longer = rows(plan(toy_recipe(tmp_path, "train.steps=6000"), store, workers=1))["train"]
    assert not other_model.measured
    assert not far_longer.measured


def test_an_earlier_run_that_compares_is_found_behind_one_that_does_not(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy_stages(monkeypatch)
    carry_out(toy_recipe(tmp_path), store)
    (first,) = store.artifacts.glob("train-*")
    carry_out(toy_recipe(tmp_path, "train.seed=8"), store)
    (second,) = set(store.artifacts.glob("train-*")) - {first}
    path = second / MANIFEST
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps(manifest | {"metrics": {"parameters": 1, "tokens": 61_440, "seconds": 1.0}}))
    train = rows(plan(toy_recipe(tmp_path, "train.seed=9"), store, workers=1))["train"]
    assert train.measured
    assert train.seconds == pytest.approx(12.0)


@pytest.mark.parametrize(("kind", "share"), [("clean", 1.0), ("vocabulary", 0.4), ("shards", 0.4)])
def test_time_of_a_data_stage_is_measured_by_the_bytes_it_handled(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch, kind: str, share: float
) -> None:
    toy_stages(monkeypatch)
    split = ["split.repos=0.5", "split.files=0.2"]
    carry_out(toy_recipe(tmp_path, *split), store)
    name = {"clean": "bytes", "vocabulary": "sample_bytes", "shards": "train_bytes"}[kind]
    edit_manifest(store, kind, seconds=30.0, metrics={name: 1000})
    planned = plan(toy_recipe(tmp_path, *split, "clean.line_length=null"), store, workers=1)
    (row,) = (stage for stage in planned.stages if stage.name.startswith(kind))
    assert row.measured
    assert row.seconds == pytest.approx(30.0 * share * planned.source_bytes / 1000)


def test_a_damaged_artifact_the_run_would_not_touch_is_no_obstacle(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy_stages(monkeypatch)
    carry_out(toy_recipe(tmp_path), store)
    (manifest,) = store.artifacts.glob(f"train-*/{MANIFEST}")
    manifest.write_text("{")
    (store.artifacts / "notes.txt").write_text("somebody's")
    train = rows(plan(toy_recipe(tmp_path, "train.seed=9"), store, workers=1))["train"]
    assert not train.measured


def test_each_source_is_counted_once(tmp_path: Path, store: Store) -> None:
    for name, size in (("one", 10_000), ("two", 30_000)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.py").write_text("#" * size)
    recipe = load_recipe(write_recipe(tmp_path), [], [tmp_path / "one", tmp_path / "two"])
    planned = plan(recipe, store, workers=1)
    work = {stage.name: stage.work for stage in planned.stages}
    assert work["lake-0-directory"] == work["clean-0-directory"] == "0.01 MB"
    assert work["lake-1-directory"] == work["clean-1-directory"] == "0.03 MB"
    assert work["corpus"] == "0.04 MB"
    assert (planned.source_files, planned.source_bytes) == (2, 40_000)


def test_a_missing_source_is_said(tmp_path: Path, store: Store) -> None:
    recipe = load_recipe(write_recipe(tmp_path), [], [tmp_path / "none"])
    with pytest.raises(InputError, match="is not there"):
        plan(recipe, store, workers=1)


@pytest.mark.parametrize(("file", "found"), [(None, "there are no files at all"), ("a.xyz", "unknown language: 1")])
def test_an_empty_source_is_said(tmp_path: Path, store: Store, file: str | None, found: str) -> None:
    (tmp_path / "empty").mkdir()
    if file is not None:
        (tmp_path / "empty" / file).write_text("?")
    recipe = load_recipe(write_recipe(tmp_path), [], [tmp_path / "code", tmp_path / "empty"])
    with pytest.raises(CorpusError, match=f"gave no documents .*{found}"):
        plan(recipe, store, workers=1)


def test_a_source_whose_damage_is_skipped_is_left_to_the_run(tmp_path: Path, store: Store) -> None:
    (tmp_path / "t.parquet").write_bytes(b"no Parquet")
    table = f"[{{parquet: {{path: {tmp_path / 't.parquet'}, damaged: skip}}}}]"
    assert plan(toy_recipe(tmp_path, f"sources={table}"), store, workers=1).source_files == 0


def test_totals_are_the_recipes_numbers(tmp_path: Path, store: Store) -> None:
    recipe = toy_recipe(tmp_path, "train.accumulate=2")
    planned = plan(recipe, store, workers=1)
    architecture = recipe.model.architecture(768, 128)
    assert planned.training_tokens == 60 * 8 * 2 * 128
    assert planned.parameters == architecture.parameters == 143_680
    assert planned.flops == planned.training_tokens * architecture.training_flops_per_token
    assert planned.seconds == pytest.approx(sum(stage.seconds for stage in planned.stages))
    assert planned.memory == max(stage.memory for stage in planned.stages)
    shown = totals(dataclasses.replace(planned, source_files=1234, source_bytes=5_600_000, epochs=0.0923))
    assert shown["source"] == "1,234 files, 5.6 MB"
    assert shown["parameters"] == "143,680"
    assert shown["training tokens"] == "122,880 (about 0.092 times over the data)"


def estimates(size: int, *, workers: int = 1, **train: int) -> planning._Estimates:
    settings = {"steps": 100, "batch": 8, "accumulate": 1} | train
    recipe = validate({"sources": [{"directory": {"path": "."}}], "train": settings}, {}, "text")
    architecture = recipe.model.architecture(recipe.vocabulary.size, recipe.shards.context)
    tokens = settings["steps"] * settings["batch"] * settings["accumulate"] * recipe.shards.context
    flops = float(tokens * architecture.training_flops_per_token)
    return planning._Estimates(recipe, size, flops, architecture.parameters, workers)


KINDS = st.sampled_from(["lake", "clean", "corpus", "vocabulary", "shards", "train", "evaluate", "export"])
SIZES = st.integers(0, 10**12)


@given(KINDS, SIZES, SIZES)
def test_more_data_never_takes_less_time_or_memory(kind: str, one: int, two: int) -> None:
    less, more = (estimates(size) for size in sorted((one, two)))
    assert less.seconds(kind) <= more.seconds(kind)
    assert less.memory(kind) <= more.memory(kind)


@given(
    st.sampled_from(["steps", "batch", "accumulate"]),
    st.integers(1, 4096),
    st.integers(1, 4096),
)
def test_more_training_never_takes_less_time_or_memory(setting: str, one: int, two: int) -> None:
    less, more = (estimates(10**6, **{setting: value}) for value in sorted((one, two)))
    assert less.seconds("train") <= more.seconds("train")
    assert less.memory("train") <= more.memory("train")
    if one != two:
        assert less.seconds("train") != more.seconds("train")


@given(SIZES, st.integers(1, 64), st.integers(1, 64))
def test_more_workers_never_take_longer(size: int, one: int, two: int) -> None:
    fewer, more = sorted((one, two))
    for kind in ("lake", "clean", "corpus", "vocabulary", "shards", "train"):
        assert estimates(size, workers=more).seconds(kind) <= estimates(size, workers=fewer).seconds(kind)


def test_the_matrix_product_is_timed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    timed = estimates(10**6)
    assert 1e7 < timed.peak < 1e16
    assert timed.peak == timed.peak
    assert 1 <= planning.usable_cores() <= 4096


def test_training_that_cannot_fit_is_said_with_what_to_change(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "GPU_DRIVER", tmp_path / "none")
    recipe = toy_recipe(tmp_path, "train.batch=64", "shards.context=512")
    needs = rows(plan(recipe, store, workers=1))["train"].memory
    assert "does not fit" not in totals(plan(recipe, store, workers=1))
    monkeypatch.setattr(planning, "memory_of_machine", lambda places: round(needs * 0.8))
    words = totals(plan(recipe, store, workers=1))["does not fit"]
    assert f"{needs * 0.2 / 1e9:.1f} GB more than the {needs * 0.8 / 1e9:.1f} GB there are" in words
    assert "set train.batch to" in words
    toy_stages(monkeypatch)
    carry_out(recipe, store)
    assert plan(recipe, store, workers=1).misfit is None  # nothing is to be trained
