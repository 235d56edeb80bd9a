"""An experiment from a real feedback store to its verdict and page."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ownlm.errors import RecipeError
from ownlm.live.experiments import planning
from ownlm.live.experiments.compare import compare
from ownlm.live.experiments.observed import Arm, before, observe, observe_by, observe_days
from ownlm.live.experiments.page import page_of, write
from ownlm.live.experiments.report import report
from ownlm.live.experiments.verdict import judge
from ownlm.live.feedback.event import Origin
from ownlm.live.rollout.state import Experiment, Plan
from tests.live.lived import Did, live, new_store

START = 1_800_000_000.0 - 1_800_000_000.0 % 86_400
DAY = 86_400.0


def experiment(**changed) -> Experiment:
    plain = Experiment(channel="staff", a="v1", b="v2", share_b=0.5, salt="s", started=START, plan=Plan(users=500))
    return plain.model_copy(update=changed)


@pytest.fixture
def store(tmp_path):
    store = new_store(tmp_path)
    yield store
    store.database.close()


def lives(
    users: int, rates: tuple[float, float], seed: int = 0, views: int = 6, share_b: float = 0.5, **how
) -> list[Did]:
    """Users of both arms; one tenth comes on each of ten days. B answers twice as fast."""
    draw, done = np.random.default_rng(seed), []
    for number in range(users):
        arm = int(draw.random() < share_b)
        rate = draw.beta(6 * rates[arm], 6 * (1 - rates[arm]))
        for view in range(views):
            language, suffix = ("Python", ".py") if view % 3 else ("Go", ".go")
            origin = Origin(
                version=f"v{arm + 1}", channel="staff", experiment="trial", arm="ab"[arm], user=f"user-{number}",
                language=language, suffix=suffix, client="tabby-agent/1.9",
            )  # fmt: skip
            accepted = draw.random() < rate
            done.append(
                Did(
                    origin,
                    START + DAY * (number % 10) + view,
                    did="select" if accepted else "dismiss",
                    total_s=float(0.3 - 0.15 * arm) * float(draw.uniform(0.8, 1.25)),
                    text="x" * 20,
                    kept=int(15 - 5 * arm) if accepted and view % 2 else None,
                    **how,
                )
            )
    return done


def test_sums_of_users_are_what_was_done(store):
    """Against counting by hand."""
    done = lives(30, (0.4, 0.5))
    live(store, [*done, Did(Origin("v1", experiment="trial", arm="a", user=""), START), Did(Origin("v1"), START)])
    for number, arm in enumerate(observe(store, "trial", since=START)):
        own = [one for one in done if one.origin.arm == "ab"[number]]
        assert arm.users == len({one.origin.user for one in own})
        assert arm.completions == len(own)
        assert arm.shown_U.sum() == len(own)
        assert arm.accepted_U.sum() == sum(one.did == "select" for one in own)
        kept = sum(20 if one.kept is None else one.kept for one in own if one.did == "select")
        assert arm.kept_U.sum() == kept
        assert arm.seconds_U.sum() == pytest.approx(sum(one.total_s for one in own), rel=0.01)
    assert observe(store, "trial", since=START + 5 * DAY)[0].users < 15
    by = observe_by(store, "trial", "language", since=START)
    assert sorted(by) == ["Go", "Python"]
    whole = observe(store, "trial", since=START)
    assert sum(arms[1].accepted_U.sum() for arms in by.values()) == whole[1].accepted_U.sum()
    days = observe_days(store, "trial", since=START)
    assert len(days) == 10
    assert [sum(day.joined) for day in days] == [3] * 10
    assert days[-1].arms[0].accepted_U.sum() == whole[0].accepted_U.sum()
    assert days[0].day == "2027-01-15"


def test_a_real_difference_is_found_and_said(store):
    live(store, lives(400, (0.2, 0.5)))
    found = report(store, "trial", experiment())
    assert found.verdict.kind == "better"
    assert found.verdict.sentence.startswith("B is better: acceptance ")
    assert found.metrics["latency"].better == "b", "half of the time is better"
    assert -0.55 < found.metrics["latency"].value < -0.45
    assert found.metrics["characters"].value < found.metrics["acceptance"].b / found.metrics["acceptance"].a - 1
    assert found.mismatch > 0.01
    assert set(found.groups["language"]) == {"Go", "Python"}
    whole, part = found.metrics["acceptance"], found.groups["language"]["Go"]["acceptance"]
    assert part.alpha == pytest.approx(0.025)
    assert part.high - part.low > whole.high - whole.low
    json.dumps(found.plain(), allow_nan=False)
    assert "salt" not in json.dumps(found.plain()), "who knows it could work out who is where"


def test_without_a_difference_nothing_is_claimed(store):
    live(store, lives(120, (0.3, 0.3)))
    found = report(store, "trial", experiment())
    assert found.verdict.kind == "early"
    assert "more users are needed to see a difference of 2 points" in found.verdict.sentence
    stopped = report(store, "trial", experiment(stopped=START + 20 * DAY))
    assert stopped.verdict.sentence.startswith("It cannot be told")


def test_before_anybody_came_it_is_too_early(store):
    found = report(store, "trial", experiment())
    assert found.verdict.sentence == (
        "Too early: nothing is known of acceptance yet (0 users); there is too little to say how many users it needs."
    )
    assert "Too early" in page_of(found).html()


def test_users_lost_in_one_arm_are_seen_and_nothing_is_decided(store):
    live(store, lives(400, (0.2, 0.5), share_b=0.33))
    found = report(store, "trial", experiment())
    assert found.verdict.kind == "mismatch"
    assert found.verdict.sentence.startswith("Do not decide on this: A has ")
    assert report(store, "trial", experiment(share_b=0.33)).verdict.kind == "better", "as it should be"


def arm(users: int, accepted: int, shown: int) -> Arm:
    column = np.full(users, float(shown))
    return Arm(column, np.full(users, float(accepted)), column * 10, column, column / 4, users * shown)


def test_arms_that_are_alike_are_said_to_be():
    draw = np.random.default_rng(0)
    arms = tuple(
        Arm(np.full(4000, 50.0), draw.binomial(50, 0.3, 4000).astype(float), *(np.full(4000, 9.0) for _ in range(3)))
        for _ in range(2)
    )
    verdict = judge(compare(arms, "acceptance", lift=0.02), (4000, 4000), (0.5, 0.5), 1.0)
    assert verdict.kind == "alike"
    assert verdict.sentence.startswith("No difference that matters (it is below 2 points): acceptance ")


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 99)), max_size=8),
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 99)), max_size=8),
    st.sampled_from(["acceptance", "characters", "latency"]),
)
def test_any_sums_give_a_sentence_and_json(left, right, metric):
    def made(rows):
        columns = np.array(rows, dtype=float).reshape(-1, 3).T
        return Arm(columns[0], np.minimum(columns[0], columns[1]), columns[2], columns[0], columns[2] / 10)

    compared = compare((made(left), made(right)), metric)
    json.dumps(compared.plain(), allow_nan=False)
    sentence = judge(compared, (len(left), len(right)), (0.5, 0.5), 1.0).sentence
    assert "nan" not in sentence
    assert "inf" not in sentence


class Requests(HTMLParser):
    """Collects addresses that a page would ask for."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.found += [value or "" for name, value in attrs if name in ("src", "href", "action", "data")]


