"""The last quarter of an hour of a gateway, second by second, for the page that shows it live.

Prometheus keeps history for those who have it; this is for those who have nothing but the gateway. Fixed memory: a
second is a row of counters, and the latencies of a second are kept singly, at most `MOST_A_SECOND` of them (a
reservoir sample beyond, Vitter 1985, algorithm R), so quantiles are exact until then.
"""

from __future__ import annotations

import math
import random
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from ownlm.live.feedback.event import ServedCompletion

SECONDS = 900
MOST_A_SECOND = 64
OUTCOMES = ("done", "deadline", "cancelled", "error")
QUANTILES = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))


@dataclass
class Second:
    """What ended in one second.

    Attributes:
        at: the second, since 1970.
        outcomes: answers by how they ended, in the order of `OUTCOMES`.
        prompt_tokens: read.
        generated_tokens: generated.
        first: seconds to the first piece of text, a sample of at most `MOST_A_SECOND`.
        total: seconds to the end, of the same answers.
        gauges: numbers read once in this second, by name.
    """

    at: int
    outcomes: list[int] = field(default_factory=lambda: [0] * len(OUTCOMES))
    prompt_tokens: int = 0
    generated_tokens: int = 0
    first: list[float] = field(default_factory=list)
    total: list[float] = field(default_factory=list)
    gauges: dict[str, float] = field(default_factory=dict)
    timed: int = 0


class History:
    """Called in the event loop only.

    Args:
        clock: seconds since 1970.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._seconds: deque[Second] = deque(maxlen=SECONDS)
        self._random = random.Random(0)  # noqa: S311  which latencies are shown is no secret

    def served(self, completion: ServedCompletion) -> None:
        """An answer ended."""
        second = self._now()
        second.outcomes[OUTCOMES.index(completion.outcome)] += 1
        second.prompt_tokens += completion.prompt_tokens
        second.generated_tokens += completion.generated_tokens
        if completion.first_token_s is None:
            return
        second.timed += 1
        if len(second.first) < MOST_A_SECOND:
            second.first.append(completion.first_token_s)
            second.total.append(completion.total_s)
            return
        place = self._random.randrange(second.timed)
        if place < MOST_A_SECOND:
            second.first[place], second.total[place] = completion.first_token_s, completion.total_s

    def sample(self, gauges: dict[str, float]) -> None:
        """Numbers that are read rather than counted: queue, memory, processor."""
        self._now().gauges.update(gauges)

    def json(self, steps: int = 90) -> dict[str, Any]:
        """The history in `steps` equal spans, oldest first, and the whole of the last minute.

        Returns:
            Lists of `steps` numbers by name; None where a span has nothing to say.
        """
        width = SECONDS // steps
        end = int(self._clock()) + 1
        begin = end - steps * width
        spans: list[list[Second]] = [[] for _ in range(steps)]
        for second in self._seconds:
            if begin <= second.at < end:
                spans[(second.at - begin) // width].append(second)
        minute = [second for second in self._seconds if end - 60 <= second.at < end]
        names = sorted({name for second in self._seconds for name in second.gauges})
        return {
            "seconds_a_step": width,
            "end": end,
            "series": {
                **{name: [_outcomes(span, place) / width for span in spans] for place, name in enumerate(OUTCOMES)},
                "generated_tokens": [sum(second.generated_tokens for second in span) / width for span in spans],
                "prompt_tokens": [sum(second.prompt_tokens for second in span) / width for span in spans],
                **{f"first_{name}": [_quantile(_all(span, "first"), q) for span in spans] for name, q in QUANTILES},
                **{f"total_{name}": [_quantile(_all(span, "total"), q) for span in spans] for name, q in QUANTILES},
                **{name: [_mean(second.gauges.get(name) for second in span) for span in spans] for name in names},
            },
            "minute": {
                "answers": sum(sum(second.outcomes) for second in minute),
                "outcomes": {name: _outcomes(minute, place) for place, name in enumerate(OUTCOMES)},
                "generated_tokens": sum(second.generated_tokens for second in minute),
                **{f"first_{name}": _quantile(_all(minute, "first"), q) for name, q in QUANTILES},
                **{f"total_{name}": _quantile(_all(minute, "total"), q) for name, q in QUANTILES},
            },
        }

    def _now(self) -> Second:
        at = int(self._clock())
        # A clock set back goes on in the newest second: rows stay in their order.
        if not self._seconds or self._seconds[-1].at < at:
            self._seconds.append(Second(at))
        return self._seconds[-1]


def _outcomes(seconds: Iterable[Second], place: int) -> int:
    return sum(second.outcomes[place] for second in seconds)


def _all(seconds: Iterable[Second], name: str) -> list[float]:
    return sorted(value for second in seconds for value in getattr(second, name))


def _quantile(ordered: list[float], q: float) -> float | None:
    """The smallest value that at least the part `q` does not exceed."""
    if not ordered:
        return None
    return ordered[math.ceil(q * len(ordered)) - 1]


def _mean(values: Iterable[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return sum(there) / len(there) if there else None
