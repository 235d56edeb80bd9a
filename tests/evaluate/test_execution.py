from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ownlm.evaluate import execution
from ownlm.evaluate.execution import carry_out, seed_of
from ownlm.evaluate.journal import Journal
from ownlm.pipeline.progress import SilentProgress
from tests.evaluate.fakes import FakeJudge, FakeModel, FakeSuite, asked

SILENT = SilentProgress()


def test_every_answer_is_cut_run_and_said_in_order(tmp_path: Path) -> None:
    model, judge = FakeModel(wrong=(1, 3)), FakeJudge()
    samples = carry_out(asked(), model, judge, Journal(tmp_path, {}), SILENT)
    assert [sample.key for sample in samples] == [("numbers", f"python/{index}", 0) for index in range(4)]
    assert [sample.answer for sample in samples] == ["0", "?", "2", "?"]
    assert [sample.status for sample in samples] == ["passed", "failed", "passed", "timed_out"]
    assert samples[3].retried
    assert samples[1].output == "? is not 1"
    request = model.asked[0]
    assert (request.prefix, request.stops, request.max_tokens, request.temperature) == ("write 0: ", ("\n",), 16, 0)


def test_the_recipes_length_goes_before_the_suites(tmp_path: Path) -> None:
    model = FakeModel()
    carry_out(asked(max_tokens=5), model, FakeJudge(), Journal(tmp_path, {}), SILENT)
    assert {request.max_tokens for request in model.asked} == {5}


def test_a_program_that_came_up_before_is_not_run_again(tmp_path: Path) -> None:
    judge = FakeJudge()
    samples = carry_out(asked(samples=9, temperature=0.8), FakeModel(), judge, Journal(tmp_path, {}), SILENT)
    assert len(samples) == 36
    assert len(judge.ran) == len(set(judge.ran)) <= 8
    for sample in samples:
        assert (sample.status == "passed") == (sample.answer != "?")


def test_each_sample_has_a_seed_of_its_own(tmp_path: Path) -> None:
    model = FakeModel()
    carry_out(asked(samples=5, temperature=0.8, top_p=0.95), model, FakeJudge(), Journal(tmp_path, {}), SILENT)
    assert len({request.seed for request in model.asked}) == 20
    assert {request.top_p for request in model.asked} == {0.95}


@given(st.integers(0, 2**62), st.text(max_size=5), st.integers(0, 1000))
def test_a_seed_depends_on_nothing_but_its_names_and_fits_every_server(seed: int, problem: str, sample: int) -> None:
    found = seed_of(seed, ("s", problem, sample))
    assert 0 <= found < 2**31
    assert found == seed_of(seed, ("s", problem, sample))
    assert len({found, seed_of(seed, ("s", problem, sample + 1)), seed_of(seed + 1, ("s", problem, sample))}) > 1


@pytest.mark.parametrize(("answers", "programs"), [(2, None), (None, 3), (None, None)])
def test_killed_anywhere_it_continues_with_what_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: int | None, programs: int | None
) -> None:
    monkeypatch.setattr(execution, "CHUNK", 1)
    monkeypatch.setattr(execution, "PROGRAMS", 1)
    suite = FakeSuite(languages=("lua", "python"))
    whole = carry_out(asked(suite), FakeModel(wrong=(3,)), FakeJudge(), Journal(tmp_path / "whole", {}), SILENT)
    first = (FakeModel(wrong=(3,), dies_after=answers), FakeJudge(dies_after=programs))
    if answers is not None or programs is not None:
        with pytest.raises(KeyboardInterrupt):
            carry_out(asked(suite), *first, Journal(tmp_path / "killed", {}), SILENT)
    model, judge = FakeModel(wrong=(3,)), FakeJudge()
    assert carry_out(asked(suite), model, judge, Journal(tmp_path / "killed", {}), SILENT) == whole
    assert len(first[0].asked) + len(model.asked) == 8 or answers is programs is None
    assert len(first[1].ran) + len(judge.ran) <= 8


def test_a_verdict_known_from_before_serves_its_duplicates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "CHUNK", 1)
    monkeypatch.setattr(execution, "PROGRAMS", 1)
    sampled = asked(FakeSuite(count=1), samples=8, temperature=0.8)
    whole = carry_out(sampled, FakeModel(), FakeJudge(), Journal(tmp_path, {}), SILENT)
    lines = (tmp_path / "verdicts.jsonl").read_text().splitlines(keepends=True)
    for kept in range(1, len(lines)):
        (tmp_path / "verdicts.jsonl").write_text("".join(lines[:kept]))
        journal, judge = Journal(tmp_path, {}), FakeJudge()
        known = {sample.answer for sample in whole if sample.key in journal.verdicts}
        assert carry_out(sampled, FakeModel(), judge, journal, SILENT) == whole
        assert len(judge.ran) == len({sample.answer for sample in whole} - known)
