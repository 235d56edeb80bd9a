"""A run's record, its saved recipe, its pages and its trackers, at every stage and however it ends."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from ownlm.errors import ArtifactError, BusyError, InputError, StorageError
from ownlm.pipeline.run import StageResult
from ownlm.pipeline.store import Store
from ownlm.pipeline.tracking.base import RunInfo
from ownlm.recipe.load import lines_as_places, validate
from ownlm.recipe.schema import Recipe
from ownlm.recipe.yaml_file import parse_yaml
from ownlm.runs import RunRecord, artifact_of, read_record, read_saved_recipe, recipe_text
from tests.toy_run import STAGES, carry_out, toy_recipe, toy_stages


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "home")


def interrupt() -> None:
    raise KeyboardInterrupt


def fail() -> None:
    raise RuntimeError("this stage always fails")


def test_the_record_grows_with_every_stage(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    toy_stages(monkeypatch)
    seen: list[RunRecord] = []

    def finished(result: StageResult) -> None:
        record = read_record(store, "small")
        assert list(record.stages) == STAGES[: len(seen) + 1]
        assert record.stages[result.stage.name] == result.artifact.id
        assert (record.folder / "report" / f"{result.stage.name}.html").is_file()
        assert result.stage.name in record.index.read_text()
        seen.append(record)

    carry_out(toy_recipe(tmp_path), store, finished=finished)
    assert [record.complete for record in seen] == [False] * 7 + [True]
    record = json.loads((store.runs / "small" / "run.json").read_text())
    assert record["cached"] == []
    assert set(record["seconds"]) == set(STAGES)
    carry_out(toy_recipe(tmp_path), store)
    assert json.loads((store.runs / "small" / "run.json").read_text())["cached"] == STAGES


def test_stages_are_announced_before_they_are_made_and_not_when_cached(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy_stages(monkeypatch)
    started: list[tuple[str, bool]] = []
    for override in ("train.seed=0", "train.seed=1"):
        carry_out(toy_recipe(tmp_path, override), store, lambda stage, again: started.append((stage.name, again)))
    assert started == [(name, False) for name in [*STAGES, *STAGES[5:]]]


@pytest.mark.parametrize(("instead", "error"), [(interrupt, KeyboardInterrupt), (fail, RuntimeError)])
def test_a_run_that_stops_keeps_what_was_made_and_says_how_far_it_came(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch, instead: object, error: type[BaseException]
) -> None:
    toy_stages(monkeypatch, {"train": instead})  # type: ignore[dict-item]
    with pytest.raises(error):
        carry_out(toy_recipe(tmp_path), store)
    record = read_record(store, None)
    assert list(record.stages) == STAGES[:5]
    assert not record.complete
    with pytest.raises(InputError, match="has not reached export yet"):
        artifact_of(store, record, "export")
    toy_stages(monkeypatch)
    results = carry_out(toy_recipe(tmp_path), store)
    assert [result.cached for result in results.values()] == [True] * 5 + [False] * 3


def test_a_run_that_makes_nothing_leaves_the_record_of_the_one_before(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Record and recipe belong together: a new recipe without a new record would describe another run."""
    toy_stages(monkeypatch)
    carry_out(toy_recipe(tmp_path), store)
    before = {path.name: path.read_bytes() for path in (store.runs / "small").glob("*.*")}
    with pytest.raises(InputError):
        carry_out(toy_recipe(tmp_path, f"sources.0.directory.path={tmp_path / 'none'}"), store)
    assert {path.name: path.read_bytes() for path in (store.runs / "small").glob("*.*")} == before
    assert set(before) == {"run.json", "recipe.yaml"}


