"""`ownlm experiment` from its start to its end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ownlm.errors import InputError, RecipeError
from ownlm.experimenting import experiment, shares_of
from ownlm.live.feedback.event import Origin
from ownlm.live.rollout.registry import open_registry
from tests.live.lived import Did, live, new_store
from tests.live.rollout.made import to
from tests.saying import saying


@pytest.fixture
def home(tmp_path: Path) -> Path:
    open_registry(tmp_path / "rollout").change(to("v1"), why="")
    return tmp_path


@pytest.fixture
def say(home):
    return saying(experiment, home)


def test_the_life_of_an_experiment(say, home):
    said = say("start", "everyone", "s3://models/v2", "--name", "longer", "--split", "60/40", "--lift", "10")
    assert "longer: A v1, B v2, 60/40 of the users of everyone" in said
    assert "A difference of 10 points in acceptance is seen with a chance of 80 % by about" in said
    assert "assumed" in said
    store = new_store(home / "feedback")
    started = open_registry(home / "rollout").read().state.experiments["longer"].started
    live(
        store,
        [
            Did(
                Origin(f"v{1 + number % 2}", "everyone", "longer", "ab"[number % 2], user=f"u{number % 60}"),
                started + 1,
                did="select" if number % 5 == 0 else "dismiss",
            )
            for number in range(600)
        ],
    )
    store.database.close()
    shown = say("show", "longer")
    assert shown.startswith("Too early: acceptance ")
    assert "more users are needed to see a difference of 10 points" in shown
    assert (home / "experiments" / "longer" / "index.html").is_file()
    assert json.loads(say("show", "longer", "--json"))["users"] == [30, 30]
    assert "longer  everyone  A v1 60 %, B v2 40 %" in say("list")
    assert "longer is stopped; users of everyone get v1." in say("stop", "longer", "--why", "enough")
    assert "stopped" in say("list")
    assert say("show", "longer").startswith("It cannot be told: ")
    with pytest.raises(RecipeError, match="no experiment"):
        say("stop", "longer")


def test_an_experiment_without_a_name_gets_one(say, home):
    name = say("start", "v1", "s3://models/v2").split(":")[0]
    assert name.startswith("everyone-20")
    assert name in say("list")
    assert list(open_registry(home / "rollout").read().state.experiments) == [name]


@pytest.mark.parametrize(
    "words",
    [
        ("start", "v1", "s3://models/v2", "--name", "Not a name"),
        ("start", "v1", "s3://models/v2", "--name", "x", "--split", "50/60"),
        ("start", "v1", "s3://models/v2", "--name", "x", "--split", "half"),
        ("start", "v1", "v1", "--name", "x"),
        ("start", "v1", "s3://models/v2", "--name", "x", "--metric", "speed"),
        ("start", "v1", "s3://models/v2", "--name", "x", "--channel", "staff"),
        ("show", "nothing"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(say, home, words):
    with pytest.raises(RecipeError):
        say(*words)
    assert open_registry(home / "rollout").read().revision == 1


def test_without_feedback_there_is_nothing_to_show(say):
    say("start", "v1", "s3://models/v2", "--name", "x")
    with pytest.raises(InputError, match="no feedback"):
        say("show", "x")


@given(st.integers(1, 99))
def test_a_split_is_two_shares(percent):
    a, b = shares_of(f"{percent}/{100 - percent}")
    assert a == pytest.approx(percent / 100)
    assert a + b == pytest.approx(1)
