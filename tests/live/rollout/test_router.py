"""The router of a gateway: who gets which version, news within a moment, and what happens when things are not there."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ownlm.errors import StorageError
from ownlm.live.rollout import changes
from ownlm.live.rollout.bucket import Bucketing
from ownlm.live.rollout.log import file_name
from ownlm.live.rollout.registry import Registry, open_registry
from ownlm.live.rollout.router import ChannelRouter, Fallback
from ownlm.live.rollout.state import RolloutState
from ownlm.live.rollout.table import Table
from ownlm.serve.call import Caller
from ownlm.serve.protocols.errors import ApiError
from ownlm.serve.routing import Following
from tests.live.rollout.made import start, to

ANN = Caller(user="ann")
USERS = [f"user-{number}" for number in range(2000)]


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    registry = open_registry(tmp_path / "registry")
    registry.change(to("v1"), why="")
    return registry


def following(router: ChannelRouter) -> threading.Semaphore:
    """Follow; the semaphore counts news."""
    news = threading.Semaphore(0)
    router.follow(news.release)
    return news


def test_it_is_a_router_that_can_be_followed(registry):
    assert isinstance(ChannelRouter(registry), Following)


def test_a_switch_is_followed_and_the_old_version_answers_until_the_new_one_is_loaded(registry):
    router = ChannelRouter(registry)
    assert router.wanted() == {"v1": "/models/v1"}
    with pytest.raises(ApiError) as error:
        router.route(ANN, "")
    assert error.value.status == 503
    router.loaded({"v1"}, {})
    news = following(router)
    try:
        assert router.route(ANN, "").version == "v1"
        registry.change(to("v2"), why="better")
        assert news.acquire(timeout=20)
        assert router.wanted() == {"v2": "/models/v2", "v1": "/models/v1"}
        assert router.route(ANN, "").version == "v1"
        router.loaded({"v1", "v2"}, {})
        assert router.route(ANN, "").version == "v2"
        assert router.wanted() == {"v2": "/models/v2"}, "the old one may go"
    finally:
        router.close()


def test_a_version_that_cannot_be_loaded_is_told_in_health_and_history_once(registry):
    router = ChannelRouter(registry)
    router.loaded({"v1"}, {})
    news = following(router)
    try:
        registry.change(to("v2"), why="")
        assert news.acquire(timeout=20)
        router.loaded({"v1"}, {"v2": "model.bin is missing"})
        assert news.acquire(timeout=20), "the note in the history is news, too"
        router.loaded({"v1"}, {"v2": "model.bin is missing"})
        assert router.route(ANN, "").version == "v1"
        assert "v1" in router.wanted()
    finally:
        router.close()
    assert router.health()["problems"] == ["version v2 cannot be loaded: model.bin is missing"]
    assert router.health()["channels"] == {"everyone": "v1"}
    notes = [record for _, record in registry.history() if record.action == "note"]
    assert [note.after for note in notes] == ["version v2 cannot be loaded: model.bin is missing"]
    assert notes[0].who.startswith("gateway@")


def test_started_with_a_version_that_cannot_be_loaded_the_one_before_it_answers(registry):
    registry.change(to("v2"), why="")
    router = ChannelRouter(registry)
    assert set(router.wanted()) == {"v2"}
    router.loaded(set(), {"v2": "damaged"})
    assert set(router.wanted()) == {"v2", "v1"}
    router.loaded({"v1"}, {"v2": "damaged"})
    assert router.route(ANN, "").version == "v1"


def test_the_gateways_own_model_answers_channels_without_a_version(tmp_path):
    router = ChannelRouter(open_registry(tmp_path), fallback=Fallback("v0", "own", "/models/v0"))
    assert router.wanted() == {"v0": "/models/v0"}
    router.loaded({"v0"}, {})
    assert router.route(ANN, "own").version == "v0"
    assert router.names(ANN) == ["own", "v0"]


def test_keys_and_names_choose_channels(registry):
    registry.change(to("v2", channel="staff"), why="")
    router = ChannelRouter(registry)
    router.loaded({"v1", "v2"}, {})
    staff = Caller(user="bob", channel="staff", scopes=frozenset({"complete"}))
    assert (router.route(staff, "").version, router.route(staff, "").channel) == ("v2", "staff")
    assert router.route(ANN, "").version == "v1"
    assert router.route(ANN, "own").version == "v1", "the model's name, whichever version a client knew it by"
    assert router.route(ANN, "staff").channel == "staff"
    assert router.route(ANN, "v2").version == "v2"
    assert router.route(ANN, "v2").channel == "", "who asks for a version counts for no channel"
    for caller, asked in ((staff, "everyone"), (ANN, "gpt-4"), (ANN, "v9")):
        with pytest.raises(ApiError) as error:
            router.route(caller, asked)
        assert error.value.status == 404


def test_percentages_are_stable_and_grow(registry):
    registry.change(to("v2", percent=10, salt="one"), why="")
    router = ChannelRouter(registry)
    router.loaded({"v1", "v2"}, {})
    before = {user for user in USERS if router.route(Caller(user=user), "").version == "v2"}
    assert 140 < len(before) < 260
    registry.change(lambda state, now: changes.grow(state, "everyone", 40, now=now), why="")
    router = ChannelRouter(registry)
    router.loaded({"v1", "v2"}, {})
    after = {user for user in USERS if router.route(Caller(user=user), "").version == "v2"}
    assert before < after
    assert 700 < len(after) < 900
    assert router.route(Caller(), "").version == "v1", "nobody is no part of anything"
    assert router.route(Caller(), "").bucket == 0


def test_arms_are_stable_and_events_can_tell(registry):
    registry.change(start("trial", "v1", "v2", share_b=0.25), why="")
    router = ChannelRouter(registry)
    router.loaded({"v1", "v2"}, {})
    routes = {user: router.route(Caller(user=user), "") for user in USERS}
    assert {(route.arm, route.version, route.experiment) for route in routes.values()} == {
        ("a", "v1", "trial"),
        ("b", "v2", "trial"),
    }
    assert 430 < sum(route.arm == "b" for route in routes.values()) < 570
    nobody = router.route(Caller(), "")
    assert (nobody.version, nobody.experiment, nobody.arm) == ("v1", "", "")
    router.loaded({"v1"}, {})
    left = {router.route(Caller(user=user), "").experiment for user in USERS if routes[user].arm == "b"}
    assert left == {""}, "an arm that is not loaded does not count for what another version did"
    registry.change(lambda state, now: changes.stop(state, "trial", now=now), why="")
    router = ChannelRouter(registry)
    router.loaded({"v1", "v2"}, {})
    assert {router.route(Caller(user=user), "").version for user in USERS} == {"v1"}


def test_the_last_known_state_is_served_while_the_registry_is_gone(registry, tmp_path):
    known = tmp_path / "cache" / "rollout.json"
    router = ChannelRouter(registry, known=known)
    router.loaded({"v1"}, {})
    news = following(router)
    (tmp_path / "registry").rename(tmp_path / "moved")
    try:
        while not router.health()["problems"]:
            time.sleep(0.01)
        assert router.route(ANN, "").version == "v1"
        started = ChannelRouter(registry, known=known)
        assert started.wanted() == {"v1": "/models/v1"}
        started.loaded({"v1"}, {})
        assert started.route(ANN, "") == router.route(ANN, ""), "places are known, too"
        assert started.health()["problems"]
        (tmp_path / "moved").rename(tmp_path / "registry")
        registry.change(to("v2"), why="it is back")
        assert news.acquire(timeout=20)
        assert "v2" in router.wanted()
        assert known.stat().st_mode & 0o077 == 0
    finally:
        router.close()
    assert router.health()["problems"] == []
    assert ChannelRouter(open_registry(tmp_path / "another"), known=known).wanted() == {}, "what was known of another"
    ChannelRouter(registry, known=known)
    known.write_text(known.read_text().replace('"revision"', '"gone"'))
    (tmp_path / "registry").rename(tmp_path / "moved")
    (tmp_path / "registry").write_text("not a folder")
    with pytest.raises(StorageError, match="last known"):
        ChannelRouter(registry, known=known)
    known.unlink()
    with pytest.raises(StorageError, match="registry"):
        ChannelRouter(registry, known=known)


def test_a_damaged_revision_changes_nothing_and_is_told(registry, tmp_path):
    router = ChannelRouter(registry)
    router.loaded({"v1"}, {})
    news = following(router)
    try:
        registry.log.append(2, b"{")
        assert news.acquire(timeout=20)
        assert router.route(ANN, "").version == "v1"
        assert router.health()["revision"] == 1
        assert "damaged" in router.health()["problems"][0]
        registry.mend(why="")
        assert news.acquire(timeout=20)
        assert router.health()["problems"] == []
        (tmp_path / "registry" / file_name(3)).write_bytes(b"")
        (tmp_path / "registry" / file_name(1)).write_bytes(b"")
        registry.log.append(4, b"{")
        assert news.acquire(timeout=20)
        assert router.route(ANN, "").version == "v1", "what was known holds, even if all is damaged"
        assert router.health()["revision"] == 3
    finally:
        router.close()


versions = st.sampled_from(["v1", "v2", "v3"])


@given(
    st.lists(st.tuples(versions, st.sampled_from([10.0, 100.0])), min_size=1, max_size=8),
    st.lists(st.sets(versions), min_size=1, max_size=8),
    st.sampled_from(USERS),
)
def test_only_versions_that_answer_get_requests_and_what_answers_stays_wanted(switches, loads, user):
    """Whatever is switched and loaded in whatever order."""
    places, state, table = Bucketing(bytes(32)), RolloutState(), Table()
    for number, (name, percent) in enumerate(switches):
        try:
            state = to(name, percent=percent)(state, float(number)).state
        except Exception:
            continue
        table = table.renewed(state).renewed(ready=frozenset(loads[number % len(loads)] | table.ready))
        route = table.route("everyone", user, places)
        if route is not None:
            assert route.version in table.ready
            assert route.version in table.wanted()
        if state.channels["everyone"].version in table.ready:
            assert route is not None
