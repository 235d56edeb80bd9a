"""States of a registry for tests."""

from __future__ import annotations

from collections.abc import Callable

from ownlm.live.rollout import changes
from ownlm.live.rollout.changes import Change
from ownlm.live.rollout.registry import Registry
from ownlm.live.rollout.state import ModelVersion, Plan, RolloutState


def version(name: str) -> ModelVersion:
    """A version in a folder of its name."""
    return ModelVersion(source=f"/models/{name}", model="own")


def to(
    name: str, channel: str = "everyone", percent: float = 100.0, salt: str = "salt"
) -> Callable[[RolloutState, float], Change]:
    """A switch, as the registry takes it."""
    return lambda state, now: changes.switch(state, channel, name, version(name), now=now, salt=salt, percent=percent)


def start(
    name: str, a: str, b: str, share_b: float = 0.5, channel: str = "everyone"
) -> Callable[[RolloutState, float], Change]:
    """An experiment, as the registry takes it."""
    arms = ((a, version(a)), (b, version(b)))
    return lambda state, now: changes.start(
        state, name, channel, arms, share_b=share_b, plan=Plan(), now=now, salt=f"salt-{name}"
    )


def overtaken(registry: Registry, other: Registry) -> list[set[str]]:
    """Change dev while somebody else, between reading and writing, changes staff; the channels each try saw."""
    seen: list[set[str]] = []

    def slow(state: RolloutState, now: float) -> Change:
        seen.append(set(state.channels))
        if len(seen) == 1:
            other.change(to("v2", channel="staff"), why="faster")
        return to("v3", channel="dev")(state, now)

    registry.change(slow, why="slower")
    return seen
