"""Read what a step prints and end it at its limits: the one loop that all ways of running share."""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ownlm.evaluate.sandbox.meter import Meter
from ownlm.evaluate.sandbox.program import Ended, How, Limits

_CPUS = os.cpu_count() or 1
_SHORTEST_LOOK = 0.01  # seconds from one look at what was used to the next


@dataclass
class Streams:
    """The reading ends of a step's pipes.

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
    look = started + _next_look(limits.cpu_seconds, meter)
    with selectors.DefaultSelector() as selector:
        for descriptor, text in zip(
            (*streams.output, streams.answers), (*streams.texts, streams.answered), strict=True
        ):
            os.set_blocking(descriptor, False)
            selector.register(descriptor, selectors.EVENT_READ, text)
        while selector.get_map() and not streams.answered.endswith(b"\n"):
            now = time.monotonic()
            left = started + limits.wall_seconds - now
            if any(len(text) > limits.output_bytes for text in streams.texts):
                cut = "output"
            elif left <= 0:
                cut = "wall"
            elif now >= look:
                remaining = limits.cpu_seconds - (meter.cpu_seconds() - cpu_before)
                cut = "cpu" if remaining <= 0 else "memory" if meter.out_of_memory() else None
                look = now + _next_look(remaining, meter)
            if cut is not None:
                kill()
                break
            for key, _ in selector.select(max(0.0, min(left, look - now))):
                if not _read(key.fd, key.data):
                    selector.unregister(key.fd)
    for descriptor, text in zip(streams.output, streams.texts, strict=True):
        while len(text) <= limits.output_bytes and _read(descriptor, text):
            pass
    return Watched(cut, streams.answered.decode(), time.monotonic() - started)


def _next_look(remaining: float, meter: Meter) -> float:
    """Seconds until as much CPU time can be used as remains, at most the meter's longest."""
    return min(max(remaining / _CPUS, _SHORTEST_LOOK), meter.longest_look)


def conclude(limits: Limits, streams: Streams, watched: Watched, meter: Meter, cpu_seconds: float) -> Ended | None:
    """How the step ended; None when nothing says so, which is not the step's doing.

    A limit that was passed counts, whether it was noticed before the end or only then: the same program ends the same
    way however often it was looked at.
    """
    code = int(signal.SIGKILL)
    how: How | None = watched.cut
    if meter.out_of_memory():
        how = "memory"
    elif how is None and any(len(text) > limits.output_bytes for text in streams.texts):
        how = "output"
    elif how is None and cpu_seconds > limits.cpu_seconds:
        how = "cpu"
    elif how is None:
        if not watched.answer.endswith("\n"):
            return None
        status = int(watched.answer)
        how, code = ("signal", os.WTERMSIG(status)) if os.WIFSIGNALED(status) else ("exit", os.WEXITSTATUS(status))
    out, err = (bytes(text[: limits.output_bytes]) for text in streams.texts)
    return Ended(how, code, out, err, cpu_seconds, watched.wall_seconds, meter.peak_bytes())


def _read(descriptor: int, text: bytearray) -> bool:
    """Whether there was something; at the end, or when nothing is there now, not."""
    try:
        piece = os.read(descriptor, 65536)
    except BlockingIOError:
        return False
    text += piece
    return bool(piece)
