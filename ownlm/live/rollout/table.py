"""Who is answered by what, as of now: the registry's state, and which versions this gateway has loaded. Immutable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ownlm.live.rollout.bucket import Bucketing
from ownlm.live.rollout.state import RolloutState
from ownlm.serve.routing import Route


@dataclass(frozen=True)
class Table:
    """Routes. Build the next one with `renewed`.

    Attributes:
        state: of the registry.
        sources: version -> folder or URL, of all that may be needed.
        ready: versions that answer.
        refused: versions that cannot be loaded -> why.
        current: channel -> the last of its versions that answered here.
        default: version for channels that have none; "" for none.
    """

    state: RolloutState = field(default_factory=RolloutState)
    sources: Mapping[str, str] = field(default_factory=dict)
    ready: frozenset[str] = frozenset()
    refused: Mapping[str, str] = field(default_factory=dict)
    current: Mapping[str, str] = field(default_factory=dict)
    default: str = ""

    def renewed(
        self,
        state: RolloutState | None = None,
        ready: frozenset[str] | None = None,
        refused: Mapping[str, str] | None = None,
    ) -> Table:
        """The table after a change of the state, of what is loaded, or of what cannot be."""
        state = self.state if state is None else state
        ready = self.ready if ready is None else ready
        sources = {**self.sources, **{name: version.source for name, version in state.versions.items()}}
        current = {name: old for name, old in self.current.items() if name in state.channels}
        for name, channel in state.channels.items():
            found = next((one for one in (channel.version, *reversed(channel.past)) if one in ready), None)
            if channel.version in ready or current.get(name) not in ready:
                current[name] = found or current.get(name, "")
        made = Table(state, sources, ready, self.refused if refused is None else refused, current, self.default)
        return made._pruned()

    def wanted(self) -> dict[str, str]:
        """Versions this gateway should have -> where they lie.

        What a channel points to, and as long as that does not answer: what answered before it; after a start, when
        there is nothing before and it cannot be loaded, the version the channel had before.
        """
        names = dict.fromkeys(self.state.wanted())
        for name, channel in self.state.channels.items():
            if channel.version in self.ready:
                continue
            names[self.current.get(name, "")] = None
            if channel.version in self.refused:
                names[next((one for one in reversed(channel.past) if one not in self.refused), "")] = None
        if not self.state.channels or any(one not in self.ready for one in self.current.values()):
            names[self.default] = None
        return {name: self.sources[name] for name in names if name in self.sources}

    def route(self, channel: str, user: str, places: Bucketing) -> Route | None:
        """The version for a user of a channel; None when nothing can answer yet. Nobody ("") is in no part of anything.

        A version that is not loaded here answers nobody: who should get it gets what the channel had before, and does
        not count for the experiment.
        """
        bucket = places.bucket(user) if user else 0
        fallback = self.current.get(channel) or self.default
        version = fallback if fallback in self.ready else self.default
        known = self.state.channels.get(channel)
        if user and known is not None:
            running = self.state.running(channel)
            if running is not None:
                name, one = running
                arm = places.arm(one.salt, user, (1 - one.share_b, one.share_b))
                if (one.a, one.b)[arm] in self.ready:
                    return Route((one.a, one.b)[arm], channel, name, "ab"[arm], bucket)
            stage = known.stage
            if stage is not None and stage.version in self.ready:
                version = stage.version if places.place(stage.salt, user) < stage.percent / 100 else version
        return Route(version, channel, bucket=bucket) if version in self.ready else None

    def models(self) -> set[str]:
        """Names of models that clients may know."""
        return {version.model for version in self.state.versions.values()}

    def _pruned(self) -> Table:
        needed = {*self.state.versions, *self.current.values(), self.default}
        kept = {name: source for name, source in self.sources.items() if name in needed}
        return Table(self.state, kept, self.ready, self.refused, self.current, self.default)
