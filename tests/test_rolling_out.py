"""`ownlm rollout` on a real store: what is said, what is written, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ownlm.errors import ArtifactError, InputError, RecipeError
from ownlm.live.feedback.event import Origin
from ownlm.live.feedback.sqlite import SqliteDatabase
from ownlm.live.feedback.store import Store as FeedbackStore
from ownlm.live.rollout.registry import open_registry
from ownlm.live.rollout.state import ModelVersion, RolloutState
from ownlm.pipeline.store import Store
from ownlm.releasing import version_of
from ownlm.rolling_out import rollout
from tests.live.lived import Did, live
from tests.saying import saying


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder with two exports that were copied there from somewhere else."""
    for name in ("first", "second"):
        folder = tmp_path / "models" / name / "ctranslate2"
        folder.mkdir(parents=True)
        (folder / "ownlm.json").write_text(json.dumps({"name": "own"}))
    return tmp_path / "home"


@pytest.fixture
def say(home, monkeypatch):
    monkeypatch.chdir(home.parent)
    return saying(rollout, home)


def test_the_life_of_a_channel(say, home):
    assert "first (revision 1)" in say("to", "staff", "models/first", "--why", "new")
    assert "first -> second (10 %) (revision 2)" in say("to", "staff", "models/second", "--percent", "10")
    assert "second (10 %) -> second (40 %)" in say("percent", "40")
    shown = say("show")
    assert "first (own) since" in shown
    assert "second for 40 % of users" in shown
    assert "second (40 %) -> second" in say("percent", "100", "staff")
    assert "nothing -> second" in say("promote", "staff", "everyone", "--why", "good")
    assert "second -> first" in say("back", "--why", "not good")
    lines = say("history").splitlines()
    assert len(lines) == 6
    assert "back staff: second -> first  (not good)" in lines[0]
    assert "to staff: nothing -> first  (new)" in lines[-1]
    assert len(json.loads(say("history", "--json"))) == 6
    state = open_registry(home / "rollout").read().state
    assert state.versions["second"].source == str(home.parent / "models" / "second")


def test_guards_and_a_version_that_goes_back_by_itself(say, home):
    say("to", "everyone", "models/first")
    assert "errors up to 1.00%, p95 up to 0.3 s" in say(
        "guard", "everyone", "--errors", "1", "--p95-ms", "300", "--acceptance-drop", "-1"
    )
    say("to", "everyone", "models/second", "--evaluation", "https://evaluations.example/second")
    assert "https://evaluations.example/second" in say("show")
    (home / "feedback").mkdir()
    store = FeedbackStore(SqliteDatabase(home / "feedback" / "events.sqlite3"))
    later = open_registry(home / "rollout").read().state.channels["everyone"].since + 1
    origin = Origin("second", "everyone", user="ann")
    live(store, [Did(origin, later, outcome="error") for _ in range(80)])
    store.database.close()
    assert "everyone went back: errors: 80 of 80 requests" in say("watch", "--once")
    assert "guard  back everyone: second -> first" in say("history")
    assert say("watch", "--once") == "Nothing was taken back.\n"


def test_a_damaged_registry_is_mended(say, home):
    say("to", "everyone", "models/first")
    (home / "rollout" / "000000002.json").write_text("{")
    assert "damaged" in say("show")
    with pytest.raises(ArtifactError, match="damaged"):
        say("to", "everyone", "models/second")
    assert "Revision 3" in say("mend", "--why", "a full disk")
    say("to", "everyone", "models/second")
    assert "damaged" in say("history")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("to", "everyone", "models/none"), InputError),
        (("to", "everyone", "models"), InputError),
        (("percent", "10"), RecipeError),
        (("back",), RecipeError),
        (("promote", "staff", "everyone"), RecipeError),
        (("watch", "--once"), InputError),
        (("to", "Staff Channel", "models/first"), RecipeError),
        (("guard", "everyone", "--errors", "100"), RecipeError),
        (("guard", "everyone", "--p95-ms", "-3"), RecipeError),
        (("guard", "everyone", "--acceptance-drop", "nan"), RecipeError),
    ],
)
def test_what_cannot_be_is_refused(say, words, error):
    with pytest.raises(error):
        say(*words)


def test_a_version_is_meant_by_name_channel_folder_or_url(home):
    store = Store(home)
    state = RolloutState.model_validate(
        {
            "versions": {"v1": {"source": "/models/v1", "model": "own"}},
            "channels": {"staff": {"version": "v1", "since": 0.0}},
        }
    )
    known = ("v1", ModelVersion(source="/models/v1", model="own"))
    assert version_of(store, "v1", state) == known
    assert version_of(store, "staff", state) == known
    name, version = version_of(store, "s3://bucket/exports/v7/", state, "report.html")
    assert (name, version.source, version.evaluation) == ("v7", "s3://bucket/exports/v7", {"page": "report.html"})
    with pytest.raises(InputError, match="no run, artifact, folder or version") as error:
        version_of(store, "v9", state)
    assert "v1" in str(error.value.advice)
