"""What /openapi.json says about a route: the very models that check its requests, and the types its answers have.

Bodies are read by the routes themselves (limits, errors in the protocol's shape), so FastAPI is told about them here.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, TypeAdapter


def documented(
    summary: str, *, body: type[BaseModel] | Any = None, answer: Any = None, events: bool = False
) -> dict[str, Any]:
    """Arguments of `router.get` and `router.post`.

    Args:
        summary: one sentence.
        body: what the request must be; None for none.
        answer: what is answered; None for nothing but the status.
        events: whether it may also be answered by server-sent events.
    """
    answered: dict[str, Any] = {"description": "the answer"}
    if answer is not None:
        answered["model"] = answer
    if events:
        answered["content"] = {"text/event-stream": {"schema": {"type": "string"}}}
    extra: dict[str, Any] = {}
    if body is not None:
        content = {"application/json": {"schema": schema_of(body)}}
        extra["requestBody"] = {"required": True, "content": content}
    refusals = {"4XX": {"description": "refused, in the protocol's own shape"}, "5XX": {"description": "not now"}}
    return {"summary": summary, "responses": {200: answered, **refusals}, "openapi_extra": extra}


def schema_of(kind: Any) -> dict[str, Any]:
    """The JSON schema of a type, with nothing left to look up elsewhere."""
    schema: dict[str, Any] = TypeAdapter(kind).json_schema()
    definitions = schema.pop("$defs", {})
    inlined: dict[str, Any] = _inlined(schema, definitions)
    return inlined


def _inlined(value: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(value, list):
        return [_inlined(item, definitions) for item in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        return _inlined(definitions[value["$ref"].rpartition("/")[2]], definitions)
    return {name: _inlined(item, definitions) for name, item in value.items()}