def test_pages_of_an_earlier_recipe_do_not_stay(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    toy_stages(monkeypatch)
    carry_out(toy_recipe(tmp_path), store)
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.py").write_text("x = 1\n")
    sources = f"sources=[{{directory: {{path: {tmp_path / 'code'}}}}}, {{directory: {{path: {other}}}}}]"
    carry_out(toy_recipe(tmp_path, sources), store)
    report = store.runs / "small" / "report"
    assert (report / "lake-1-directory.html").is_file()
    carry_out(toy_recipe(tmp_path), store)
    assert sorted(path.name for path in report.iterdir()) == sorted(
        [*(f"{name}.html" for name in STAGES), "index.html"]
    )


def test_pages_that_a_page_links_to_come_along(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    toy_stages(monkeypatch)
    made = carry_out(toy_recipe(tmp_path), store)
    incident = made["train"].artifact.path / "report" / "incidents" / "step-00000007"
    incident.mkdir(parents=True)
    (incident / "index.html").write_text("seven")
    copied = store.runs / "small" / "report" / "incidents"
    carry_out(toy_recipe(tmp_path), store)
    assert (copied / "step-00000007" / "index.html").read_text() == "seven"
    shutil.rmtree(incident.parent)
    carry_out(toy_recipe(tmp_path), store)
    assert not copied.exists()


def hold(home: Path, ready: object, leave: object) -> None:
    with Store(home).lock_run("small"):
        ready.set()  # type: ignore[attr-defined]
        leave.wait(30)  # type: ignore[attr-defined]


def test_a_run_has_one_writer(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    toy_stages(monkeypatch)
    context = multiprocessing.get_context("spawn")
    ready, leave = context.Event(), context.Event()
    process = context.Process(target=hold, args=(store.home, ready, leave))
    process.start()
    try:
        assert ready.wait(30)
        with pytest.raises(BusyError, match=f"pid {process.pid}.*carries out the run 'small'"):
            carry_out(toy_recipe(tmp_path), store)
        assert len(carry_out(toy_recipe(tmp_path, "name=small2"), store)) == 8
    finally:
        leave.set()
        process.join(30)
    assert len(carry_out(toy_recipe(tmp_path), store)) == 8


def test_the_latest_run_is_the_one_meant(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    toy_stages(monkeypatch)
    with pytest.raises(InputError, match="Nothing was run here yet") as caught:
        read_record(store, None)
    assert "ownlm run" in str(caught.value.advice)
    for seconds, name in enumerate(["small", "other", "third"]):
        carry_out(toy_recipe(tmp_path, f"name={name}"), store)
        os.utime(store.runs / name / "run.json", (1e9 - seconds, 1e9 - seconds))
    assert read_record(store, None).name == "small"
    assert read_record(store, "third").name == "third"
    with pytest.raises(InputError, match="no run called 'fourth'") as caught:
        read_record(store, "fourth")
    assert "other, small, third" in str(caught.value.advice)
    with pytest.raises(InputError, match="no run called"):
        read_record(store, "../runs/small")


@pytest.mark.parametrize("text", ["", "{", "[]", "5", "{}", '{"name": "x", "stages": 5, "complete": true}', "\xff"])
def test_a_damaged_record_is_named(store: Store, text: str) -> None:
    path = store.runs / "small" / "run.json"
    path.parent.mkdir()
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ArtifactError, match="record is damaged") as caught:
        read_record(store, "small")
    assert caught.value.where == str(path)


def test_an_artifact_that_is_gone_or_damaged_is_not_handed_out(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy_stages(monkeypatch)
    carry_out(toy_recipe(tmp_path), store)
    record = read_record(store, None)
    made = artifact_of(store, record, "export")
    (made.path / "data").write_bytes((made.path / "data").read_bytes()[:-1] + b"!")
    with pytest.raises(ArtifactError, match="is not the file its manifest describes"):
        artifact_of(store, record, "export")
    made.path.rename(tmp_path / "away")
    with pytest.raises(ArtifactError, match="No artifact is called"):
        artifact_of(store, record, "export")


def test_an_artifact_without_its_manifest_is_named_before_it_is_made_again(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder is in the way of the new one: better said before an hour of training than after."""
    toy_stages(monkeypatch)
    made = carry_out(toy_recipe(tmp_path), store)["train"].artifact
    (made.path / "manifest.json").unlink()
    toy_stages(monkeypatch, {"train": fail})
    with pytest.raises(ArtifactError, match=r"manifest\.json is missing"):
        carry_out(toy_recipe(tmp_path), store)


def test_a_record_that_cannot_be_written_is_a_storage_error(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy_stages(monkeypatch)
    (store.runs / "small").mkdir()
    (store.runs / "small" / "run.json").mkdir()
    with pytest.raises(StorageError, match=r"run\.json cannot be written"):
        carry_out(toy_recipe(tmp_path), store)


# The saved recipe.


def loaded(text: str) -> Recipe:
    values, lines = parse_yaml(text, "text")
    return validate(values, lines_as_places(lines, "text"), "text")


TEXTS = st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=40)


@settings(max_examples=40)
@given(
    TEXTS.filter(bool),
    TEXTS,
    st.floats(1e-9, 1.0),
    st.integers(0, 2**63 - 1),
    st.sampled_from([None, {}, {"max_mean": 50.5}]),
)
def test_the_saved_text_is_the_recipe(
    prefix: str, suffix: str, lr: float, seed: int, line_length: dict[str, JsonValue] | None
) -> None:
    values = {
        "sources": [{"directory": {"path": prefix}}, {"python": {}}],
        "ask": [{"prefix": prefix, "suffix": suffix}],
        "train": {"seed": seed, "optimizer": {"adamw": {"lr": lr}}},
        "clean": {} if line_length else {"line_length": line_length},
    }
    recipe = validate(values, {}, "")
    if "://" not in prefix + suffix:
        assert loaded(recipe_text(recipe)) == recipe


def test_a_run_is_served_with_the_recipe_it_was_made_with(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy_stages(monkeypatch)
    recipe = toy_recipe(tmp_path, "serve.max_choices=3", "clean.syntax=null")
    carry_out(recipe, store)
    assert read_saved_recipe(read_record(store, None)) == recipe


def test_no_credential_reaches_a_file(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    toy_stages(monkeypatch)
    monkeypatch.setattr("ownlm.pipeline.tracking.open.open_trackers", lambda track, home: [])
    uri = "postgresql://ann:s3cr3t/with@slash@db.example:5432/x?sslpassword=h1dden"
    carry_out(toy_recipe(tmp_path, f"track.mlflow.uri={uri}"), store)
    written = b"".join(path.read_bytes() for path in store.home.rglob("*") if path.is_file())
    assert b"db.example" in written
    assert b"s3cr3t" not in written
    assert b"h1dden" not in written


# Trackers.


class Recorder:
    """A tracker that keeps what it is told."""

    label = "recorder"

    def __init__(self, kept: list[tuple[str, object]]) -> None:
        self._kept = kept

    def start(self, run: RunInfo) -> None:
        self._kept.append(("start", run))

    def log(self, step: int, values: Mapping[str, float], time: float) -> None:
        self._kept.append(("log", (step, dict(values))))

    def summary(self, values: Mapping[str, JsonValue]) -> None:
        self._kept.append(("summary", dict(values)))

    def finish(self, status: str) -> None:
        self._kept.append(("finish", status))


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, object]]:
    kept: list[tuple[str, object]] = []
    monkeypatch.setattr("ownlm.pipeline.tracking.open.open_trackers", lambda track, home: [Recorder(kept)])
    return kept


def test_every_stage_is_told_to_the_trackers(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch, told: list[tuple[str, object]]
) -> None:
    toy_stages(monkeypatch)
    results = carry_out(toy_recipe(tmp_path), store)
    assert [what for what, _ in told] == ["start", "log", "summary", "finish"] * 8
    runs = [run for _, run in told if isinstance(run, RunInfo)]
    assert [run.stage for run in runs] == STAGES
    assert [run.key for run in runs] == [result.artifact.manifest.key for result in results.values()]
    assert {run.name for run in runs} == {"small"}
    assert runs[5].params["context"] == 128
    assert {status for what, status in told if what == "finish"} == {"finished"}
    told.clear()
    carry_out(toy_recipe(tmp_path), store)
    assert told == [], "what is cached is not told again"


@pytest.mark.parametrize(("instead", "status"), [(interrupt, "killed"), (fail, "failed")])
def test_trackers_learn_how_a_stage_ended(
    tmp_path: Path,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    told: list[tuple[str, object]],
    instead: object,
    status: str,
) -> None:
    toy_stages(monkeypatch, {"corpus": instead})  # type: ignore[dict-item]
    with pytest.raises((KeyboardInterrupt, RuntimeError)):
        carry_out(toy_recipe(tmp_path), store)
    assert [ended for what, ended in told if what == "finish"] == ["finished", "finished", status]
