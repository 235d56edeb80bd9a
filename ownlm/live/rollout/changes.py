"""Changes to the state: pure functions, one a command. Each returns the new state and what to write in the log."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ownlm.errors import RecipeError
from ownlm.live.rollout.state import (
    NAME,
    NAME_IN_WORDS,
    Channel,
    Experiment,
    GuardRails,
    ModelVersion,
    Plan,
    RolloutState,
    Stage,
)

_MOST_PAST = 20
_ARTIFACT = re.compile(r"export-[0-9a-f]{16}")


@dataclass(frozen=True)
class Change:
    """A new state, and what changed in it.

    Attributes:
        state: after the change.
        action: "to", "percent", "promote", "back", "guard", "start", "stop", "note" or "mend".
        channel: that it is about.
        before: version or setting before; "" for none.
        after: and after.
    """

    state: RolloutState
    action: str
    channel: str
    before: str
    after: str


def switch(
    state: RolloutState,
    channel: str,
    name: str,
    version: ModelVersion,
    *,
    now: float,
    salt: str,
    percent: float = 100.0,
    action: str = "to",
) -> Change:
    """Give a channel a version: all its users, or a part of them.

    Args:
        state: before.
        channel: of any name.
        name: of the version.
        version: where it lies.
        now: seconds since 1970.
        salt: of the stage, if there is to be one.
        percent: of users.
        action: how it is called in the log.

    Raises:
        RecipeError: the channel has this version, has an experiment, or has no version that the others could keep; or
            this cannot be a channel's name.
    """
    if not re.fullmatch(NAME, channel):
        raise RecipeError("this is no name for a channel", where=channel, advice=NAME_IN_WORDS)
    old = state.channels.get(channel)
    _check_percent(percent)
    _check_idle(state, channel)
    _check_source(state, name, version)
    if old is not None and old.version == name and old.stage is None:
        raise RecipeError(
            f"channel {channel!r} has version {name} already", where=channel, advice="nothing needs to be done"
        )
    if old is not None and old.stage is not None and old.stage.version == name:
        # The same switch again goes on from the one under way: who has the new version keeps it.
        if percent == old.stage.percent:
            advice = f"for more users: ownlm rollout percent NUMBER {channel}"
            raise RecipeError(f"{percent:g} % of {channel!r} have {name} already", where=channel, advice=advice)
        grown = grow(state, channel, percent, now=now)
        return replace(grown, state=_known(grown.state, name, version), action=action)
    if percent < 100:
        if old is None:
            advice = "give it a version for everybody first: leave --percent out"
            raise RecipeError("a channel without a version cannot be switched by parts", where=channel, advice=advice)
        new = old.model_copy(update={"stage": Stage(version=name, percent=percent, salt=salt, since=now)})
    elif old is None:
        new = Channel(version=name, since=now)
    else:
        new = _moved(old, name, now)
    return Change(
        _with(_known(state, name, version), channel, new), action, channel, _shown(old), _staged(name, percent)
    )


def grow(state: RolloutState, channel: str, percent: float, *, now: float) -> Change:
    """Give the new version of a stage to more users, or fewer; 100 ends the stage.

    Raises:
        RecipeError: there is no stage.
    """
    _check_percent(percent)
    old = _channel(state, channel)
    if old.stage is None:
        advice = f"begin one: ownlm rollout to {channel} MODEL --percent {percent:g}"
        raise RecipeError("no switch by parts is under way", where=channel, advice=advice)
    name, before = old.stage.version, old.stage.percent
    if percent == 100:
        new = _moved(old, name, now)
    else:
        new = old.model_copy(update={"stage": old.stage.model_copy(update={"percent": percent})})
    return Change(_with(state, channel, new), "percent", channel, _staged(name, before), _staged(name, percent))


def promote(state: RolloutState, source: str, target: str, *, now: float, salt: str, percent: float = 100.0) -> Change:
    """Give a channel the version that another one has.

    Raises:
        RecipeError: the other one has none, or is itself being switched; and as `switch`.
    """
    old = _channel(state, source)
    if old.stage is not None:
        advice = f"end it first: ownlm rollout percent 100 {source}, or back {source}"
        raise RecipeError("this channel is being switched by parts: to which version?", where=source, advice=advice)
    version = state.versions[old.version]
    return switch(state, target, old.version, version, now=now, salt=salt, percent=percent, action="promote")


def back(state: RolloutState, channel: str, *, now: float) -> Change:
    """Undo the last switch of a channel: end its stage, or return to the version before.

    Raises:
        RecipeError: there is nothing to return to.
    """
    old = _channel(state, channel)
    if old.stage is not None:
        new = old.model_copy(update={"stage": None})
        left = _staged(old.stage.version, old.stage.percent)
        return Change(_with(state, channel, new), "back", channel, left, old.version)
    if not old.past:
        advice = f"switch it to another version: ownlm rollout to {channel} MODEL"
        raise RecipeError("this channel never had another version", where=channel, advice=advice)
    _check_idle(state, channel)
    new = old.model_copy(update={"version": old.past[-1], "past": old.past[:-1], "since": now, "returned": True})
    return Change(_with(state, channel, new), "back", channel, old.version, new.version)


def guard(state: RolloutState, channel: str, guards: GuardRails) -> Change:
    """Set when a new version is taken back by itself."""
    old = _channel(state, channel)
    new = old.model_copy(update={"guards": guards})
    return Change(_with(state, channel, new), "guard", channel, old.guards.in_words(), guards.in_words())


def note(state: RolloutState, channel: str, text: str) -> Change:
    """Nothing changes; the log has a line more."""
    return Change(state, "note", channel, "", text)


def start(
    state: RolloutState,
    name: str,
    channel: str,
    arms: tuple[tuple[str, ModelVersion], tuple[str, ModelVersion]],
    *,
    share_b: float,
    plan: Plan,
    now: float,
    salt: str,
) -> Change:
    """Start an experiment.

    Args:
        state: before.
        name: of the experiment; new.
        channel: whose users take part.
        arms: name and place of A's version and of B's.
        share_b: of users in B.
        plan: what was said before it began.
        now: seconds since 1970.
        salt: of the users' places.

    Raises:
        RecipeError: the name is taken, the channel has no version or is busy, or both arms are the same version.
    """
    (a, version_a), (b, version_b) = arms
    _channel(state, channel)
    if name in state.experiments:
        raise RecipeError(f"there was an experiment {name!r} already", where=name, advice="choose another --name")
    if a == b:
        raise RecipeError("both arms are the same version", where=a, advice="name two versions")
    _check_idle(state, channel)
    for arm, version in arms:
        _check_source(state, arm, version)
    if state.channels[channel].stage is not None:
        advice = f"end the switch first: ownlm rollout percent 100 {channel}, or back {channel}"
        raise RecipeError("this channel is being switched by parts", where=channel, advice=advice)
    new = Experiment(channel=channel, a=a, b=b, share_b=share_b, salt=salt, started=now, plan=plan)
    changed = {
        "versions": {**state.versions, a: version_a, b: version_b},
        "experiments": {**state.experiments, name: new},
    }
    shown = f"{name}: {a} {100 * (1 - share_b):g} %, {b} {100 * share_b:g} %"
    return Change(_trimmed(state.model_copy(update=changed)), "start", channel, "", shown)


def stop(state: RolloutState, name: str, *, now: float) -> Change:
    """End an experiment: its users get what their channel has.

    Raises:
        RecipeError: there is none, or it has ended.
    """
    old = state.experiments.get(name)
    if old is None or old.stopped is not None:
        running = ", ".join(key for key, one in state.experiments.items() if one.stopped is None) or "none"
        raise RecipeError(f"no experiment {name!r} is running", where=name, advice=f"running: {running}")
    new = old.model_copy(update={"stopped": now})
    changed = state.model_copy(update={"experiments": {**state.experiments, name: new}})
    return Change(_trimmed(changed), "stop", old.channel, name, "")


def _moved(old: Channel, version: str, now: float) -> Channel:
    past = old.past if old.version == version else (*old.past, old.version)[-_MOST_PAST:]
    return old.model_copy(update={"version": version, "stage": None, "past": past, "since": now, "returned": False})


def _known(state: RolloutState, name: str, version: ModelVersion) -> RolloutState:
    return state.model_copy(update={"versions": {**state.versions, name: version}})


def _with(state: RolloutState, channel: str, new: Channel) -> RolloutState:
    return _trimmed(state.model_copy(update={"channels": {**state.channels, channel: new}}))


def _trimmed(state: RolloutState) -> RolloutState:
    """Without versions that nothing names any more; checked as what is read is."""
    named = {version for one in state.experiments.values() for version in (one.a, one.b)}
    for channel in state.channels.values():
        named |= {channel.version, *channel.past, *([channel.stage.version] if channel.stage else [])}
    kept = {name: version for name, version in state.versions.items() if name in named}
    return RolloutState.model_validate(state.model_copy(update={"versions": kept}).model_dump())


def _channel(state: RolloutState, channel: str) -> Channel:
    if channel not in state.channels:
        known = ", ".join(state.channels) or "none"
        advice = f"give it one: ownlm rollout to {channel} MODEL; channels with a version: {known}"
        raise RecipeError(f"channel {channel!r} has no version", where=channel, advice=advice)
    return state.channels[channel]


def _check_idle(state: RolloutState, channel: str) -> None:
    running = state.running(channel)
    if running is not None:
        advice = f"stop it first: ownlm experiment stop {running[0]}"
        raise RecipeError(f"the experiment {running[0]!r} runs in this channel", where=channel, advice=advice)


def _check_source(state: RolloutState, name: str, version: ModelVersion) -> None:
    """A gateway tells versions apart by name. Artifacts are named by their content: those may be moved."""
    known = state.versions.get(name)
    if known is not None and known.source != version.source and not _ARTIFACT.fullmatch(name):
        advice = f"rename the folder of one of them; {name} is {known.source} now"
        raise RecipeError("another version has this name", where=version.source, advice=advice)


def _check_percent(percent: float) -> None:
    if not 0 < percent <= 100:
        advice = "100 ends a switch, everybody has the new version; `ownlm rollout back` ends it, nobody has"
        raise RecipeError("a percentage is above 0 and at most 100", where=f"{percent:g}", advice=advice)


def _shown(channel: Channel | None) -> str:
    """What a switch puts an end to: the one by parts that is under way, else what everybody has."""
    if channel is None:
        return ""
    stage = channel.stage
    return channel.version if stage is None else _staged(stage.version, stage.percent)


def _staged(version: str, percent: float) -> str:
    return version if percent == 100 else f"{version} ({percent:g} %)"
