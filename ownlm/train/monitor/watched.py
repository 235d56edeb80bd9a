"""A run as it can be watched from outside: by the files it writes, wherever it is at the moment."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from ownlm.errors import ArtifactError, InputError
from ownlm.pipeline.artifact import MANIFEST
from ownlm.pipeline.progress import format_count, format_seconds
from ownlm.pipeline.tracking.log import MetricLog
from ownlm.train.monitor.pictures import draw
from ownlm.train.monitor.written import FILE, read_completions
from ownlm.web.page import Page

METRICS = "metrics.jsonl"
_DESCRIBED = ("log/run.json", MANIFEST)


@dataclass(frozen=True)
class Watched:
    """A run to look at.

    Args:
        folder: of its train stage: where its metrics.jsonl is, or will be. When the stage ends it becomes an artifact:
            the folder of the same name beside `work/` is looked into then.
    """

    folder: Path

    def now(self) -> Path:
        """The folder where it is at the moment."""
        moved = self.folder.parent.parent / "artifacts" / self.folder.name
        return self.folder if self.folder.is_dir() or not moved.is_dir() else moved

    def settings(self) -> dict[str, Any]:
        """The recipe's `train` block as far as it is known."""
        for name in _DESCRIBED:
            try:
                return dict(json.loads((self.now() / name).read_text(encoding="utf-8"))["config"]["train"])
            except (OSError, ValueError, KeyError, TypeError):
                continue
        return {}

    def state(self) -> str:
        """finished, running, or stopped."""
        folder = self.now()
        if (folder / MANIFEST).is_file():
            return "finished"
        try:
            holder = int((folder.parent.parent / "locks" / f"{folder.name}.lock").read_text(encoding="ascii"))
        except (OSError, ValueError):
            return "not finished"
        return "running" if psutil.pid_exists(holder) else "stopped; the same command continues it"

    def version(self) -> str:
        """Changes when there is something new to see."""
        folder, parts = self.now(), [self.state()]
        for name in (METRICS, FILE):
            try:
                status = (folder / name).stat()
                parts.append(f"{status.st_size} {status.st_mtime_ns}")
            except OSError:
                parts.append("")
        return hashlib.sha256("/".join(parts).encode()).hexdigest()[:16]

    def page(self) -> Page:
        """What there is to see now.

        Raises:
            ArtifactError: the metrics are damaged.
        """
        folder, settings = self.now(), self.settings()
        page = Page("Training", folder.name)
        try:
            lines = MetricLog.read(folder / METRICS) if (folder / METRICS).exists() else []
        except ArtifactError as error:
            page.paragraph(str(error))
            return page
        page.facts(_facts(lines, settings, self.state()))
        if lines:
            draw(page, lines, read_completions(folder / FILE), settings.get("currency", ""))
        else:
            page.paragraph("Nothing was logged yet: the first line comes after train.log_every steps.")
        return page


def _facts(lines: list[dict[str, float]], settings: dict[str, Any], state: str) -> dict[str, object]:
    newest: dict[str, float] = {}
    for line in lines:
        newest |= line
    steps = settings.get("steps")
    found: dict[str, object] = {
        "State": state,
        "Step": f"{int(newest.get('step', 0)):,}" + (f" of {steps:,}" if steps else ""),
    }
    for label, name in (
        ("Loss", "loss"),
        ("Bits per byte, held-out files", "heldout_bits_per_byte"),
    ):
        if name in newest:
            found[label] = newest[name]
    if "tokens_per_s" in newest:
        found["Tokens per second"] = format_count(newest["tokens_per_s"])
    if state == "finished":
        newest.pop("run/cost_left", None)
    if "mfu" in newest:
        found["MFU"] = f"{newest['mfu']:.1%}"
    if "run/seconds" in newest:
        found["Time so far"] = format_seconds(newest["run/seconds"])
    if "run/seconds_left" in newest and state != "finished":
        found["Time left"] = format_seconds(newest["run/seconds_left"])
    currency = settings.get("currency", "")
    for label, name in (("Cost so far", "run/cost"), ("Cost left", "run/cost_left")):
        if name in newest:
            found[label] = f"{newest[name]:.2f} {currency}".strip()
    return found


def folder_of(what: Path) -> Path:
    """The train stage's folder, given it or its metrics.jsonl.

    Raises:
        InputError: there are no numbers of a training.
    """
    folder = what.parent if what.name == METRICS else what
    if not (folder / METRICS).is_file():
        raise InputError(
            "There are no numbers of a training here.", where=what, advice=f"Give a recipe, or a folder with {METRICS}."
        )
    return folder.absolute()
