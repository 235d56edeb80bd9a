"""What `ownlm train replay`, `blame` and `incidents` find and print."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from ownlm import replaying
from ownlm.errors import ArtifactError, InputError
from ownlm.pipeline.store import Store
from ownlm.train.spikes.records import Record
from ownlm.train.spikes.replay import Replayed
from tests.toy_run import carry_out, toy_recipe, toy_stages, write_recipe

RECORD = Record(12, 11, 250.0, 1.5, 100, 300)


def printed(show: Any, *arguments: Any) -> str:
    out = Console(file=io.StringIO(), width=200)
    show(out, *arguments)
    return out.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def replayed(**changes: Any) -> Replayed:
    values: dict[str, Any] = {"start": 8, "got": RECORD, "logged": RECORD, "compared": 4, "equal": 4, "first": None}
    return Replayed(**values | {"differs": {}, "folder": None} | changes)


def test_identical_is_said_and_nothing_else_is_called_so() -> None:
    text = printed(replaying.print_replayed, replayed())
    assert "step 12, replayed from the checkpoint of step 8: loss 2.5, gradient 1.5" in text
    assert "identical: all 4 steps replayed are what the run logged, to the last bit" in text
    other = Record(12, 11, 250.0000001, 1.5, 100, 300)
    differs = {"machine": ("AVX512", "AVX2\x1b[2J")}
    text = printed(replaying.print_replayed, replayed(logged=other, equal=1, first=10, differs=differs, start=0))
    assert "replayed from the start" in text
    assert "not identical: the loss differs by 4e-10 of it; 1 of 4 steps are identical, the first" in text
    assert "that is not is step 10" in text
    assert "machine: then AVX512, now AVX2" in text
    assert "\x1b" not in text
    assert "nothing to compare with" in printed(replaying.print_replayed, replayed(logged=None, compared=0, equal=0))
    assert "nothing that is known" in printed(replaying.print_replayed, replayed(logged=other, equal=3, first=12))


def test_json_says_the_same() -> None:
    values = json.loads(json.dumps(replaying.replayed_json(replayed())))
    assert (values["identical"], values["start"], values["compared"], values["got"]["loss"]) == (True, 8, 4, 2.5)


def test_documents_cannot_steer_the_terminal(tmp_path: Path) -> None:
    one = {
        "rank": 1,
        "repo": "evil\x1b[2J",
        "path": "[red]a.py",
        "language": "Python",
        "labels": 3,
        "loss": "NaN",
        "usual": 2.0,
        "z_score": "NaN",
        "share": 0.5,
    }
    (tmp_path / "incident.json").write_text(json.dumps({"documents": [one] * 20}))
    text = printed(replaying.print_blamed, tmp_path)
    assert "\x1b" not in text
    assert "[red]a.py" in text
    assert "and 8 more documents" in text


def test_what_is_no_run_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toy_stages(monkeypatch)
    store = Store(tmp_path / "home")
    with pytest.raises(ArtifactError, match="does not say which run"):
        replaying.find_run(store, tmp_path)
    with pytest.raises(InputError, match="Nothing was run here yet"):
        replaying.find_run(store, write_recipe(tmp_path))
    carry_out(toy_recipe(tmp_path), store)
    with pytest.raises(InputError, match="was not trained with these settings yet"):
        replaying.find_run(store, write_recipe(tmp_path))
    with pytest.raises(ArtifactError, match="cannot be read"):
        replaying.read_incident(tmp_path)
