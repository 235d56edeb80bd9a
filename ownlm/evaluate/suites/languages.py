"""Languages as benchmarks call them -> a runner's key."""

from __future__ import annotations

from ownlm.errors import EvaluationError
from ownlm.evaluate.runners.registry import runner

_NO_RUNNER = {"jl": "julia", "rkt": "racket"}
"""Languages that benchmarks have and nobody runs here: their problems can be read, and answers graded by likelihood."""


def language_key(name: str) -> str:
    """The key of a language, whatever a benchmark or a person calls it; one that no runner knows is its own."""
    try:
        return runner(name).language
    except EvaluationError:
        lower = name.strip().lower()
        return _NO_RUNNER.get(lower, lower)
