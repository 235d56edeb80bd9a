"""The dashboard: what the gateway does now and did in the last quarter of an hour, and what people do with it.

GET /dashboard        the page            GET /dashboard/data   what it shows, as JSON

Numbers of the gateway come from its memory. What costs a question to a store (acceptance, experiments) comes as panels,
asked in a thread and at most every `PANELS_EVERY_S` seconds, however many people look.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from ownlm.errors import OwnlmError

if TYPE_CHECKING:
    from ownlm.serve.gateway import Gateway

SAMPLE_EVERY_S = 1.0
PANELS_EVERY_S = 30.0


@dataclass(frozen=True)
class Bar:
    """A share or a rate with its interval.

    Attributes:
        label: of what.
        value: from 0 to 1; None when there is nothing to divide by.
        low: lower end of the interval.
        high: upper end.
        note: in words, e.g. how many it is of.
    """

    label: str
    value: float | None
    low: float = 0.0
    high: float = 1.0
    note: str = ""


@dataclass(frozen=True)
class Panel:
    """A box of the dashboard: sentences, then bars.

    Attributes:
        title: what it is about.
        lines: sentences.
        bars: drawn on one scale from 0 to 1.
    """

    title: str
    lines: tuple[str, ...] = ()
    bars: tuple[Bar, ...] = ()


class PanelSource(Protocol):
    """Whoever has something to show."""

    def panels(self) -> Sequence[Panel]:
        """What to show now. Called in a thread; may raise OwnlmError, whose message is shown instead."""
        ...


class Dashboard:
    """Gathers what the page shows.

    Args:
        gateway: whose.
        sources: of panels.
    """

    def __init__(self, gateway: Gateway, sources: Sequence[PanelSource] = ()) -> None:
        self._gateway, self._sources = gateway, sources
        self._panels: list[dict[str, Any]] = []
        self._asked = float("-inf")
        self._lock = asyncio.Lock()

    async def sample(self) -> None:
        """Read the gauges every second, until cancelled."""
        from ownlm.serve.machine import Machine

        machine, gateway = Machine(), self._gateway
        while True:
            scheduler = gateway.scheduler
            gauges = {"running": float(scheduler.running), "waiting": float(scheduler.waiting)}
            gateway.history.sample(gauges | machine.read())
            await asyncio.sleep(SAMPLE_EVERY_S)

    async def json(self) -> dict[str, Any]:
        """What the page shows."""
        gateway = self._gateway
        return {
            "model": gateway.model.name,
            "versions": gateway.versions.names(),
            "parallel": gateway.config.parallel,
            "queue": gateway.config.queue,
            "history": gateway.history.json(),
            "panels": await self._current_panels(),
        }

    async def _current_panels(self) -> list[dict[str, Any]]:
        async with self._lock:
            if time.monotonic() - self._asked >= PANELS_EVERY_S:
                self._panels = await asyncio.to_thread(self._ask)
                self._asked = time.monotonic()
            return self._panels

    def _ask(self) -> list[dict[str, Any]]:
        found: list[Panel] = []
        for source in self._sources:
            try:
                found += source.panels()
            except OwnlmError as error:
                found.append(Panel("Not to be had now", (error.what,)))
        return [asdict(panel) for panel in found]


def dashboard_router(dashboard: Dashboard) -> APIRouter:
    """The data's route; the page's own files are with the other pages."""
    router = APIRouter()

    @router.get("/dashboard/data")
    async def data() -> Response:
        return JSONResponse(await dashboard.json(), headers={"Cache-Control": "no-store"})

    return router
