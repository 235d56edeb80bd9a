"""A page and the figures beside it: both are there, or it is said which could not be written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ownlm.errors import StorageError
from ownlm.web.figures import write_with_figures
from ownlm.web.page import Page


def test_both_are_written(tmp_path: Path) -> None:
    written = write_with_figures(Page("Sizes"), {"best": 8192}, tmp_path / "new/folder", "sweep.json")
    assert written == tmp_path / "new/folder/index.html"
    assert "<h1>Sizes</h1>" in written.read_text(encoding="utf-8")
    assert json.loads((tmp_path / "new/folder/sweep.json").read_text()) == {"best": 8192}


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "sweep.json").mkdir()
    with pytest.raises(StorageError, match="The figures cannot be written: Is a directory") as caught:
        write_with_figures(Page("Sizes"), {}, tmp_path, "sweep.json")
    assert caught.value.where == str(tmp_path)
