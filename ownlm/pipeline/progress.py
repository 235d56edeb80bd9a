"""Progress of long work: rate and time left, on a terminal as a live bar, elsewhere as plain lines."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress
from rich.progress import Task as RichTask
from rich.text import Text

LINE_EVERY_S = 10.0


class Task(Protocol):
    """One piece of long work under way."""

    def advance(self, amount: float = 1) -> None:
        """`amount` more units are done."""

    def note(self, text: str) -> None:
        """Show a short text beside the bar, e.g. the loss."""

    def say(self, text: str) -> None:
        """Print a line that stays, above the bar."""


class Progress(Protocol):
    """Where stages report long work."""

    @contextmanager
    def task(self, label: str, total: float | None = None, unit: str = "") -> Iterator[Task]:
        """Open a piece of work of `total` units (None: unknown), counted in `unit` ("tokens", "bytes", "steps")."""
        ...


class _SilentTask:
    def advance(self, amount: float = 1) -> None:
        pass

    def note(self, text: str) -> None:
        pass

    def say(self, text: str) -> None:
        pass


class SilentProgress:
    """Shows nothing: for tests and library use."""

    @contextmanager
    def task(self, label: str, total: float | None = None, unit: str = "") -> Iterator[Task]:
        """See `Progress.task`."""
        yield _SilentTask()


def format_count(value: float) -> str:
    """Three significant digits at most, with k, M, G, T: 12345 -> "12.3k", 999.7 -> "1k"."""
    if not math.isfinite(value):
        return str(value)
    for limit, suffix in ((1.0, ""), (1e3, "k"), (1e6, "M"), (1e9, "G")):
        text = f"{value / limit:.3g}"
        if abs(float(text)) < 1000:
            return text + suffix
    return f"{value / 1e12:.3g}T"


def format_seconds(seconds: float) -> str:
    """0.42 s, 12.3 s, 4 min 05 s, 3 h 07 min."""
    if round(seconds, 2) < 10:
        return f"{seconds:.2f} s"
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


class _LineTask:
    """Prints at most one line every `LINE_EVERY_S` seconds: for logs and pipes."""

    def __init__(self, console: Console, label: str, total: float | None, unit: str) -> None:
        self._console, self._label, self._total, self._unit = console, label, total, unit
        self._done, self._note = 0.0, ""
        self._start = self._last = time.monotonic()

    def advance(self, amount: float = 1) -> None:
        self._done += amount
        now = time.monotonic()
        if now - self._last >= LINE_EVERY_S:
            self._last = now
            self.print(now)

    def note(self, text: str) -> None:
        self._note = text

    def say(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def print(self, now: float) -> None:
        elapsed = max(now - self._start, 1e-9)
        rate = self._done / elapsed
        unit = f" {self._unit}" if self._unit else ""
        share = f" of {format_count(self._total)}{unit} ({self._done / self._total:.0%})" if self._total else unit
        parts = [f"  {self._label}: {format_count(self._done)}{share}", f"{format_count(rate)}{unit}/s"]
        if self._total and rate > 0:
            parts.append(f"{format_seconds(max(self._total - self._done, 0) / rate)} left")
        if self._note:
            parts.append(self._note)
        self._console.print(", ".join(parts), highlight=False, markup=False)


class LineProgress:
    """Plain lines, for terminals that are not one."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def task(self, label: str, total: float | None = None, unit: str = "") -> Iterator[Task]:
        """See `Progress.task`."""
        yield _LineTask(self._console, label, total, unit)


class _BarTask:
    def __init__(self, bar: RichProgress, label: str, total: float | None, unit: str) -> None:
        self._bar = bar
        self._id = bar.add_task(label, total=total, unit=unit, note="")

    def advance(self, amount: float = 1) -> None:
        self._bar.advance(self._id, amount)

    def note(self, text: str) -> None:
        self._bar.update(self._id, note=text)

    def say(self, text: str) -> None:
        self._bar.console.print(text, highlight=False, markup=False)


class _RateColumn(ProgressColumn):
    def render(self, task: RichTask) -> Text:
        speed = task.finished_speed or task.speed
        unit = task.fields.get("unit", "")
        return Text("" if speed is None else f"{format_count(speed)} {unit}/s", style="cyan")


class BarProgress:
    """A live bar with rate, time left and a note."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def task(self, label: str, total: float | None = None, unit: str = "") -> Iterator[Task]:
        """See `Progress.task`."""
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f}%"),
            _RateColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[note]}", style="dim", markup=False),
        )
        with RichProgress(*columns, console=self._console, transient=True) as bar:
            yield _BarTask(bar, label, total, unit)


def progress_for(console: Console) -> Progress:
    """A bar on a terminal, lines elsewhere."""
    return BarProgress(console) if console.is_terminal else LineProgress(console)
