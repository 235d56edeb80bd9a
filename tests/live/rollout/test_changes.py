"""Changes of the state, one by one and in any order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ownlm.errors import RecipeError
from ownlm.live.rollout import changes
from ownlm.live.rollout.state import GuardRails, ModelVersion, RolloutState
from tests.live.rollout.made import start, to


def made(*steps):
    state = RolloutState()
    for number, step in enumerate(steps):
        state = step(state, float(number)).state
    return state


def test_a_switch_and_back():
    state = made(to("v1"), to("v2"))
    assert state.channels["everyone"].version == "v2"
    change = changes.back(state, "everyone", now=9.0)
    assert (change.before, change.after) == ("v2", "v1")
    assert change.state.channels["everyone"].version == "v1"
    with pytest.raises(RecipeError, match="never had another"):
        changes.back(change.state, "everyone", now=9.0)


def test_a_switch_by_parts_grows_and_ends():
    state = made(to("v1"), to("v2", percent=10))
    assert state.channels["everyone"].version == "v1"
    grown = changes.grow(state, "everyone", 50, now=5.0).state
    stage = grown.channels["everyone"].stage
    assert stage is not None
    assert (stage.version, stage.percent, stage.salt) == ("v2", 50, "salt"), "the salt stays: who is in stays in"
    ended = changes.grow(grown, "everyone", 100, now=6.0).state.channels["everyone"]
    assert (ended.version, ended.stage, ended.past) == ("v2", None, ("v1",))


def test_the_same_switch_again_goes_on_from_the_one_under_way():
    state = made(to("v1"), to("v2", percent=10))
    change = changes.switch(
        state, "everyone", "v2", ModelVersion(source="/models/v2", model="own"), now=5.0, salt="another", percent=30
    )
    stage = change.state.channels["everyone"].stage
    assert stage is not None
    assert (stage.percent, stage.salt, stage.since) == (30, "salt", 1.0), "who has it keeps it"
    assert (change.action, change.before, change.after) == ("to", "v2 (10 %)", "v2 (30 %)")
    with pytest.raises(RecipeError, match="10 % of 'everyone' have v2 already"):
        to("v2", percent=10)(state, 5.0)
    assert to("v2")(state, 5.0).state.channels["everyone"].version == "v2"


def test_a_switch_says_which_switch_by_parts_it_ends():
    state = made(to("v1"), to("v2", percent=10))
    for step, after in ((to("v1"), "v1"), (to("v3", percent=5), "v3 (5 %)")):
        change = step(state, 5.0)
        assert (change.before, change.after) == ("v2 (10 %)", after)


def test_back_ends_a_switch_by_parts_first():
    state = made(to("v1"), to("v2"), to("v3", percent=10))
    once = changes.back(state, "everyone", now=5.0)
    assert once.before == "v3 (10 %)"
    assert once.state.channels["everyone"].version == "v2"
    assert "v3" not in once.state.versions, "nothing names it any more"
    assert changes.back(once.state, "everyone", now=6.0).state.channels["everyone"].version == "v1"


def test_promote_takes_the_version_of_another_channel():
    state = made(to("v1"), to("v2", channel="staff"))
    change = changes.promote(state, "staff", "everyone", now=5.0, salt="s")
    assert (change.action, change.before, change.after) == ("promote", "v1", "v2")
    with pytest.raises(RecipeError, match="by parts"):
        changes.promote(made(to("v1"), to("v2", percent=5)), "everyone", "staff", now=5.0, salt="s")


def test_an_experiment_keeps_its_channel_from_being_switched():
    state = made(to("v1"), start("trial", "v1", "v2"))
    assert set(state.wanted()) == {"v1", "v2"}
    for step in (to("v3"), to("v3", percent=5), start("other", "v1", "v3"), start("trial", "v1", "v3")):
        with pytest.raises(RecipeError, match="trial"):
            step(state, 5.0)
    stopped = changes.stop(state, "trial", now=7.0).state
    assert stopped.experiments["trial"].stopped == 7.0
    assert set(stopped.wanted()) == {"v1"}
    assert set(stopped.versions) == {"v1", "v2"}, "a report still wants to know what the arms were"
    assert made(to("v3"))
    with pytest.raises(RecipeError, match="no experiment"):
        changes.stop(stopped, "trial", now=8.0)


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (to("v1"), "already"),
        (to("v2", percent=0), "above 0"),
        (to("v2", percent=101), "above 0"),
        (to("v2", channel="dev", percent=5), "without a version"),
        (start("x", "v1", "v1"), "same version"),
        (start("x", "v1", "v2", channel="dev"), "no version"),
        (lambda state, now: changes.grow(state, "everyone", 20, now=now), "no switch by parts"),
    ],
)
def test_what_makes_no_sense_is_refused(step, said):
    with pytest.raises(RecipeError, match=said):
        step(made(to("v1")), 1.0)


def test_a_name_means_one_version():
    """Gateways would go on with the one they have loaded. Artifacts are named by their content: they may be moved."""
    moved = ModelVersion(source="s3://models/v1", model="own")
    with pytest.raises(RecipeError, match="another version has this name") as error:
        changes.switch(made(to("v1")), "staff", "v1", moved, now=3.0, salt="s")
    assert "/models/v1" in str(error.value.advice)
    name = "export-0123456789abcdef"
    change = changes.switch(made(to(name)), "staff", name, moved, now=3.0, salt="s")
    assert change.state.versions[name].source == "s3://models/v1"


def test_guards_are_kept_over_switches():
    state = changes.guard(made(to("v1")), "everyone", GuardRails(errors=0.01)).state
    assert to("v2")(state, 3.0).state.channels["everyone"].guards.errors == 0.01


names = st.sampled_from(["v1", "v2", "v3"])
channels = st.sampled_from(["dev", "staff", "everyone"])
steps = st.one_of(
    st.builds(to, names, channels, st.sampled_from([5.0, 50.0, 100.0])),
    st.builds(lambda c: lambda state, now: changes.back(state, c, now=now), channels),
    st.builds(lambda c, p: lambda state, now: changes.grow(state, c, p, now=now), channels, st.sampled_from([20, 100])),
    st.builds(lambda a, b: lambda state, now: changes.promote(state, a, b, now=now, salt="s"), channels, channels),
    st.builds(start, st.sampled_from(["one", "two"]), names, names, st.just(0.5), channels),
    st.builds(lambda n: lambda state, now: changes.stop(state, n, now=now), st.sampled_from(["one", "two"])),
)


@given(st.lists(steps, max_size=25))
def test_in_any_order_every_named_version_is_known(order):
    state = RolloutState()
    for number, step in enumerate(order):
        try:
            state = step(state, float(number)).state
        except RecipeError:
            continue
        assert RolloutState.model_validate(state.model_dump()) == state
        assert set(state.wanted()) <= set(state.versions)
        for name, channel in state.channels.items():
            assert channel.version in state.versions
            assert set(channel.past) <= set(state.versions)
            assert state.running(name) is None or channel.stage is None
