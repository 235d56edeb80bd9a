"""Read what a step prints and end it at its limits: the one loop that all ways of running share."""

from __future__ import annotations

import os
import selectors
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ownlm.evaluate.sandbox.meter import Meter
from ownlm.evaluate.sandbox.program import How, Limits

_CPUS = os.cpu_count() or 1
_SHORTEST, _LONGEST = 0.01, 0.5  # seconds between two looks at the CPU time


@dataclass
class Streams:
    """The reading ends of a step's pipes, non-blocking.

    Attributes:
        output: descriptors of stdout, stderr.
        answers: what says that the step ended, read to a line's end.
    """

    output: tuple[int, int]
    answers: int
    texts: tuple[bytearray, bytearray] = field(default_factory=lambda: (bytearray(), bytearray()))
    answered: bytearray = field(default_factory=bytearray)

    def clear(self) -> None:
        """Before a step."""
        for text in (*self.texts, self.answered):
            text.clear()


@dataclass(frozen=True)
class Watched:
    """What was seen of a step.

    Attributes:
        cut: the limit it was cut off at; None when it ended by itself.
        answer: the line that came; empty when all pipes closed without one.
    """

    cut: How | None
    answer: str
    wall_seconds: float


def watch(streams: Streams, limits: Limits, meter: Meter, cpu_before: float, kill: Callable[[], None]) -> Watched:
    """Until an answer or the end of all streams. At a limit everything is killed, which closes the streams."""
    started = time.monotonic()
    cut: How | None = None
    look = started
    with selectors.DefaultSelector() as selector:
        for descriptor, text in zip(
            (*streams.output, streams.answers), (*streams.texts, streams.answered), strict=True
        ):
            selector.register(descriptor, selectors.EVENT_READ, text)
        while selector.get_map() and not streams.answered.endswith(b"\n"):
            now = time.monotonic()
            left = started + limits.wall_seconds - now
            if cut is None and (reached := _reached(streams, limits, left)):
                cut = reached
            elif cut is None and now >= look:
                remaining = limits.cpu_seconds - (meter.cpu_seconds() - cpu_before)
                cut = "cpu" if remaining <= 0 else "memory" if meter.out_of_memory() else None
                look = now + min(max(remaining / _CPUS, _SHORTEST), _LONGEST)
            if cut is not None:
                kill()
                break
            for key, _ in selector.select(max(0.0, min(left, look - now))):
                if not _read(key.fd, key.data):
                    selector.unregister(key.fd)
    for descriptor, text in zip(streams.output, streams.texts, strict=True):
        while len(text) <= limits.output_bytes and _read(descriptor, text):
            pass
    if cut is None:
        cut = _reached(streams, limits, 1.0)
    return Watched(cut, streams.answered.decode(), time.monotonic() - started)


def _reached(streams: Streams, limits: Limits, left: float) -> How | None:
    if any(len(text) > limits.output_bytes for text in streams.texts):
        return "output"
    return "wall" if left <= 0 else None


def _read(descriptor: int, text: bytearray) -> bool:
    """Whether there was something; at the end, or when nothing is there now, not."""
    try:
        piece = os.read(descriptor, 65536)
    except BlockingIOError:
        return False
    text += piece
    return bool(piece)
