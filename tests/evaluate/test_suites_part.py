"""The stage's part `suites`, with a real model, a real judge and a real sandbox."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ownlm.errors import EvaluationError
from ownlm.evaluate import measure as measuring
from ownlm.evaluate.config import EvaluateConfig, EvaluateStage
from ownlm.evaluate.execution import carry_out
from ownlm.evaluate.run import evaluate
from ownlm.evaluate.suites_part import not_kept_out, suites_fingerprint
from ownlm.flow import stages_of
from ownlm.pipeline.artifact import content_hash, describe_files
from ownlm.pipeline.key import stage_key
from ownlm.pipeline.stage import StageContext
from ownlm.pipeline.store import Store
from ownlm.plan import plan, totals
from tests.context import make_context
from tests.evaluate.models import trained
from tests.evaluate.numbers_suite import cannot_contain, write_suite
from tests.tokens.corpora import small
from tests.toy_run import toy_recipe

contained = pytest.mark.skipif(cannot_contain() is not None, reason=cannot_contain() or "")


def context_of(tmp_path: Path, name: str, **run: Any) -> StageContext:
    suites = {str(write_suite(tmp_path / "suite")): run}
    config = EvaluateConfig.model_validate([{"suites": suites}])
    train, vocabulary, shards = trained()
    inputs = {"train": train, "vocabulary": vocabulary, "shards": shards, "corpus": small()[0]}
    return make_context(tmp_path, EvaluateStage(evaluate=config), inputs, name=name)


@contained
def test_a_model_is_measured_by_a_suite_and_all_of_it_is_kept(tmp_path: Path) -> None:
    context = context_of(tmp_path, "out", samples=3, temperature=0.8, k=[1, 2])
    headline = evaluate(context)
    results = json.loads((context.out / "results.json").read_text())
    suite = results["suites"]["known"]
    assert suite["ends"] == {"passed": 6, "failed": 3, "no_end": 3}
    assert suite["by_problem"]["wrong/0"]["passed"] == 0
    assert headline["known.pass_at_1"] == headline["known.pass_at_2"] == suite["pass_at_k"]["1"]["value"] == 0.5
    assert results["environment"]["tools"]["python"].startswith("Python 3")
    assert results["environment"]["sandbox"]
    assert results["measured"]["identity"]["weights"]
    assert len((context.out / "samples.jsonl").read_text().splitlines()) == 12
    assert "known" in (context.out / "report/index.html").read_text()
    assert (context.out / "report/answers/index.html").is_file()
    lines = context.metrics.read(context.out / "metrics.jsonl")
    assert [(line["step"], line["known.pass_at_k"]) for line in lines] == [(1, 0.5), (2, 0.5), (3, 0.5)]


@contained
def test_killed_and_continued_it_leaves_the_bytes_of_one_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, killed = (context_of(tmp_path, name, samples=2, temperature=0.8) for name in ("whole", "killed"))
    evaluate(whole)

    def dies(*arguments: Any) -> Any:
        carry_out(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(measuring, "carry_out", dies)
        with pytest.raises(KeyboardInterrupt):
            evaluate(killed)
    answers = (killed.scratch / "suites/answers.jsonl").read_bytes()
    evaluate(killed)
    assert (killed.scratch / "suites/answers.jsonl").read_bytes() == answers
    first, second = (content_hash(describe_files(one.out)) for one in (whole, killed))
    assert first == second


def test_the_key_depends_on_what_the_benchmark_holds(tmp_path: Path) -> None:
    folder = write_suite(tmp_path / "suite")
    recipe = toy_recipe(tmp_path)
    plain = next(stage for stage in stages_of(recipe) if stage.name == "evaluate")
    assert plain.fingerprint is None
    assert not plain.resumable
    measured = recipe.model_copy(update={"evaluate": EvaluateConfig.model_validate({"suites": {str(folder): {}}})})
    stage = next(stage for stage in stages_of(measured) if stage.name == "evaluate")
    assert stage.fingerprint is not None
    assert stage.resumable
    before = stage.fingerprint(None)
    assert before == suites_fingerprint(measured.evaluate, None)
    inputs = dict.fromkeys(stage.inputs, "0")
    assert stage_key(plain, inputs, None) != stage_key(stage, inputs, before)
    with (folder / "problems.jsonl").open("a") as stream:
        stream.write('{"id": "new", "prompt": "", "tests": ""}\n')
    assert stage.fingerprint(None) != before


def test_what_decontamination_does_not_keep_out_is_said_in_the_plan(tmp_path: Path) -> None:
    (tmp_path / "benchmarks").mkdir()
    at = str(tmp_path / "benchmarks" / "HumanEval.jsonl.gz")
    recipe = toy_recipe(tmp_path)
    suites = EvaluateConfig.model_validate({"suites": {"humaneval": {"path": at}, "mbpp": {}}})
    said = not_kept_out(recipe.model_copy(update={"evaluate": suites}))
    assert len(said) == 2
    assert f"humaneval is measured on {at}, which clean.decontamination.paths does not list" in said[0]
    rules = {"decontamination": {"paths": [str(tmp_path / "benchmarks")]}}
    clean = type(recipe.clean).model_validate(rules)
    (left,) = not_kept_out(recipe.model_copy(update={"evaluate": suites, "clean": clean}))
    assert left.startswith("mbpp")
    assert not_kept_out(recipe) == []


@contained
def test_the_plan_checks_what_is_needed_before_anything_runs(tmp_path: Path) -> None:
    recipe, store = toy_recipe(tmp_path), Store(tmp_path / "home")
    folder = str(write_suite(tmp_path / "suite"))
    there = recipe.model_copy(update={"evaluate": EvaluateConfig.model_validate({"suites": {folder: {}}})})
    assert "does not list" in totals(plan(there, store, workers=1))["take care"]
    gone = EvaluateConfig.model_validate({"suites": {"humaneval": {"path": str(tmp_path / "nowhere")}}})
    with pytest.raises(EvaluationError, match="not at this path"):
        plan(recipe.model_copy(update={"evaluate": gone}), store, workers=1)
