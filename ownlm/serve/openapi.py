"""/openapi.json, and /docs: the same for people, one page that loads nothing from anywhere.

Routes say what they take and answer (`serve.protocols.openapi.documented`); FastAPI puts it together. Its own pages
load scripts from a CDN, so ours is written here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import JSONResponse, Response

from ownlm import __version__
from ownlm.serve.authentication import scope_of
from ownlm.serve.protocols.examples import EXAMPLES
from ownlm.web.numbers import show
from ownlm.web.page import Page

_HUGE = 2**31 - 1
"""Limits from here on are those of number types, and worth no word."""
_LIMITS = {
    "minimum": "from {}",
    "exclusiveMinimum": "above {}",
    "maximum": "to {}",
    "exclusiveMaximum": "below {}",
    "maxLength": "at most {} characters",
    "maxItems": "at most {} of them",
}

DESCRIPTION = "Completions of code in the protocols of editors, and what operators ask."


def openapi_router(app: FastAPI) -> APIRouter:
    """The two routes. The description is made when it is first asked for."""
    router = APIRouter(tags=["operation"])

    @router.get("/openapi.json", include_in_schema=False)
    async def described() -> Response:
        return JSONResponse(description(app))

    @router.get("/docs", include_in_schema=False)
    async def page(request: Request) -> Response:
        address = str(request.base_url).rstrip("/")
        return Response(docs_page(description(app), address), media_type="text/html; charset=utf-8")

    return router


def description(app: FastAPI) -> dict[str, Any]:
    """What the application takes and answers, as OpenAPI 3.1 has it, with the scope of key each address asks for."""
    if app.openapi_schema is None:
        app.title, app.version, app.description = "ownlm", __version__, DESCRIPTION
        schema = app.openapi()
        schemes = {
            "bearer": {"type": "http", "scheme": "bearer", "description": "Where the gateway has API keys."},
            "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        }
        schema.setdefault("components", {})["securitySchemes"] = schemes
        for path, _, operation in _operations(schema):
            if scope := scope_of(path):
                operation["security"] = [{}, {"bearer": [scope]}, {"header": [scope]}]
        app.openapi_schema = schema
    return app.openapi_schema


def docs_page(schema: dict[str, Any], address: str) -> str:
    """The page: an address a section, with its fields, an example and what it answers.

    Args:
        schema: the description.
        address: of the gateway, as who looks at the page reached it.
    """
    page = Page(f"{schema['info']['title']} {schema['info']['version']}", schema["info"]["description"])
    page.link("The playground", "/")
    page.link("This page for programs: /openapi.json", "/openapi.json")
    page.paragraph("Where the gateway has API keys, send one: Authorization: Bearer KEY, or X-API-Key: KEY.")
    page.paragraph("MODEL is a name of GET /v1/models.")
    for path, method, operation in _operations(schema):
        page.heading(f"{method.upper()} {path}")
        scope = scope_of(path)
        page.paragraph(
            operation.get("summary", "").replace("`", "") + (f" API keys need the scope {scope}." if scope else "")
        )
        for title, body in _bodies(operation):
            if rows := list(_fields(body)):
                page.table(("field", "type", "required", "limits, meaning"), rows, title)
        for example in EXAMPLES.get(path, ()):
            page.code("For example", _command(address + path, example))
        answer = operation.get("responses", {}).get("200", {}).get("content", {})
        page.paragraph(f"Answers {', '.join(answer) or 'nothing but the status'}.")
    return page.html()


def _operations(schema: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def _bodies(operation: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The bodies an address takes: one, or one of several."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    schema = content.get("schema", {})
    for one in schema.get("anyOf", [schema]):
        yield one.get("title", "body"), one


def _fields(schema: dict[str, Any], before: str = "") -> Iterator[tuple[str, str, str, str]]:
    """Name, type, whether it is needed, and what else is said of it: of every field, and of fields inside it."""
    needed = schema.get("required", [])
    for name, field in schema.get("properties", {}).items():
        yield before + name, _kind(field), "yes" if name in needed else "", _said(field)
        for inner in field.get("anyOf", [field]):
            many = inner.get("type") == "array"
            yield from _fields(inner.get("items", {}) if many else inner, f"{before}{name}{'[]' if many else ''}.")


def _said(field: dict[str, Any]) -> str:
    """Limits and meaning."""
    said = [field["description"]] if "description" in field else []
    for one in field.get("anyOf", [field]):
        given = {words: one[limit] for limit, words in _LIMITS.items() if limit in one}
        said += [words.format(show(value)) for words, value in given.items() if abs(value) < _HUGE]
    return ", ".join(said)


def _command(url: str, body: dict[str, Any]) -> str:
    """What to type for it in a shell."""
    text = json.dumps(body).replace("'", "'\\''")
    return f"curl -s {url} -H 'Content-Type: application/json' \\\n    -d '{text}'"


def _kind(field: dict[str, Any]) -> str:
    """A field's type in few words."""
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(_kind(one) for one in field["anyOf"] if one.get("type") != "null"))
    if "enum" in field or "const" in field:
        return " or ".join(json.dumps(value) for value in field.get("enum", [field.get("const")]))
    kind = str(field.get("type", "anything"))
    return f"list of {_kind(field.get('items', {}))}" if kind == "array" else kind
