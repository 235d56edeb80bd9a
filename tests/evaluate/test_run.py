from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ownlm.errors import ArtifactError, CorpusError
from ownlm.evaluate.company.config import HiddenBlocks, HiddenBodies, HiddenLines
from ownlm.evaluate.config import BitsPerByte, EvaluateConfig, EvaluateStage, Ngram
from ownlm.evaluate.run import evaluate
from ownlm.evaluate.sandbox.program import Sandbox
from ownlm.model.load import save_model
from ownlm.pipeline.stage import StageContext
from tests.context import make_context
from tests.evaluate.models import tiny, trained
from tests.tokens.corpora import small, train_vocabulary

CONFIG = EvaluateConfig(
    bits_per_byte=BitsPerByte(max_tokens=1500),
    hidden_lines=HiddenLines(lines=24, max_tokens=12, examples=4),
    ngram=Ngram(order=4),
)


def context_of(tmp_path: Path, config: EvaluateConfig = CONFIG, name: str = "out", **inputs: Path) -> StageContext:
    train, vocabulary, shards = trained()
    given = {"train": train, "vocabulary": vocabulary, "shards": shards, "corpus": small()[0]} | inputs
    return make_context(tmp_path, EvaluateStage(evaluate=config), given, name=name)


def results_of(context: StageContext) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((context.out / "results.json").read_text())
    return found


def test_figures_of_every_rival_on_the_same_tokens(tmp_path: Path) -> None:
    context = context_of(tmp_path)
    headline = evaluate(context)
    results = results_of(context)
    for split in ("heldout_repos", "heldout_files"):
        bits = results["bits_per_byte"][split]
        assert set(bits) == {"model", "untrained", "ngram"}
        assert bits["model"] < bits["untrained"]
        assert bits["ngram"] < bits["untrained"]
        for rival, (low, high) in results["bits_per_byte_95"][split].items():
            assert low <= bits[rival] <= high
        assert headline[f"bits_per_byte.{split}.model"] == bits["model"]
    lines = results["hidden_lines"]
    assert set(lines) == {"model", "untrained", "ngram", "model_left_to_right"}
    assert {scores["n"] for scores in lines.values()} == {24}
    assert lines["model"]["edit_similarity"] > lines["untrained"]["edit_similarity"]
    assert results["hidden_lines_order"]["ngram"] == "left_to_right"
    assert len(results["examples"]) == 4
    page = (context.out / "report" / "index.html").read_text()
    assert "4-gram" in page
    assert "held-out repositories" in page


def test_an_untrained_model_needs_the_bits_of_a_guess(tmp_path: Path) -> None:
    context = context_of(tmp_path, EvaluateConfig(bits_per_byte=BitsPerByte(max_tokens=1500), hidden_lines=None))
    evaluate(context)
    results = results_of(context)
    size = results["bits_per_byte_on"]["heldout_files"]
    guess = 9.0768 * size["tokens"] / size["bytes"]  # log2 of a vocabulary of 540
    assert results["bits_per_byte"]["heldout_files"]["untrained"] == pytest.approx(guess, rel=0.05)


def test_the_same_inputs_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = context_of(tmp_path, name="first"), context_of(tmp_path, name="second")
    evaluate(first)
    evaluate(second)
    assert (first.out / "results.json").read_bytes() == (second.out / "results.json").read_bytes()
    assert (first.out / "report/index.html").read_bytes() == (second.out / "report/index.html").read_bytes()


@pytest.mark.parametrize("suite", ["bits_per_byte", "hidden_lines"])
def test_one_suite_alone(tmp_path: Path, suite: str) -> None:
    config = EvaluateConfig.model_validate([{suite: CONFIG.model_dump()[suite]}])
    context = context_of(tmp_path, config)
    headline = evaluate(context)
    assert all(name.startswith(suite) for name in headline)
    assert (suite == "hidden_lines") == ("examples" in results_of(context))
    assert (context.out / "report/index.html").is_file()


