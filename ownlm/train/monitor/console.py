"""What a terminal shows of a log line: one compact note beside the bar, and at a measurement what the model writes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ownlm.pipeline.progress import Task
from ownlm.train.monitor.written import FILE, read_completions

_LINES, _WIDTH = 3, 110


def note(values: Mapping[str, float], currency: str = "") -> str:
    """The most telling numbers of a log line, those that are there.

    >>> note({"loss": 2.5, "bits_per_byte": 1.25, "mfu": 0.412, "run/cost": 0.5, "run/cost_left": 1.25}, "EUR")
    'loss 2.500, 1.250 bits per byte, MFU 41 %, 0.50 EUR spent, 1.25 left'
    """
    shown = []
    if "loss" in values:
        shown.append(f"loss {values['loss']:.3f}, {values['bits_per_byte']:.3f} bits per byte")
    if "heldout_bits_per_byte" in values:
        shown.append(f"held-out {values['heldout_bits_per_byte']:.3f}")
    if "mfu" in values:
        shown.append(f"MFU {values['mfu']:.0%}".replace("%", " %"))
    if "machine/gpu_memory_gb" in values:
        shown.append(f"GPU {values['machine/gpu_memory_gb']:.1f} GB")
    if "run/cost" in values:
        left = f", {values['run/cost_left']:.2f} left" if "run/cost_left" in values else ""
        shown.append(f"{values['run/cost']:.2f} {currency} spent{left}".replace("  ", " "))
    return ", ".join(shown)


def show(task: Task, folder: Path, step: int, values: Mapping[str, float], currency: str = "") -> None:
    """Put a log line's note beside the bar; at a measurement, what was written to `folder`'s completions above it."""
    told = note(values, currency)
    if told:
        task.note(told)
    if "heldout_bits_per_byte" in values:
        for one in read_completions(folder / FILE):
            if one.step == step:
                task.say(f"  step {step}, {one.repo}/{one.path}: …{_tail(one.before)}▸{_head(one.written)}")


def _tail(text: str) -> str:
    """The last line with something in it, indentation left out, and what follows."""
    lines = text.rstrip("\n").split("\n")
    return lines[-1].strip()[-40:] + ("⏎" if text.endswith("\n") else "")


def _head(text: str) -> str:
    """The first lines, on one."""
    line = "⏎".join(text.split("\n")[:_LINES])
    line = "".join(sign if sign.isprintable() else "·" for sign in line)
    return line if len(line) <= _WIDTH else line[: _WIDTH - 1] + "…"
