"""The body of a request, checked: what is wrong is said in one sentence, naming the field, and never quoting it.

OpenAI's own service refuses unknown fields, and so do we: a misspelt `max_tokens` that silently does nothing costs its
sender an afternoon (`Strict`). Editors send what the next version of their server knows: there, unknown fields are let
pass (`Lenient`).
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import from_json

from ownlm.serve.protocols.errors import ApiError

MOST_STOPS = 4

Stop = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
Stops = Stop | Annotated[list[Stop], Field(max_length=MOST_STOPS)] | None
"""Stop strings as OpenAI takes them."""

EDITOR_STOPS = 64
"""Stop strings an editor may send; Continue sends ten."""

Temperature = Annotated[float, Field(ge=0, le=2)]
"""As OpenAI bounds it."""

Seed = Annotated[int, Field(ge=-(2**63), lt=2**63)]
"""What engines take as one."""

EDITOR_TEMPERATURE = 0.1
"""Where an editor does not say: nearly the likeliest text, as Tabby does."""


class Strict(BaseModel):
    """A body whose unknown fields are errors."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class Lenient(BaseModel):
    """A body whose unknown fields are let pass."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)


Body = TypeVar("Body", bound=BaseModel)


def parse(kind: type[Body], body: bytes, expected: Mapping[str, str] | None = None) -> Body:
    """Read a request body.

    Args:
        kind: what it should be.
        body: as it came.
        expected: field -> what it must be, where pydantic's own words say too little.

    Raises:
        ApiError: 400, when it is not JSON or not such a body.
    """
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise _refusal(kind, error, expected or {}) from None


def has_field(body: bytes, name: str) -> bool:
    """Whether a body is a JSON object with this field; False for one that is not JSON."""
    if f'"{name}"'.encode() not in body:  # most bodies are told by this alone, unparsed
        return False
    try:
        value = from_json(body)
    except ValueError:
        return False
    return isinstance(value, dict) and name in value


def listed(stop: str | list[str] | None) -> tuple[str, ...]:
    """Stop strings, however they were given."""
    if stop is None:
        return ()
    return (stop,) if isinstance(stop, str) else tuple(stop)


def _refusal(kind: type[BaseModel], error: ValidationError, expected: Mapping[str, str]) -> ApiError:
    first: Any = error.errors(include_url=False, include_input=False, include_context=False)[0]
    problem, location = first["type"], [str(part) for part in first["loc"]]
    if problem == "json_invalid":
        message = first["msg"].removeprefix("Invalid JSON: ")
        return ApiError(400, f"The body is not valid JSON: {message}.", code="invalid_json")
    if not location:
        return ApiError(400, "The body must be a JSON object.")
    if problem == "extra_forbidden":
        return _unknown(kind, location)
    name, path = location[0], ".".join(_fields_in(kind, location))
    if problem == "missing":
        return ApiError(400, f"{path} is missing.", param=path, code="missing_required_parameter")
    message = f"{name} {expected[name]}." if name in expected else f"{path}: {_lower(first['msg'])}."
    return ApiError(400, message, param=path, code="invalid_type" if "type" in problem else "invalid_value")


def _unknown(kind: type[BaseModel], path: list[str]) -> ApiError:
    near = difflib.get_close_matches(path[-1], _model_at(kind, path[:-1]).model_fields, n=1)
    advice = f" Did you mean {near[0]}?" if near else ""
    name = ".".join(path)[:100]
    return ApiError(400, f"Unknown field {name}.{advice}", param=name, code="unknown_parameter")


def _fields_in(kind: type[BaseModel], location: list[str]) -> list[str]:
    """The part of an error's location that names fields and indices, and not which of several types was meant."""
    named: list[str] = []
    for part in location:
        if not part.isdigit() and part not in _model_at(kind, named).model_fields:
            break
        named.append(part)
    return named


def _model_at(kind: type[BaseModel], path: list[str]) -> type[BaseModel]:
    """The model that lies at `path` inside `kind`; the last one met where there is none."""
    for part in path:
        field = kind.model_fields.get(part)
        types = [] if field is None else _types(field.annotation)
        models = [inner for inner in types if isinstance(inner, type) and issubclass(inner, BaseModel)]
        kind = models[0] if models else kind
    return kind


def _types(annotation: Any) -> list[Any]:
    """`annotation` and every type inside it."""
    return [annotation, *(inner for part in getattr(annotation, "__args__", ()) for inner in _types(part))]


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]
