"""What was written of held-out files while training: `completions.jsonl`, one line a continuation.

{"step":200,"repo":"requests","path":"api.py","before":"...","expected":"...","written":"..."}
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

FILE = "completions.jsonl"


@dataclass(frozen=True)
class Completion:
    """One continuation.

    Attributes:
        step: optimizer steps done.
        repo: repository of the file.
        path: of the file in it.
        before: the last lines the model has seen.
        expected: what the file goes on with.
        written: what the model goes on with.
    """

    step: int
    repo: str
    path: str
    before: str
    expected: str
    written: str


def read_completions(path: Path) -> list[Completion]:
    """All that a file holds; a torn or damaged line is passed over, no file is none."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return []
    found = []
    for line in lines[:-1]:
        try:
            values: dict[str, Any] = json.loads(line)
            found.append(Completion(**values))
        except (ValueError, TypeError):
            continue
    return found


def line_of(completion: Completion) -> str:
    """As it stands in the file."""
    return json.dumps(asdict(completion), ensure_ascii=True, separators=(",", ":")) + "\n"
