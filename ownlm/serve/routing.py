"""Which version of the model answers whom. `ownlm.live.rollout` knows channels and experiments."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ownlm.serve.call import Caller
from ownlm.serve.protocols.errors import ApiError


@dataclass(frozen=True)
class Route:
    """Who answers, and why. Fields as in `ownlm.live.feedback.event.Origin`."""

    version: str
    channel: str = ""
    experiment: str = ""
    arm: str = ""
    bucket: int = 0


class Router(Protocol):
    """Chooses versions. Called in the event loop: must be quick, and must not raise but for `ApiError`."""

    def route(self, caller: Caller, asked: str) -> Route:
        """The version for `caller`, who asks for the model `asked` ("" for any).

        Raises:
            ApiError: 404, there is no such model for this caller.
        """
        ...

    def names(self, caller: Caller) -> Sequence[str]:
        """What `caller` may ask for."""
        ...


@runtime_checkable
class Following(Protocol):
    """What a router has besides when versions come and go while it runs (`ownlm.live.rollout`).

    The gateway: `follow(changed)`; each time `changed` is called: load what is in `wanted` and not there yet, in a
    thread, with a completion made; then `loaded`; then drop what is no longer in `wanted`. A version that is not
    loaded gets no request: the one before goes on, and stays in `wanted` until its successor answers.
    """

    def follow(self, changed: Callable[[], None]) -> None:
        """Begin to look for changes; `changed` is called from another thread when `wanted` may be another."""
        ...

    def wanted(self) -> Mapping[str, str]:
        """Versions that should answer -> folder or URL of their export artifact."""
        ...

    def loaded(self, versions: Collection[str], refused: Mapping[str, str]) -> None:
        """What answers now, and what cannot be loaded -> why (one line). Call in the event loop."""
        ...

    def health(self) -> Mapping[str, object]:
        """For `/health`: revision followed, what is wrong, if anything."""
        ...

    def close(self) -> None:
        """Look no more."""
        ...


class OneModel:
    """The only model there is, by its name or its version.

    Args:
        name: what clients call it.
        version: see `ServedModel.version`.
    """

    def __init__(self, name: str, version: str) -> None:
        self._name, self._version = name, version

    def route(self, caller: Caller, asked: str) -> Route:
        """See `Router.route`."""
        if asked not in ("", self._name, self._version):
            raise no_such_model(self.names(caller))
        return Route(self._version)

    def names(self, caller: Caller) -> Sequence[str]:
        """See `Router.names`."""
        return [self._name]


def no_such_model(names: Sequence[str]) -> ApiError:
    """404, with what there is."""
    return ApiError(
        404,
        f"There is no such model here; this server has {', '.join(names) or 'none'}.",
        param="model",
        code="model_not_found",
    )
