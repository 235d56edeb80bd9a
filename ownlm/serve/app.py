"""The gateway as one ASGI application.

GET  /                   the playground            POST /v1/completions       OpenAI
GET  /report/            the run's reports         GET  /v1/models[/{id}]     OpenAI
GET  /dashboard[/data]   what it does now          GET  /metrics              Prometheus
GET  /health             is it alive, and who
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from ownlm.serve.config import ServeConfig
from ownlm.serve.dashboard import Dashboard, PanelSource, dashboard_router
from ownlm.serve.feedback import Feedback, NoFeedback
from ownlm.serve.gateway import Gateway
from ownlm.serve.guard import Guard
from ownlm.serve.metrics import CONTENT_TYPE_LATEST
from ownlm.serve.model import ServedModel, load_model
from ownlm.serve.pages import Reports, pages_router
from ownlm.serve.protocols.errors import ApiError
from ownlm.serve.protocols.openai import openai_router
from ownlm.serve.routing import OneModel, Router
from ownlm.serve.scheduler import Scheduler
from ownlm.serve.versions import Versions


def create_app(
    export_dir: Path, config: ServeConfig, *, model_name: str | None = None, reports: Path | None = None
) -> FastAPI:
    """The gateway for the model of an export artifact.

    Args:
        export_dir: the artifact's folder.
        config: settings of serving.
        model_name: what clients call the model; None for the name it was exported under.
        reports: a folder of HTML reports to show at /report; None for no such page.

    Raises:
        ArtifactError: when the folder is not an export, is incomplete or damaged.
        DependencyError: when the engine's package is missing.
        ServerError: when the engine refuses its settings.
    """
    return app_for(load_model(export_dir, config, model_name), config, reports=reports)


def app_for(
    model: ServedModel,
    config: ServeConfig,
    *,
    reports: Path | None = None,
    router: Router | None = None,
    feedback: Feedback | None = None,
    panels: Sequence[PanelSource] = (),
) -> FastAPI:
    """The gateway for a loaded model. See `create_app`.

    Args:
        router: chooses versions; None for the one model.
        feedback: is told what is served and what people do with it; None for nobody.
        panels: what the dashboard shows beside the gateway's own numbers.
    """
    gateway = Gateway(
        versions=Versions([model]),
        config=config,
        scheduler=Scheduler(config.parallel, config.queue),
        router=router or OneModel(model.name, model.version),
        feedback=feedback or NoFeedback(),
    )
    gateway.metrics.watch("ownlm_jobs_running", "Generations under way", lambda: gateway.scheduler.running)
    gateway.metrics.watch("ownlm_jobs_waiting", "Generations waiting", lambda: gateway.scheduler.waiting)

    dashboard = Dashboard(gateway, panels)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        sampling = asyncio.create_task(dashboard.sample())
        yield
        sampling.cancel()
        gateway.scheduler.close()

    # The interactive documentation pages of FastAPI load scripts from a CDN; docs/serve.md describes the routes.
    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.gateway = gateway
    app.include_router(openai_router(gateway))
    app.include_router(pages_router())
    app.include_router(dashboard_router(dashboard))
    _add_status(app, gateway, reports is not None)
    if reports is not None:
        app.mount("/report", Reports(reports))
    app.add_exception_handler(HTTPException, _http_error)
    app.add_middleware(Guard, gateway=gateway)
    return app


def _add_status(app: FastAPI, gateway: Gateway, reports: bool) -> None:
    @app.get("/health")
    async def health() -> Response:
        return JSONResponse(
            {
                "status": "ok",
                "model": gateway.model.name,
                "context": gateway.model.context,
                "fill_in_the_middle": gateway.model.fill_in_the_middle,
                "fim_order": gateway.config.fim_order,
                "max_tokens": min(gateway.config.max_tokens, gateway.model.context),
                "reports": reports,
            }
        )

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(gateway.metrics.text(), media_type=CONTENT_TYPE_LATEST)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    messages = {
        404: ("There is nothing at this address.", "not_found"),
        405: ("This address does not take that method.", "method_not_allowed"),
    }
    message, code = messages.get(error.status_code, (error.detail, None))
    return ApiError(error.status_code, message, code=code, headers=error.headers).response(request.url.path)
