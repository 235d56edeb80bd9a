"""Watches switches: reads what came of a new version from the feedback store, and takes it back when it is too bad.

Every gateway may run one, or `ownlm rollout watch` alone does: whoever is first takes the version back, the others see
that it is done.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ownlm.errors import OwnlmError, RecipeError
from ownlm.live.feedback.latency import seconds_of
from ownlm.live.feedback.query import OriginDimension, Sums, sums
from ownlm.live.feedback.store import Store
from ownlm.live.rollout import changes
from ownlm.live.rollout.changes import Change
from ownlm.live.rollout.guard import Block, Users, Watched, broken
from ownlm.live.rollout.registry import Registry
from ownlm.live.rollout.state import Channel, RolloutState

logger = logging.getLogger("ownlm.rollout")
EVERY_S = 10.0
Where = dict[OriginDimension, str]


@dataclass(frozen=True)
class Switch:
    """A new version under watch: (channel, version, when it came)."""

    channel: str
    new: str
    old: str
    since: float


@dataclass
class _Seen:
    """What was counted so far, and the blocks between looks."""

    total: Block = field(default_factory=Block)
    blocks: list[Block] = field(default_factory=list)


class Watch:
    """Looks at all channels.

    Args:
        registry: where switches are.
        store: what people did.
        who: takes versions back, in the history.
        clock: seconds since 1970.
    """

    def __init__(
        self, registry: Registry, store: Store, *, who: str = "guard", clock: Callable[[], float] = time.time
    ) -> None:
        self._registry, self._store, self._who, self._clock = registry, store, who, clock
        self._seen: dict[Switch, _Seen] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def look(self) -> list[tuple[str, str]]:
        """Look once; returns what was taken back: (channel, why).

        Raises:
            OwnlmError: registry or store cannot be used.
        """
        state = self._registry.read().state
        under = switches(state, self._clock())
        self._seen = {switch: self._seen.get(switch, _Seen()) for switch in under}
        done = []
        for switch in under:
            why = broken(self._watched(switch, state), state.channels[switch.channel].guards)
            if why and self._take_back(switch, why):
                done.append((switch.channel, why))
        return done

    def start(self, every_s: float = EVERY_S) -> None:
        """Look again and again, in a thread."""
        self._thread = threading.Thread(target=self._run, args=(every_s,), name="rollout-watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self, every_s: float) -> None:
        while not self._stop.wait(every_s):
            try:
                for channel, why in self.look():
                    logger.warning("rollout: channel %s went back: %s", channel, why)
            except OwnlmError as error:
                logger.warning("rollout: nobody watches switches now: %s", error.what)

    def _watched(self, switch: Switch, state: RolloutState) -> Watched:
        guards, seen = state.channels[switch.channel].guards, self._seen[switch]
        where: Where = {"channel": switch.channel, "version": switch.new}
        groups = sums(self._store, (), where=where, since=switch.since)
        total = _block(groups.get((), Sums()), guards.slow_s)
        # What came since the look before: answers that took long are stored after later ones, so totals are compared.
        block = Block(*(max(0, now - then) for now, then in zip(_counts(total), _counts(seen.total), strict=True)))
        if block.requests or block.answers:
            seen.blocks.append(block)
        seen.total = total
        return Watched(seen.blocks, self._users(switch, switch.new), self._users(switch, switch.old))

    def _users(self, switch: Switch, version: str) -> Users:
        if not version:
            return {}
        where: Where = {"channel": switch.channel, "version": version}
        groups = sums(self._store, ("user",), where=where, since=switch.since, latencies=False)
        return {user: (one.shown, one.accepted) for (user,), one in groups.items() if user}

    def _take_back(self, switch: Switch, why: str) -> bool:
        """Undo the switch, if it is still there."""

        def make(state: RolloutState, now: float) -> Change:
            if switch not in switches(state, now):
                raise RecipeError("somebody has changed this channel", where=switch.channel)
            return changes.back(state, switch.channel, now=now)

        try:
            self._registry.change(make, why=why, who=self._who)
        except RecipeError:
            return False
        return True


def switches(state: RolloutState, now: float) -> list[Switch]:
    """New versions that are watched: switches by parts, and whole ones not longer ago than their guards say."""
    found = [_switch(name, channel, now) for name, channel in state.channels.items() if state.running(name) is None]
    return [switch for switch in found if switch is not None]


def _switch(name: str, channel: Channel, now: float) -> Switch | None:
    if channel.stage is not None:
        return Switch(name, channel.stage.version, channel.version, channel.stage.since)
    if channel.past and not channel.returned and now - channel.since <= channel.guards.watch_s:
        return Switch(name, channel.version, "", channel.since)
    return None


def _block(one: Sums, slow_s: float | None) -> Block:
    slow = 0 if slow_s is None else sum(count for bucket, count in one.total.items() if seconds_of(bucket) > slow_s)
    return Block(one.completions, one.errors, one.total.total(), slow)


def _counts(block: Block) -> tuple[int, int, int, int]:
    return block.requests, block.errors, block.answers, block.slow
