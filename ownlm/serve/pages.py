"""The pages: playground, dashboard, two versions side by side, and a folder of reports at /report, read only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib import resources
from pathlib import Path

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

HTML, CSS, JS = ("text/html; charset=utf-8", "text/css; charset=utf-8", "text/javascript; charset=utf-8")
PAGES = {
    "/": ("playground/index.html", HTML),
    "/playground.css": ("playground/playground.css", CSS),
    "/playground.js": ("playground/playground.js", JS),
    "/editor.js": ("playground/editor.js", JS),
    "/dashboard": ("dashboard/index.html", HTML),
    "/dashboard.css": ("dashboard/dashboard.css", CSS),
    "/dashboard.js": ("dashboard/dashboard.js", JS),
    "/lines.js": ("dashboard/lines.js", JS),
    "/compare": ("compare/index.html", HTML),
    "/compare.css": ("compare/compare.css", CSS),
    "/compare.js": ("compare/compare.js", JS),
    "/api.js": ("api.js", JS),
    "/base.css": ("base.css", CSS),
}


def pages_router() -> APIRouter:
    """The pages and their own files; they load nothing from elsewhere."""
    router = APIRouter()
    folder = resources.files("ownlm.web")
    for path, (name, kind) in PAGES.items():
        answer = _file(folder.joinpath(name).read_bytes(), kind)
        router.add_api_route(path, answer, methods=["GET", "HEAD"], include_in_schema=False)
    return router


def _file(content: bytes, kind: str) -> Callable[[], Awaitable[Response]]:
    async def answer() -> Response:
        return Response(content, media_type=kind, headers={"Cache-Control": "no-cache"})

    return answer


class Reports(StaticFiles):
    """HTML files below a folder, and nothing else of it: no data, no hidden files, no way out through links."""

    def __init__(self, folder: Path) -> None:
        super().__init__(directory=folder, html=True)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """See `StaticFiles.get_response`."""
        if any(part.startswith(".") and part != "." for part in Path(path).parts):
            raise HTTPException(404)
        response = await super().get_response(path, scope)
        kind = response.headers.get("content-type", "")
        if response.status_code == 200 and not kind.startswith("text/html"):
            raise HTTPException(404)
        return response
