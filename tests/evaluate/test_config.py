from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

from ownlm.evaluate.company.config import HiddenLines
from ownlm.evaluate.config import EvaluateConfig, EvaluateStage


def test_without_settings_every_suite_runs() -> None:
    for config in (EvaluateConfig(), EvaluateConfig.model_validate({})):
        assert config.bits_per_byte is not None
        assert config.hidden_lines is not None


def test_a_list_names_the_suites_that_are_on() -> None:
    for block in (["bits_per_byte"], {"hidden_lines": None}, [{"bits_per_byte": {"max_tokens": 500}}]):
        config = EvaluateConfig.model_validate(block)
        assert config.bits_per_byte is not None
        assert config.hidden_lines is None
    assert config.bits_per_byte.max_tokens == 500


def test_changing_one_suite_leaves_the_others_on() -> None:
    config = EvaluateConfig.model_validate({"hidden_lines": {"lines": 5}})
    assert config.bits_per_byte == EvaluateConfig().bits_per_byte
    assert config.hidden_lines == HiddenLines(lines=5)


def test_the_rival_can_be_set_without_touching_the_suites() -> None:
    config = EvaluateConfig.model_validate({"ngram": {"order": 3}})
    assert config.ngram.order == 3
    assert config.bits_per_byte is not None
    assert config.hidden_lines == HiddenLines()


@pytest.mark.parametrize(
    "block",
    [
        {"bits_per_byte": None, "hidden_lines": None},
        ["bits_per_bytes"],
        [3],
        {"hidden_lines": {"order": "sideways"}},
        {"hidden_lines": {"lines": 0}},
        {"bits_per_byte": {"overlap": 1.0}},
        {"ngram": {"order": 0}},
        "bits_per_byte",
    ],
)
def test_refuses_what_it_does_not_know(block: object) -> None:
    with pytest.raises(ValidationError):
        EvaluateConfig.model_validate(block)


def test_settings_import_nothing_heavy() -> None:
    code = (
        "import sys, ownlm.evaluate.config, ownlm.export.config\n"
        "print(sorted({'torch', 'numpy', 'transformers', 'ctranslate2', 'pyarrow', 'tokenizers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


TODAY = (
    '{"evaluate":{"batch":32,"bits_per_byte":{"document_tokens":8192,"max_tokens":100000,"overlap":0.25,"seed":0},'
    '"hidden_lines":{"examples":10,"lines":250,"max_tokens":64,"min_characters":8,"order":"suffix_first","seed":0,'
    '"suffix_share":0.25},"ngram":{"max_tokens":20000000,"order":5}}}'
)


def test_settings_that_came_later_change_no_key_until_they_are_set() -> None:
    assert EvaluateStage().canonical() == TODAY
    set_now = EvaluateConfig.model_validate({"suites": {"humaneval": {}}})
    assert "humaneval" in EvaluateStage(evaluate=set_now).canonical()
    assert EvaluateConfig.model_validate(set_now.model_dump()) == set_now


def test_suites_are_a_part_among_others() -> None:
    alone = EvaluateConfig.model_validate([{"suites": {"humaneval": {"path": "HumanEval.jsonl.gz", "limit": 3}}}])
    assert alone.bits_per_byte is alone.hidden_lines is None
    assert alone.suites is not None
    assert alone.suites["humaneval"].limit == 3
    beside = EvaluateConfig.model_validate({"suites": {"humaneval": {}}})
    assert beside.bits_per_byte is not None
    assert EvaluateConfig.model_validate(["bits_per_byte"]).suites is None


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"k": [1, 10]}, "pass@10 needs at least 10 samples"),
        ({"samples": 5, "temperature": 0.8, "k": [0]}, "k at least 1"),
        ({"samples": 5}, "all the same at temperature 0"),
        ({"paths": "x"}, "paths"),
    ],
)
def test_how_a_suite_is_asked_has_to_make_sense(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        EvaluateConfig.model_validate({"suites": {"humaneval": settings}})
