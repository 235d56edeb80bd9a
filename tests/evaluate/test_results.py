from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ownlm.errors import EvaluationError, StorageError
from ownlm.evaluate.results import Sample, read_results, write_samples, write_summary

SAMPLE = Sample("s", "p/1", "python", 0, "return 1", "stop", False, "passed", "", 0.125, False)


@given(st.lists(st.text() | st.just("\ud800 \u2028 </script>\r\n\x00"), min_size=1, max_size=4))
@settings(max_examples=40)
def test_any_text_is_read_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    folder = tmp_path_factory.mktemp("results")
    samples = [replace(SAMPLE, sample=i, answer=text, output=text[::-1]) for i, text in enumerate(texts)]
    write_samples(folder, samples)
    write_summary(folder, {"suites": {}})
    found = read_results(folder)
    assert found.samples == samples
    assert found.summary == {"suites": {}}


def test_what_a_clock_changes_is_not_in_what_must_be_equal(tmp_path: Path) -> None:
    for name, seconds in (("one", 0.5), ("two", 7.25)):
        late = replace(SAMPLE, cpu_seconds=seconds, retried=seconds > 1, output=f"at {seconds}")
        write_samples(tmp_path / name, [late])
    assert (tmp_path / "one/samples.jsonl").read_bytes() == (tmp_path / "two/samples.jsonl").read_bytes()
    assert (tmp_path / "one/log/runs.jsonl").read_bytes() != (tmp_path / "two/log/runs.jsonl").read_bytes()
    line = json.loads((tmp_path / "one/samples.jsonl").read_text())
    assert list(line) == ["suite", "problem", "language", "sample", "answer", "finish", "cut", "status"]


def test_without_the_log_the_verdicts_are_still_there(tmp_path: Path) -> None:
    write_samples(tmp_path, [replace(SAMPLE, output="gone")])
    write_summary(tmp_path, {})
    (tmp_path / "log/runs.jsonl").unlink()
    assert read_results(tmp_path).samples == [replace(SAMPLE, cpu_seconds=0.0)]


def test_nothing_there_and_damage_are_told(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"no results\.json"):
        read_results(tmp_path)
    write_summary(tmp_path, {})
    (tmp_path / "samples.jsonl").write_text('{"suite": "s"}\n')
    with pytest.raises(EvaluationError, match="damaged"):
        read_results(tmp_path)


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "results.json").mkdir()
    with pytest.raises(StorageError, match="cannot be written"):
        write_summary(tmp_path, {})
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]