def test_the_page_is_one_file_with_everything(store, tmp_path):
    live(store, lives(100, (0.25, 0.4)))
    found = report(store, "trial", experiment(b="<script>alert(1)</script>"))
    text = write(found, tmp_path / "page").read_text(encoding="utf-8")
    parser = Requests()
    parser.feed(text)
    assert parser.found == ["data:,"], "no icon is asked for either"
    assert "<script>alert" not in text
    for words in ("By language", "Difference of acceptance", "Users in B", "kept characters a view", "latency"):
        assert words in text
    assert json.loads((tmp_path / "page" / "experiment.json").read_text())["verdict"] == vars(found.verdict)


def test_a_plan_comes_from_what_was_or_says_that_it_is_assumed(store):
    assert planning.plan("acceptance", None, (0.5, 0.5), None).assumed.startswith("assumed")
    live(store, lives(200, (0.3, 0.3)))
    past = before(store, "staff", since=START, until=START + 20 * DAY)
    planned = planning.plan("acceptance", 0.05, (0.5, 0.5), past)
    assert planned.assumed.startswith("200 users of the last")
    assert planned.users > 200
    assert planned.visible is not None
    assert planned.expected is not None
    assert 0.05 < planned.visible < planned.expected * 2, "200 users are all there are"
    enough = planning.plan("acceptance", 0.3, (0.5, 0.5), past)
    assert (enough.users < 200, enough.visible, enough.expected) == (True, None, None)
    assert planning.plan("acceptance", 0.025, (0.5, 0.5), past).users > 3 * planned.users
    assert (
        planning.plan("characters", None, (0.9, 0.1), past).users
        > planning.plan("characters", None, (0.5, 0.5), past).users
    )
    for wrong in (("speed", None), ("acceptance", 0.0), ("latency", 1.5)):
        with pytest.raises(RecipeError):
            planning.plan(*wrong, (0.5, 0.5), None)
