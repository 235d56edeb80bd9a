"""An error as each protocol's clients read it: one function a protocol, chosen by the address that was asked.

OpenAI, Tabby   {"error": {"message", "type", "param", "code"}}; Tabby's clients look at the status only
llama.cpp       {"error": {"code": 400, "message", "type"}}
Mistral         422 {"detail": [{"loc", "msg", "type"}]}, else {"object": "error", "message", "type", "param", "code"}
TGI             {"error": "...", "error_type": "validation"}
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ownlm.serve.protocols.errors import ApiError

Shape = Callable[["ApiError"], tuple[int, dict[str, Any]]]
"""The status and the body of an error."""

_LLAMA_CPP_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "unavailable_error",
    501: "not_supported_error",
    503: "unavailable_error",
}
_TGI_TYPES = {422: "validation", 424: "generation", 429: "overloaded", 401: "authentication", 403: "authentication"}


def openai_shape(error: ApiError) -> tuple[int, dict[str, Any]]:
    """OpenAI's."""
    kind = "server_error" if error.status >= 500 else "invalid_request_error"
    return error.status, {"error": {"message": error.message, "type": kind, "param": error.param, "code": error.code}}


def llama_cpp_shape(error: ApiError) -> tuple[int, dict[str, Any]]:
    """llama.cpp's server's: `code` is the status."""
    kind = _LLAMA_CPP_TYPES.get(error.status, "server_error" if error.status >= 500 else "invalid_request_error")
    return error.status, {"error": {"code": error.status, "message": error.message, "type": kind}}


def mistral_shape(error: ApiError) -> tuple[int, dict[str, Any]]:
    """Mistral's: what is wrong with the body is 422, one entry a field."""
    if error.status == 400:
        location = ["body", error.param] if error.param else ["body"]
        return 422, {"detail": [{"loc": location, "msg": error.message, "type": error.code or "value_error"}]}
    kind = "internal_server_error" if error.status >= 500 else "invalid_request_error"
    body = {"object": "error", "message": error.message, "type": kind, "param": error.param, "code": error.code}
    return error.status, body


def tgi_shape(error: ApiError) -> tuple[int, dict[str, Any]]:
    """Text Generation Inference's: 422 for what is wrong with the body, 429 when there is no room."""
    status = {400: 422, 503: 429}.get(error.status, error.status)
    kind = _TGI_TYPES.get(status, "generation" if status >= 500 else "validation")
    return status, {"error": error.message, "error_type": kind}


_SHAPES: dict[str, Shape] = {
    "/infill": llama_cpp_shape,
    "/props": llama_cpp_shape,
    "/v1/fim/completions": mistral_shape,
    "/generate": tgi_shape,
    "/generate_stream": tgi_shape,
    "/tgi": tgi_shape,
    "/info": tgi_shape,
}


def shape_of(path: str) -> Shape:
    """The shape for clients of `path`; OpenAI's where no protocol says otherwise."""
    return _SHAPES.get(path, openai_shape)
