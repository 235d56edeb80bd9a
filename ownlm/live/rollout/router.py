"""The router of a gateway that follows a registry: channels, staged switches, experiments.

A thread asks the registry several times a second whether there is news (one stat or one HEAD request). Routes are
looked up in an immutable table, so that requests never wait for it. When the registry cannot be reached, the last known
state goes on; it is kept in a file, so that a gateway starts with it, too.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ownlm.errors import OwnlmError
from ownlm.live.rollout import changes
from ownlm.live.rollout.bucket import Bucketing
from ownlm.live.rollout.known import LastKnown
from ownlm.live.rollout.registry import Registry, Snapshot
from ownlm.live.rollout.state import DEFAULT_CHANNEL
from ownlm.live.rollout.table import Table
from ownlm.serve.call import Caller
from ownlm.serve.protocols.errors import not_ready
from ownlm.serve.routing import Route, no_such_model

logger = logging.getLogger("ownlm.rollout")

_PATIENT_S = 2.0
"""Between tries when the registry cannot be reached."""


@dataclass(frozen=True)
class Fallback:
    """The version a gateway was started with: for channels that have none.

    Attributes:
        version: see `ServedModel.version`.
        model: what clients call it.
        source: its folder.
    """

    version: str
    model: str
    source: str


class ChannelRouter:
    """Implements `serve.routing.Router` and `Following`.

    Args:
        registry: to follow.
        known: file of the last known state, of this machine; None for none.
        fallback: what the gateway was started with; None when the registry says all.
        channel: of callers whose key names none.

    Raises:
        OwnlmError: the registry cannot be reached, and there is no last known state.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        known: Path | None = None,
        fallback: Fallback | None = None,
        channel: str = DEFAULT_CHANNEL,
    ) -> None:
        self._registry, self._fallback, self._channel = registry, fallback, channel
        self._known = LastKnown(known, registry.log.where)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._notes: list[tuple[str, str]] = []
        self._noted: set[tuple[str, str]] = set()
        self._unreachable = ""
        sources = {} if fallback is None else {fallback.version: fallback.source}
        first = Table(sources=sources, default="" if fallback is None else fallback.version)
        self._snapshot, self._key = self._first()
        self._places = Bucketing(self._key)
        self._known.keep(self._snapshot, self._key)
        self._table = first.renewed(self._snapshot.state)

    def route(self, caller: Caller, asked: str) -> Route:
        """See `Router.route`. A channel's name, and the name of any of its models, mean the channel's version."""
        table = self._table
        own = caller.channel or self._channel
        channel = own
        if asked not in ("", own) and asked not in self._models(table):
            if asked in table.state.channels and (not caller.channel or "admin" in caller.scopes):
                channel = asked
            elif asked in table.ready:
                return Route(asked, bucket=self._places.bucket(caller.user) if caller.user else 0)
            else:
                raise no_such_model(self.names(caller))
        found = table.route(channel, caller.user, self._places)
        if found is None:
            raise not_ready()
        return found

    def names(self, caller: Caller) -> Sequence[str]:
        """See `Router.names`: the model of the caller's channel first, then versions that answer."""
        table = self._table
        found = table.route(caller.channel or self._channel, caller.user, self._places)
        first = [] if found is None else [self._model_of(table, found.version)]
        return list(dict.fromkeys([*first, *sorted(table.ready)]))

    def follow(self, changed: Callable[[], None]) -> None:
        """See `Following.follow`."""
        self._thread = threading.Thread(target=self._run, args=(changed,), name="rollout", daemon=True)
        self._thread.start()

    def wanted(self) -> Mapping[str, str]:
        """See `Following.wanted`."""
        return self._table.wanted()

    def loaded(self, versions: Collection[str], refused: Mapping[str, str]) -> None:
        """See `Following.loaded`. A version that cannot be loaded is noted in the registry's history."""
        with self._lock:
            self._table = self._table.renewed(ready=frozenset(versions), refused=dict(refused))
            new = [one for one in refused.items() if one not in self._noted]
            self._noted.update(new)
            self._notes += new

    def health(self) -> Mapping[str, object]:
        """See `Following.health`."""
        table, snapshot = self._table, self._snapshot
        problems = [self._unreachable] if self._unreachable else []
        problems += [str(snapshot.problem.what)] if snapshot.problem is not None else []
        problems += [f"version {name} cannot be loaded: {why}" for name, why in table.refused.items()]
        return {
            "revision": snapshot.revision,
            "channels": {name: table.current.get(name, "") for name in table.state.channels},
            "problems": problems,
        }

    def close(self) -> None:
        """See `Following.close`."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _models(self, table: Table) -> set[str]:
        return table.models() | ({self._fallback.model} if self._fallback else set())

    def _model_of(self, table: Table, version: str) -> str:
        if version in table.state.versions:
            return table.state.versions[version].model
        return self._fallback.model if self._fallback is not None else version

    def _run(self, changed: Callable[[], None]) -> None:
        pause = self._registry.log.pause_s
        while not self._stop.wait(pause):
            pause = self._registry.log.pause_s
            try:
                if self._registry.log.news(self._snapshot.last):
                    self._renew(self._registry.read())
                    changed()
                self._write_notes()
                self._unreachable = ""
            except OwnlmError as error:
                if not self._unreachable:
                    logger.warning("the rollout registry cannot be used: %s", error.what)
                self._unreachable, pause = f"registry: {error.what}", _PATIENT_S

    def _renew(self, snapshot: Snapshot) -> None:
        with self._lock:
            if snapshot.revision < self._snapshot.revision:
                # What was known is gone or damaged: it holds, until there is something newer.
                snapshot = Snapshot(self._snapshot.revision, snapshot.last, self._snapshot.state, snapshot.problem)
            self._snapshot = snapshot
            self._table = self._table.renewed(snapshot.state)
        self._known.keep(snapshot, self._key)
        if (problem := snapshot.problem) is not None:
            logger.warning("rollout: %s (%s); revision %d holds", problem.what, problem.where, snapshot.revision)

    def _write_notes(self) -> None:
        while self._notes:
            version, why = self._notes[0]
            told = f"version {version} cannot be loaded: {why}"
            holders = [name for name, one in self._snapshot.state.channels.items() if one.version == version]
            channel = holders[0] if holders else ""
            self._registry.change(
                lambda state, now, channel=channel, told=told: changes.note(state, channel, told),  # type: ignore[misc]
                why="what answered before goes on",
                who=f"gateway@{socket.gethostname()}",
            )
            self._notes.pop(0)

    def _first(self) -> tuple[Snapshot, bytes]:
        kept = self._known.read()
        try:
            snapshot = self._registry.read()
            if kept is None or snapshot.revision >= kept[0].revision:
                return snapshot, self._registry.key()
            # A folder that is not mounted looks like an empty one: it must not send everybody back to the beginning.
            told = f"it is at revision {snapshot.revision}, but {kept[0].revision} was known here"
        except OwnlmError as error:
            if kept is None:
                raise
            told = error.what
        self._unreachable = f"registry: {told}"
        logger.warning("the rollout registry cannot be used (%s): the last known state holds", told)
        return kept