def test_left_to_right_is_not_asked_twice(tmp_path: Path) -> None:
    config = EvaluateConfig(bits_per_byte=None, hidden_lines=HiddenLines(lines=4, max_tokens=4, order="left_to_right"))
    context = context_of(tmp_path, config)
    evaluate(context)
    assert set(results_of(context)["hidden_lines"]) == {"model", "untrained", "ngram"}


def test_one_empty_split_is_left_out(tmp_path: Path) -> None:
    shards = tmp_path / "shards"
    shutil.copytree(small()[2], shards)
    shutil.rmtree(shards / "heldout_files")
    context = context_of(tmp_path, shards=shards)
    evaluate(context)
    results = results_of(context)
    assert list(results["bits_per_byte"]) == ["heldout_repos"]
    assert "hidden_lines" not in results


def test_nothing_held_out_is_one_clear_error(tmp_path: Path) -> None:
    shards = tmp_path / "shards"
    shutil.copytree(small()[2] / "train", shards / "train")
    with pytest.raises(CorpusError, match="nothing to evaluate on"):
        evaluate(context_of(tmp_path, shards=shards))


def test_parts_of_different_runs_are_refused(tmp_path: Path) -> None:
    other = train_vocabulary(tmp_path, small()[0], name="other", size=530)
    with pytest.raises(ArtifactError, match="another vocabulary"):
        evaluate(context_of(tmp_path, vocabulary=other))
    save_model(tiny(vocab_size=500), tmp_path / "narrow")
    with pytest.raises(ArtifactError, match="knows 500 tokens"):
        evaluate(context_of(tmp_path, train=tmp_path / "narrow"))


def test_a_damaged_model_is_one_clear_error(tmp_path: Path) -> None:
    train = tmp_path / "train"
    shutil.copytree(trained()[0], train)
    (train / "model.safetensors").write_bytes(b"not weights")
    context = context_of(tmp_path, train=train)
    with pytest.raises(ArtifactError):
        evaluate(context)
    assert not (context.out / "results.json").exists()


def test_blocks_and_bodies_are_asked_where_a_recipe_says_so(tmp_path: Path) -> None:
    blocks, bodies = HiddenBlocks(count=6, min_lines=1, max_tokens=16, examples=1), HiddenBodies(count=6, max_tokens=16)
    config = EvaluateConfig(bits_per_byte=None, hidden_lines=None, hidden_blocks=blocks, hidden_bodies=bodies)
    context = context_of(tmp_path, config)
    figures, results = evaluate(context), results_of(context)
    for part in ("hidden_blocks", "hidden_bodies"):
        assert {scores["n"] for scores in results[part].values()} == {6}
        assert set(results[part]) == {"model", "untrained", "ngram", "model_left_to_right"}
        assert figures[f"{part}.model.edit_similarity"] == results[part]["model"]["edit_similarity"]
        assert results[part]["model"]["by_language"]["Python"]["n"] == 6
    page = (context.out / "report" / "index.html").read_text()
    assert "Hidden function bodies" in page
    assert "Hidden blocks" in page


def test_a_repositorys_own_tests_judge_what_the_model_writes(sandbox: Sandbox, tmp_path: Path) -> None:
    folder = tmp_path / "checkout"
    folder.mkdir()
    (folder / "sums.py").write_text("def total(items):\n    return sum(items)\n")
    (folder / "test_sums.py").write_text("from sums import total\n\n\ndef test():\n    assert total([1, 2]) == 3\n")
    block = {"repositories": {str(folder): {"command": ["python", "-m", "pytest", "-q"]}}, "max_tokens": 8}
    config = EvaluateConfig.model_validate({"bits_per_byte": None, "hidden_lines": None, "repository_tests": block})
    context = context_of(tmp_path, config)
    figures, results = evaluate(context), results_of(context)
    found = results["repository_tests"][str(folder)]
    assert (found["baseline"], found["tests"], found["functions"]) == ("passed", 1, 1)
    assert {scores["n"] for scores in found["rivals"].values()} == {1}
    assert figures[f"repository_tests.{folder}.model.pass_rate"] == found["rivals"]["model"]["pass_rate"] == 0.0
    assert "Repository tests" in (context.out / "report" / "index.html").read_text()
