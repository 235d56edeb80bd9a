"""A small run of the whole way, shared by the end-to-end tests: real code, real parts, a toy's size."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("asyncio", "collections", "concurrent", "email", "http", "importlib", "json", "logging", "unittest", "xml")

RECIPE = """\
name: small
sources:
  - directory: {path: CODE}
clean: {encoding: {}, line_length: {}, alphanumeric: {}, syntax: {}, exact_duplicates: {}}
split: {repos: 0.08, files: 0.05}
vocabulary: {size: 768}
shards: {context: 128}
model: {size: 1m, d_model: 64, layers: 2, heads: 2, kv_heads: 2, d_ff: 160}
train:
  steps: 60
  batch: 8
  optimizer: {muon: {lr: 0.02, embeddings: {lr: 0.02}}}
  schedule: {wsd: {warmup_steps: 5}}
  compile: "off"
  checkpoints: {every: 20}
  eval_every: 30
evaluate:
  bits_per_byte: {max_tokens: 4000}
  hidden_lines: {lines: 20}
serve: {port: 0}
track: {mlflow: {}}
"""


@dataclass(frozen=True)
class Workplace:
    """A folder with code and a recipe, and the command line to use in it."""

    folder: Path

    @property
    def recipe(self) -> Path:
        return self.folder / "small.yaml"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def code(self) -> Path:
        return self.folder / "code"

    def command(self, *arguments: str | Path) -> list[str]:
        name, *rest = map(str, arguments)
        home = [] if name == "init" else ["--home", str(self.home)]
        return [sys.executable, "-m", "ownlm.cli", name, *home, *rest]

    def ownlm(self, *arguments: str | Path, timeout: float = 170) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without what would change a run, and with this checkout's ownlm."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OWNLM_", "WANDB_", "MLFLOW_"))}
    return {**kept, "PYTHONPATH": str(ROOT), "COLUMNS": "160", **(more or {})}


def make_workplace(folder: Path, packages: Sequence[str] = PACKAGES) -> Workplace:
    """Copy a few packages of the standard library and write the recipe beside them."""
    library = Path(sysconfig.get_path("stdlib"))
    for name in packages:
        ignored = shutil.ignore_patterns("__pycache__", "test", "tests")
        shutil.copytree(library / name, folder / "code" / name, ignore=ignored)
    (folder / "small.yaml").write_text(RECIPE.replace("CODE", str(folder / "code")))
    return Workplace(folder)
