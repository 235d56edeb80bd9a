"""The versions of the model that are loaded, each kept for as long as an answer uses it."""

from __future__ import annotations

import ctypes
import gc
import sys
import threading
from collections.abc import Iterable
from dataclasses import dataclass

from ownlm.serve.engines.base import Engine
from ownlm.serve.model import ServedModel
from ownlm.serve.protocols.errors import not_ready
from ownlm.serve.routing import Route


@dataclass
class _Loaded:
    model: ServedModel
    leases: int = 0
    leaving: bool = False


class Lease:
    """A version in use. Call `release` once, when the last token is there."""

    def __init__(self, versions: Versions, loaded: _Loaded) -> None:
        self._versions, self._loaded = versions, loaded
        self._released = False
        self.model = loaded.model

    def release(self) -> None:
        """The version is not needed any more by whoever has this lease. A second call does nothing."""
        if not self._released:
            self._released = True
            self._versions._released(self._loaded)


class Versions:
    """Models by version. Everything here is called in the event loop.

    Args:
        models: loaded already, each with a completion made; the first one is the default.
    """

    def __init__(self, models: Iterable[ServedModel]) -> None:
        self._loaded = {model.version: _Loaded(model) for model in models}
        self._leaving: list[_Loaded] = []

    @property
    def default(self) -> ServedModel:
        """The version that pages speak of when they speak of one.

        Raises:
            ApiError: 503, none is loaded.
        """
        for loaded in self._loaded.values():
            return loaded.model
        raise not_ready()

    def names(self) -> list[str]:
        """Versions that answer now."""
        return list(self._loaded)

    def models(self) -> list[ServedModel]:
        """What answers now."""
        return [loaded.model for loaded in self._loaded.values()]

    def leaving(self) -> list[str]:
        """Versions that get no more requests, but answer some yet."""
        return [loaded.model.version for loaded in self._leaving]

    def lease(self, version: str) -> Lease:
        """Use a version until the lease is released.

        Raises:
            KeyError: it is not loaded.
        """
        loaded = self._loaded[version]
        loaded.leases += 1
        return Lease(self, loaded)

    def routed(self, route: Route) -> tuple[Route, Lease]:
        """The version of a route; the default one, and a route that says so, when that is not loaded.

        Raises:
            ApiError: 503, none is loaded.
        """
        if route.version not in self._loaded:
            # The answer counts for no arm of an experiment: it is by neither.
            route = Route(self.default.version, channel=route.channel, bucket=route.bucket)
        return route, self.lease(route.version)

    def add(self, model: ServedModel) -> None:
        """A version that answers from now on; one of the same name leaves."""
        self.remove(model.version)
        self._loaded[model.version] = _Loaded(model)

    def remove(self, version: str) -> None:
        """A version that gets no more requests; its engine is closed once those under way are done."""
        loaded = self._loaded.pop(version, None)
        if loaded is not None:
            loaded.leaving = True
            self._leaving.append(loaded)
            self._close(loaded)

    def close(self) -> None:
        """Close the engines that no answer uses: the server has ended."""
        for loaded in [*self._loaded.values(), *self._leaving]:
            if loaded.leases == 0:
                loaded.model.engine.close()
        self._loaded, self._leaving = {}, []

    def _released(self, loaded: _Loaded) -> None:
        loaded.leases -= 1
        self._close(loaded)

    def _close(self, loaded: _Loaded) -> None:
        if loaded.leaving and loaded.leases == 0:
            self._leaving.remove(loaded)
            # A thread of its own: giving back gigabytes, or saying goodbye to a server, may take its time.
            threading.Thread(target=_gone, args=(loaded.model.engine,), name="close engine", daemon=True).start()


def _gone(engine: Engine) -> None:
    """Close the engine of a version that has left, and hand the memory of both back to the system.

    glibc keeps what is freed in pieces (10 MB a swap of a 3 MB model, measured, without end); told to, it lets go.
    """
    engine.close()
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)
