"""MLflow's model registry: channels are aliases of a registered model, its versions are what is served.

NAME            versions: `source` is the folder or URL, tag ownlm.version our name; aliases staff, staff-next (a part)
NAME.rollout    one version a revision, its record in tags: MLflow numbers them, each number once

The server is MLflow's own setting: MLFLOW_REGISTRY_URI, or MLFLOW_TRACKING_URI. Somebody may move a channel's alias in
MLflow by hand: the alias wins, and gateways follow. MLflow cannot add a revision and move an alias at once: after a
kill between the two the alias still holds, and `ownlm rollout show` says that the history has something else.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, TypeVar

from ownlm.errors import RecipeError, ServerError, first_line
from ownlm.live.rollout.changes import Change
from ownlm.live.rollout.registry import Registry, Snapshot
from ownlm.live.rollout.state import CHANNELS, Channel, ModelVersion, RolloutState
from ownlm.pipeline.tracking.mlflow import import_mlflow
from ownlm.pipeline.tracking.redact import redact

_PART = 4000
"""Characters of a record in one tag; every MLflow store takes 5,000 bytes, and records are mostly ASCII."""
_VERSION, _RECORD = "ownlm.version", "ownlm.record."
_KEY = "OWNLM_ROLLOUT_KEY"
_T = TypeVar("_T")


class MlflowLog:
    """Revisions as versions of a registered model. Implements `log.Log`.

    Args:
        name: of the model whose aliases are channels.

    Raises:
        DependencyError: MLflow is not installed.
        RecipeError: no server is set.
    """

    pause_s = 0.5

    def __init__(self, name: str) -> None:
        uri = os.environ.get("MLFLOW_REGISTRY_URI") or os.environ.get("MLFLOW_TRACKING_URI")
        if not uri:
            advice = "set MLFLOW_REGISTRY_URI or MLFLOW_TRACKING_URI"
            raise RecipeError("which MLflow is meant?", where=f"models:/{name}", advice=advice)
        self._mlflow = import_mlflow()
        self.client = self._mlflow.tracking.MlflowClient(uri, uri)
        self.name, self._log = name, f"{name}.rollout"
        self.where = f"models:/{name} at {redact(uri)}"
        self.seen: dict[str, str] = {}
        """Alias -> number of the version, when `last` was asked."""

    def last(self) -> int:
        """See `Log`."""
        self.seen = self.aliases()
        return self._newest()

    def news(self, known: int) -> bool:
        """See `Log`; an alias that was moved is news, too."""
        return self._newest() > known or self.aliases() != self.seen

    def read(self, number: int) -> bytes:
        """See `Log`."""
        found = self.asked(lambda: self.client.get_model_version(self._log, str(number)), FileNotFoundError(number))
        parts = {name: value for name, value in found.tags.items() if name.startswith(_RECORD)}
        return "".join(parts[name] for name in sorted(parts)).encode()

    def append(self, number: int, data: bytes) -> int:
        """See `Log`. MLflow chooses the number: the registry sees whether somebody was faster."""
        text = data.decode()
        parts = [text[start : start + _PART] for start in range(0, len(text), _PART)]
        tags = {f"{_RECORD}{place:04}": part for place, part in enumerate(parts)}
        self.made(self._log)
        version = self.asked(lambda: self.client.create_model_version(self._log, source="ownlm-rollout", tags=tags))
        return int(version.version)

    def key(self, make: Callable[[], bytes]) -> bytes:
        """The key from OWNLM_ROLLOUT_KEY, in hex: in MLflow everybody could read it."""
        made = "python -c 'import secrets; print(secrets.token_hex(32))'"
        advice = f"make one ({made}) and set {_KEY} to it for all gateways"
        try:
            return bytes.fromhex(os.environ[_KEY])
        except KeyError:
            told = "MLflow cannot keep a secret: the key that places users is not set"
            raise RecipeError(told, where=_KEY, advice=advice) from None
        except ValueError:
            raise RecipeError("the key that places users is not hexadecimal", where=_KEY, advice=advice) from None

    def aliases(self) -> dict[str, str]:
        """Alias -> number of the version, of the model."""
        found = self.asked(lambda: self.client.get_registered_model(self.name), None)
        # Numbers are texts or integers, as the store behind it has them.
        return {} if found is None else {alias: str(number) for alias, number in found.aliases.items()}

    def point(self, alias: str, number: str | None) -> None:
        """Move an alias of the model to a version; None takes it away."""
        if number is None:
            self.asked(lambda: self.client.delete_registered_model_alias(self.name, alias))
        else:
            self.asked(lambda: self.client.set_registered_model_alias(self.name, alias, number))

    def made(self, name: str) -> None:
        """See that a registered model is there."""
        try:
            self.client.get_registered_model(name)
        except self._mlflow.exceptions.MlflowException:
            self.asked(lambda: self.client.create_registered_model(name), None, "RESOURCE_ALREADY_EXISTS")

    def asked(self, ask: Callable[[], _T], missing: Any = ..., code: str = "RESOURCE_DOES_NOT_EXIST") -> _T:
        """What MLflow answers; `missing` (raised, if it is an error) where it says that there is no such thing."""
        try:
            return ask()
        except Exception as error:  # MLflow, requests and every database driver have their own
            if missing is not ... and getattr(error, "error_code", "") == code:
                if isinstance(missing, Exception):
                    raise missing from error
                return missing  # type: ignore[no-any-return]
            said = redact(first_line(error))[:300]
            advice = "see that the server runs and that you may write to its registry"
            raise ServerError(f"MLflow's registry does not answer: {said}", where=self.where, advice=advice) from error

    def _newest(self) -> int:
        query = f"name='{self._log}'"
        found = self.asked(
            lambda: self.client.search_model_versions(query, max_results=1, order_by=["version_number DESC"])
        )
        return int(found[0].version) if found else 0


class MlflowRegistry(Registry):
    """The registry whose channels are aliases.

    Args:
        name: of the registered model.
    """

    log: MlflowLog

    def __init__(self, name: str) -> None:
        super().__init__(MlflowLog(name))

    def read(self) -> Snapshot:
        """See `Registry.read`; where an alias was moved by hand, it wins."""
        found = super().read()
        state, moved, aliases = found.state, [], self.log.seen
        for channel in dict.fromkeys([*state.channels, *CHANNELS]):
            number = aliases.get(channel)
            if number is not None and number != self._number(state, channel):
                state = self._moved(state, channel, number)
                moved.append(channel)
        if not moved:
            return found
        told = f"alias {', '.join(moved)} was moved in MLflow; the history does not know, but it holds"
        return Snapshot(found.revision, found.last, state, found.problem, told)

    def _append(self, before: Snapshot, change: Change, why: str, who: str) -> Snapshot:
        numbered = {name: self._registered(name, one) for name, one in change.state.versions.items()}
        state = change.state.model_copy(update={"versions": numbered})
        made = super()._append(before, replace(change, state=state), why, who)
        there, wanted = self.log.aliases(), self._aliases(state)
        for alias, number in wanted.items():
            if there.get(alias) != number:
                self.log.point(alias, number)
        for name in state.channels:
            if f"{name}-next" in there.keys() - wanted.keys():
                self.log.point(f"{name}-next", None)
        return made

    def _registered(self, name: str, version: ModelVersion) -> ModelVersion:
        """The version with its number in MLflow, made there when it is new."""
        if version.number:
            return version
        self.log.made(self.log.name)
        found: Iterable[Any] = self.log.asked(lambda: self.log.client.search_model_versions(f"name='{self.log.name}'"))
        known = next((one for one in found if one.tags.get(_VERSION) == name), None)
        if known is None:
            tags = {_VERSION: name, "ownlm.model": version.model}
            known = self.log.asked(
                lambda: self.log.client.create_model_version(self.log.name, source=version.source, tags=tags)
            )
        return version.model_copy(update={"number": str(known.version)})

    def _moved(self, state: RolloutState, channel: str, number: str) -> RolloutState:
        found = self.log.asked(lambda: self.log.client.get_model_version(self.log.name, number))
        name = found.tags.get(_VERSION, f"{self.log.name}-{number}")
        version = state.versions.get(name) or ModelVersion(
            source=found.source, model=found.tags.get("ownlm.model", self.log.name), number=number
        )
        old, since = state.channels.get(channel), (found.last_updated_timestamp or 0) / 1000
        new = Channel(version=name, since=since)
        if old is not None:
            moved = {"version": name, "past": (*old.past, old.version), "stage": None, "since": since}
            new = old.model_copy(update=moved)
        versions, channels = {**state.versions, name: version}, {**state.channels, channel: new}
        return state.model_copy(update={"versions": versions, "channels": channels})

    @staticmethod
    def _number(state: RolloutState, channel: str) -> str:
        known = state.channels.get(channel)
        return "" if known is None else state.versions[known.version].number

    @staticmethod
    def _aliases(state: RolloutState) -> dict[str, str]:
        wanted = {}
        for name, channel in state.channels.items():
            wanted[name] = state.versions[channel.version].number
            if channel.stage is not None:
                wanted[f"{name}-next"] = state.versions[channel.stage.version].number
        return wanted
