"""A worker's error comes back as what it was."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

from ownlm.errors import CorpusError, TrainingError
from ownlm.train.parallel.failure import failed, tell


def failure(
    folder: Path, rank: int, error: BaseException | None, monkeypatch: pytest.MonkeyPatch, code: int = -9
) -> ProcessFailure:
    path = folder / f"error-{rank}.json"
    if error is not None:
        monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(path))
        tell(error, rank)
    return ProcessFailure(local_rank=rank, pid=1000 + rank, exitcode=1 if error else code, error_file=str(path))


def test_an_error_of_ours_is_raised_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though another process broke off first, with an error that only says so."""
    broken = failure(tmp_path, 0, RuntimeError("Connection closed by peer"), monkeypatch)
    ours = failure(tmp_path, 1, CorpusError("too little", where="shards", advice="add sources"), monkeypatch)
    again = failed(ChildFailedError("worker", {0: broken, 1: ours}), tmp_path)
    assert isinstance(again, CorpusError)
    assert (again.what, again.where, again.advice) == ("too little", "shards", "add sources")
    assert again.__notes__ == ["in the training process of rank 1"]


def test_any_other_error_names_the_rank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = failure(tmp_path, 1, ValueError("no such thing\nmore"), monkeypatch)
    again = failed(ChildFailedError("worker", {1: other}), tmp_path)
    assert isinstance(again, TrainingError)
    assert again.what == "the training process of rank 1 ended: ValueError: no such thing"
    assert again.where == str(tmp_path)


def test_a_killed_worker_says_by_what(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    again = failed(ChildFailedError("worker", {1: failure(tmp_path, 1, None, monkeypatch)}), tmp_path)
    assert "rank 1 ended: signal SIGKILL" in again.what


def test_the_one_the_others_were_ended_for_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = failure(tmp_path, 0, None, monkeypatch, code=-15)
    aborted = failure(tmp_path, 1, None, monkeypatch, code=-6)
    assert "rank 1 ended: signal SIGABRT" in failed(ChildFailedError("worker", {0: ended, 1: aborted}), tmp_path).what
