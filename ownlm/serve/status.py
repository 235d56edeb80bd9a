"""What operators ask: /health (may requests be sent here, and which versions answer), /live, /metrics."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from ownlm.serve.authentication import KeyFile
from ownlm.serve.following import Keeper
from ownlm.serve.gateway import Gateway
from ownlm.serve.metrics import CONTENT_TYPE_LATEST
from ownlm.serve.model import ServedModel
from ownlm.serve.routing import Following
from ownlm.serve.supervised import Supervised


def status_router(gateway: Gateway, keeper: Keeper | None, *, reports: bool) -> APIRouter:
    """The routes.

    Args:
        gateway: whose state.
        keeper: brings its versions; None when they stay as they are.
        reports: whether there is a page of reports.
    """
    router = APIRouter(tags=["operation"])

    @router.get("/health", summary="Whether requests may be sent here: 200 when a version has made a completion.")
    async def health() -> Response:
        versions = {model.version: _version(model) for model in gateway.versions.models()}
        versions |= {version: {"state": "leaving"} for version in gateway.versions.leaving() if version not in versions}
        if keeper is not None:
            versions |= {version: dict(state) for version, state in keeper.states().items()}
        body: dict[str, Any] = {"status": "ok", "versions": versions, "problems": _problems(gateway, keeper)}
        if not any(version["state"] == "ready" for version in versions.values()):
            return JSONResponse(body | {"status": "not ready"}, 503, headers={"Retry-After": "1"})
        return JSONResponse(body | _model(gateway, reports))

    @router.get("/live", summary="Whether the process answers at all.")
    async def live() -> Response:
        return JSONResponse({"status": "alive"})

    @router.get("/metrics", summary="Prometheus' text format.")
    async def metrics() -> Response:
        return Response(gateway.metrics.text(), media_type=CONTENT_TYPE_LATEST)

    return router


def watch_gauges(gateway: Gateway, keeper: Keeper | None) -> None:
    """Show in /metrics what lives elsewhere."""
    scheduler, versions, watch = gateway.scheduler, gateway.versions, gateway.metrics.watch
    watch("ownlm_jobs_running", "Generations under way", lambda: scheduler.running)
    watch("ownlm_jobs_waiting", "Generations waiting", lambda: scheduler.waiting)
    watch("ownlm_feedback_lost", "Completions the feedback store could not keep", gateway.feedback.lost)
    watch("ownlm_versions_ready", "Versions that answer", lambda: len(versions.names()))
    watch("ownlm_versions_leaving", "Versions that finish their last answers", lambda: len(versions.leaving()))
    watch("ownlm_versions_refused", "Versions that cannot be loaded", lambda: len(keeper.refused) if keeper else 0)
    watch(
        "ownlm_engine_restarts",
        "How often engines of the loaded versions were opened again",
        lambda: sum(_supervised(model, "restarts", 0) for model in versions.models()),
    )


def _version(model: ServedModel) -> dict[str, Any]:
    broken = _supervised(model, "broken", "")
    return {"state": "broken", "problem": broken} if broken else {"state": "ready"}


def _supervised(model: ServedModel, name: str, otherwise: Any) -> Any:
    return getattr(model.engine, name) if isinstance(model.engine, Supervised) else otherwise


def _problems(gateway: Gateway, keeper: Keeper | None) -> list[str]:
    found = [f"version {version}: {why}" for version, why in keeper.refused.items()] if keeper is not None else []
    if keeper is not None and not gateway.versions.names() and not keeper.states():
        found.append("there is no version to load yet")
    if isinstance(gateway.keys, KeyFile) and gateway.keys.problem:
        found.append(f"API keys: {gateway.keys.problem}")
    return found


def _model(gateway: Gateway, reports: bool) -> dict[str, Any]:
    model, config = gateway.model, gateway.config
    more = {"rollout": gateway.router.health()} if isinstance(gateway.router, Following) else {}
    return {
        "model": model.name,
        "context": model.context,
        "fill_in_the_middle": model.fill_in_the_middle,
        "fim_order": config.fim_order,
        "max_tokens": min(config.max_tokens, model.context),
        "reports": reports,
        **more,
    }
