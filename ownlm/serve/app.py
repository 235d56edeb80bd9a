"""The gateway as one ASGI application.

GET  /                   the playground            POST /v1/completions       OpenAI
GET  /report/            the run's reports         GET  /v1/models[/{id}]     OpenAI
GET  /dashboard[/data]   what it does now          GET  /metrics              Prometheus
GET  /health, /live      does it answer, and who    GET  /docs[, /openapi.json]
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from ownlm.serve.authentication import KeyFile, NoKeys
from ownlm.serve.config import ServeConfig
from ownlm.serve.dashboard import Dashboard, PanelSource, dashboard_router
from ownlm.serve.feedback import Feedback, NoFeedback
from ownlm.serve.following import Keeper
from ownlm.serve.gateway import Gateway
from ownlm.serve.guard import Guard
from ownlm.serve.limits import RateLimit
from ownlm.serve.model import ServedModel
from ownlm.serve.openapi import openapi_router
from ownlm.serve.pages import Reports, pages_router
from ownlm.serve.prompt.repository.watched import Repositories
from ownlm.serve.protocols.errors import ApiError
from ownlm.serve.protocols.routers import protocol_routers
from ownlm.serve.routing import Following, OneModel, Router
from ownlm.serve.scheduler import Scheduler
from ownlm.serve.status import status_router, watch_gauges
from ownlm.serve.versions import Versions


def app_for(
    model: ServedModel | None,
    config: ServeConfig,
    *,
    reports: Path | None = None,
    router: Router | None = None,
    feedback: Feedback | None = None,
    panels: Sequence[PanelSource] = (),
    copies: Path | None = None,
) -> FastAPI:
    """The gateway for a loaded model.

    Args:
        model: loaded, with a completion made; None leaves it to the router, which then is `Following`.
        config: settings of serving.
        reports: a folder of HTML reports to show at /report; None for no such page.
        router: chooses versions, and brings them if it is `Following`; None for the one model.
        feedback: is told what is served and what people do with it; None for nobody.
        panels: what the dashboard shows beside the gateway's own numbers.
        copies: the folder for copies of versions that have a URL; None for one in this user's cache.
    """
    if router is None:
        assert model is not None
        router = OneModel(model.name, model.version)
    following = router if isinstance(router, Following) else None
    gateway = Gateway(
        versions=Versions([] if model is None else [model]),
        config=config,
        scheduler=Scheduler(config.parallel, config.queue),
        router=router,
        feedback=feedback or NoFeedback(),
        keys=KeyFile(Path(config.keys)) if config.keys else NoKeys(),
        limits=RateLimit(config.rate),
        repositories=Repositories(config.repositories),
    )
    keeper = Keeper(gateway, following, copies=copies) if following is not None else None
    dashboard = Dashboard(gateway, panels)
    watch_gauges(gateway, keeper)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(dashboard.sample())]
        if keeper is not None:
            tasks.append(asyncio.create_task(keeper.run()))
        gateway.repositories.start()
        yield
        gateway.repositories.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        gateway.scheduler.close()

    # The documentation pages of FastAPI load scripts from a CDN; `openapi_router` has its own.
    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.gateway = gateway
    for routes in protocol_routers(gateway):
        app.include_router(routes)
    app.include_router(pages_router())
    app.include_router(dashboard_router(dashboard))
    app.include_router(status_router(gateway, keeper, reports=reports is not None))
    app.include_router(openapi_router(app))
    if reports is not None:
        app.mount("/report", Reports(reports))
    app.add_exception_handler(HTTPException, _http_error)
    app.add_middleware(Guard, gateway=gateway)
    return app


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    messages = {
        404: ("There is nothing at this address.", "not_found"),
        405: ("This address does not take that method.", "method_not_allowed"),
    }
    message, code = messages.get(error.status_code, (error.detail, None))
    return ApiError(error.status_code, message, code=code, headers=error.headers).response(request.url.path)
