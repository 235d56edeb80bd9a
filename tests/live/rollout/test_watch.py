"""The watch: from a real feedback store to a switch that is taken back, with the reason in the history."""

from __future__ import annotations

from pathlib import Path

import pytest

from ownlm.live.feedback.event import Origin
from ownlm.live.rollout import changes
from ownlm.live.rollout.registry import Registry, open_registry
from ownlm.live.rollout.state import GuardRails
from ownlm.live.rollout.watch import Watch, switches
from tests.live.lived import Did, live, new_store
from tests.live.rollout.made import start, to

NOW = 1_800_000_000.0


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    registry = Registry(open_registry(tmp_path / "registry").log, clock=lambda: NOW)
    registry.change(to("v1"), why="")
    return registry


@pytest.fixture
def store(tmp_path):
    store = new_store(tmp_path)
    yield store
    store.database.close()


def requests(version: str, count: int, bad: int = 0, at: float = NOW + 5, **how) -> list[Did]:
    return [
        Did(Origin(version, "everyone", user=f"u{number % 40}"), at, outcome="error" if number < bad else "done", **how)
        for number in range(count)
    ]


def watch(registry: Registry, store) -> Watch:
    return Watch(registry, store, clock=lambda: NOW + 60)


def test_a_version_that_fails_is_taken_back_and_the_history_says_why(registry, store):
    registry.change(to("v2", percent=20), why="try it")
    looking = watch(registry, store)
    assert looking.look() == []
    live(store, [*requests("v1", 300, 3), *requests("v2", 200, 4)])
    assert looking.look() == []
    live(store, requests("v2", 100, 60), start=1000)
    ((channel, why),) = looking.look()
    assert channel == "everyone"
    assert why.startswith("errors: 64 of 300 requests")
    state = registry.read().state
    assert state.channels["everyone"].stage is None
    assert state.channels["everyone"].version == "v1"
    record = next(registry.history())[1]
    assert (record.action, record.who, record.why) == ("back", "guard", why)
    assert (record.before, record.after) == ("v2 (20 %)", "v1")
    assert looking.look() == [], "it is back"


def test_a_whole_switch_is_watched_too_but_not_the_way_back(registry, store):
    registry.change(to("v0"), why="")
    registry.change(to("v2"), why="")
    live(store, requests("v2", 100, 90))
    looking = watch(registry, store)
    assert len(looking.look()) == 1
    assert registry.read().state.channels["everyone"].version == "v0"
    live(store, requests("v0", 100, 90), start=1000)
    assert looking.look() == [], "one does not fall back further and further"


def test_what_was_before_the_switch_does_not_count(registry, store):
    live(store, requests("v2", 100, 90, at=NOW - 100))
    registry.change(to("v2"), why="")
    assert watch(registry, store).look() == []


def test_slow_answers_and_lost_acceptance_are_reasons(registry, store):
    registry.change(lambda state, now: changes.guard(state, "everyone", GuardRails(slow_s=1.0)), why="")
    registry.change(to("v2", percent=50), why="")
    live(store, [*requests("v1", 400, total_s=0.2), *requests("v2", 400, total_s=3.0)])
    assert watch(registry, store).look()[0][1].startswith("p95: 100.0% of 400 answers")
    registry.change(to("v3", percent=50), why="")
    accepted = [*requests("v1", 2000, did="select"), *requests("v3", 2000, did="dismiss")]
    live(store, accepted, start=1000)
    assert watch(registry, store).look()[0][1].startswith("acceptance: 0.0% against 8")
    assert registry.read().state.channels["everyone"].version == "v1"


def test_of_two_watches_one_takes_it_back(registry, store):
    registry.change(to("v2"), why="")
    live(store, requests("v2", 100, 90))
    one, other = watch(registry, store), watch(registry, store)
    state = registry.read().state
    (switch,) = switches(state, NOW + 60)
    assert one._take_back(switch, "bad")
    assert not other._take_back(switch, "bad")
    assert sum(record.action == "back" for _, record in registry.history()) == 1


def test_what_is_watched(registry):
    state = registry.read().state
    assert switches(state, NOW) == [], "a first version has nothing to go back to"
    switched = to("v2")(state, NOW).state
    assert [switch.old for switch in switches(switched, NOW + 60)] == [""]
    assert switches(switched, NOW + 30 * 86_400) == [], "it has settled"
    staged = to("v3", percent=5)(switched, NOW + 100).state
    assert [(one.new, one.old, one.since) for one in switches(staged, NOW + 60)] == [("v3", "v2", NOW + 100)]
    assert switches(start("trial", "v2", "v3")(switched, NOW).state, NOW) == [], "an experiment is watched by people"
