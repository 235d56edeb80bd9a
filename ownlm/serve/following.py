"""Keeps loaded what a router wants (`serve.routing.Following`), without dropping a request.

    changed ─► wanted - loaded ─► load and warm up, in a thread ─► add ─► tell the router ─► drop what is not wanted

What is dropped finishes the answers it has begun. What cannot be loaded is refused, with the reason, and tried again
when its folder changes; what answered before goes on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ownlm.errors import OwnlmError
from ownlm.serve.config import ServeConfig
from ownlm.serve.fetching import fetch
from ownlm.serve.loading import Fingerprint, fingerprint, load_version
from ownlm.serve.routing import Following

if TYPE_CHECKING:
    from ownlm.serve.gateway import Gateway
    from ownlm.serve.model import ServedModel

logger = logging.getLogger("ownlm.serve")
RETRY_S = 2.0
"""How often the folders of refused versions are looked at."""


class Load(Protocol):
    """See `load_version`."""

    def __call__(
        self, export_dir: Path, config: ServeConfig, model_name: str | None = None, version: str | None = None
    ) -> ServedModel:
        """Load a version."""
        ...


class Keeper:
    """Loads and drops versions of one gateway.

    Args:
        gateway: whose.
        router: says what is wanted.
        load: loads one, in a thread.
        copies: see `fetch`.

    Attributes:
        loading: the version that is being loaded; "" for none.
        refused: what cannot be loaded -> why.
    """

    def __init__(
        self, gateway: Gateway, router: Following, load: Load = load_version, *, copies: Path | None = None
    ) -> None:
        self._gateway, self._router, self._load, self._copies = gateway, router, load, copies
        self._seen: dict[str, Fingerprint] = {}
        self._told: tuple[frozenset[str], dict[str, str]] | None = None
        self.loading = ""
        self.refused: dict[str, str] = {}

    async def run(self) -> None:
        """Follow the router until cancelled."""
        loop, changed = asyncio.get_running_loop(), asyncio.Event()
        self._router.follow(lambda: _wake(loop, changed.set))
        try:
            while True:
                await self.settle()
                try:
                    async with asyncio.timeout(RETRY_S if self.refused else None):
                        await changed.wait()
                except TimeoutError:
                    pass
                changed.clear()
        finally:
            await asyncio.to_thread(self._router.close)

    async def settle(self) -> None:
        """Make what is loaded what is wanted, as far as that is possible."""
        versions = self._gateway.versions
        wanted = self._router.wanted()
        for version in [version for version in self.refused if version not in wanted]:
            del self.refused[version], self._seen[version]
        for version, source in wanted.items():
            if version not in versions.names() and await self._try(version, source):
                self._tell()
        self._tell()
        for version in versions.names():
            if version not in self._router.wanted() and len(versions.names()) > 1:
                versions.remove(version)
                self._tell()

    async def _try(self, version: str, source: str) -> bool:
        """Load a version; False when it is refused, or was and nothing about it has changed."""
        seen = await asyncio.to_thread(_state_of, source)
        if version in self.refused and self._seen[version] == seen:
            return False
        self.loading = version
        try:
            model = await asyncio.to_thread(self._loaded, version, source)
        except Exception as error:
            why = self._why(error)
            if self.refused.get(version) != why:
                logger.warning("version %s cannot be loaded: %s", version, why)
            self.refused[version], self._seen[version] = why, seen
            return False
        finally:
            self.loading = ""
        self.refused.pop(version, None)
        self._seen.pop(version, None)
        self._gateway.versions.add(model)
        return True

    def _loaded(self, version: str, source: str) -> ServedModel:
        return self._load(fetch(source, version, self._copies), self._gateway.config, version=version)

    def _why(self, error: Exception) -> str:
        if isinstance(error, OwnlmError):
            return error.what
        return f"{type(error).__name__}; internal error {self._gateway.log_internal(error)}"

    def _tell(self) -> None:
        """Tell the router, if there is news."""
        news = (frozenset(self._gateway.versions.names()), dict(self.refused))
        if news != self._told:
            self._told = news
            self._router.loaded(news[0], news[1])

    def states(self) -> Mapping[str, Mapping[str, str]]:
        """For `/health`: versions that do not answer -> their state."""
        found: dict[str, dict[str, str]] = {
            version: {"state": "refused", "problem": why} for version, why in self.refused.items()
        }
        if self.loading:
            found[self.loading] = {"state": "loading"}
        return found


def _wake(loop: asyncio.AbstractEventLoop, wake: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(wake)


def _state_of(source: str) -> Fingerprint:
    """Changes when a folder does; a URL is tried again whenever the router has news."""
    return () if "://" in source else fingerprint(Path(source))
