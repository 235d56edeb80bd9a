"""Languages as benchmarks call them -> a runner's key."""

from __future__ import annotations

_KEYS = {
    "py": "python",
    "js": "javascript",
    "node": "javascript",
    "ts": "typescript",
    "c++": "cpp",
    "cc": "cpp",
    "c#": "csharp",
    "cs": "csharp",
    "sh": "bash",
    "pl": "perl",
    "rb": "ruby",
    "rs": "rust",
    "golang": "go",
    "go_test.go": "go",
    "jl": "julia",
    "rkt": "racket",
}


def language_key(name: str) -> str:
    """The key of a language, whatever a benchmark or a person calls it; an unknown one is its own."""
    lower = name.strip().lower()
    return _KEYS.get(lower, lower)
