from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ownlm.errors import EvaluationError, StorageError
from ownlm.evaluate.journal import Journal, Key
from ownlm.evaluate.models.base import Answer
from ownlm.evaluate.runners.base import Verdict

KEY: Key = ("s", "p/1", 0)
texts = st.text() | st.just("\ud800 \u2028 </script>\r\n\x00")


@given(
    text=texts,
    keys=st.lists(st.tuples(texts, texts, st.integers(0, 99)), unique=True, max_size=4),
    cut_off=st.integers(0, 40),
)
@settings(max_examples=40)
def test_what_was_added_is_read_again_and_half_a_line_is_not(
    tmp_path_factory: pytest.TempPathFactory, text: str, keys: list[Key], cut_off: int
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    journal = Journal(folder, {"model": text})
    answers = {key: Answer(text + str(number), "length", cut=True) for number, key in enumerate(keys)}
    journal.add_answers(answers)
    journal.add_verdicts({KEY: Verdict("timed_out", text, 1.5, retried=True)})
    again = Journal(folder, {"model": text})
    assert again.answers == answers == journal.answers
    assert again.verdicts == {KEY: Verdict("timed_out", text, 1.5, retried=True)}
    path = folder / "answers.jsonl"
    data = path.read_bytes()
    kept = data[: max(0, len(data) - cut_off)]
    path.write_bytes(kept)
    torn = Journal(folder, {"model": text})
    assert torn.answers.items() <= answers.items()
    assert len(torn.answers) == kept.count(b"\n")
    torn.add_answers({KEY: Answer("after", "stop")})
    assert Journal(folder, {"model": text}).answers == torn.answers


def test_another_evaluation_does_not_touch_it(tmp_path: Path) -> None:
    Journal(tmp_path, {"model": "a", "seed": 0, "suites": {"x": [1, 2]}})
    Journal(tmp_path, {"suites": {"x": [1, 2]}, "seed": 0, "model": "a"})
    with pytest.raises(EvaluationError, match="another evaluation: model, seed differ") as refused:
        Journal(tmp_path, {"model": "b", "seed": 1, "suites": {"x": [1, 2]}})
    assert "--out" in str(refused.value)


@pytest.mark.parametrize("name", ["answers.jsonl", "verdicts.jsonl", "identity.json"])
def test_damage_is_one_clear_error(tmp_path: Path, name: str) -> None:
    Journal(tmp_path, {})
    (tmp_path / name).write_text("not json\n")
    with pytest.raises(EvaluationError, match="damaged") as refused:
        Journal(tmp_path, {})
    assert name in str(refused.value)


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", {})
    (tmp_path / "j" / "answers.jsonl").mkdir()
    with pytest.raises(StorageError, match="cannot be kept"):
        journal.add_answers({KEY: Answer("x", "stop")})
