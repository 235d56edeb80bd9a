"""A request for each address that takes one, as somebody would type it: shown on /docs, tried by the tests.

`MODEL` and `COMPLETION` stand for a model's name and the id of a completion.
"""

from __future__ import annotations

from typing import Any

MODEL = "MODEL"
COMPLETION = "cmpl-..."
_BEFORE, _AFTER = "def area(radius):\n    return ", "\n\nprint(area(2))\n"
_AROUND = f"<|fim_prefix|>{_BEFORE}<|fim_suffix|>{_AFTER}<|fim_middle|>"

EXAMPLES: dict[str, tuple[dict[str, Any], ...]] = {
    "/v1/completions": (
        {"model": MODEL, "prompt": _BEFORE, "suffix": _AFTER, "max_tokens": 32, "temperature": 0},
        {"language": "python", "segments": {"prefix": _BEFORE, "suffix": _AFTER, "filepath": "area.py"}},
    ),
    "/v1/chat/completions": ({"model": MODEL, "messages": [{"role": "user", "content": "Continue: def fib(n):"}]},),
    "/v1/events": ({"type": "view", "completion_id": COMPLETION, "choice_index": 0, "view_id": "v1"},),
    "/infill": ({"input_prefix": "def area(radius):\n", "prompt": "    return ", "input_suffix": _AFTER},),
    "/v1/fim/completions": ({"model": MODEL, "prompt": _BEFORE, "suffix": _AFTER, "max_tokens": 32},),
    "/generate": ({"inputs": _AROUND, "parameters": {"max_new_tokens": 32}},),
    "/generate_stream": ({"inputs": _AROUND, "parameters": {"max_new_tokens": 32}},),
    "/tgi": ({"inputs": _AROUND, "parameters": {"max_new_tokens": 32}, "stream": True},),
}
