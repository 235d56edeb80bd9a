"""A suite's folder whose verdicts are known whatever a model writes: its programs leave the answer out."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from ownlm.errors import SandboxError
from ownlm.evaluate.sandbox.open import open_sandbox

PROBLEMS = (
    {"id": "right/0", "prompt": "x = 1\n", "tests": "assert x == 1"},
    {"id": "wrong/0", "prompt": "x = 1\n", "tests": "assert x == 2"},
    {"id": "right/1", "prompt": "y = 'é'\n", "tests": "assert y == 'é'"},
    {"id": "ends/0", "prompt": "import sys\n", "tests": "sys.exit(0)"},
)


def write_suite(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "suite.yaml").write_text(
        'name: known\nlanguage: python\nmax_tokens: 6\nstops: ["\\n"]\nprogram: "{prompt}\\n{tests}\\n"\nlicence: MIT\n'
    )
    (folder / "problems.jsonl").write_text("".join(json.dumps(problem) + "\n" for problem in PROBLEMS))
    return folder


@cache
def cannot_contain() -> str | None:
    """Why this machine cannot run answers, or None."""
    try:
        open_sandbox()
    except SandboxError as error:
        return error.what
    return None
