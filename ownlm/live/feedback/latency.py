"""Latencies as numbers of buckets: small integers that a database counts by group, and from which quantiles come.

Bucket b holds latencies around 1.02 ** b milliseconds, so that a quantile is right to 1 %. Below 0.1 ms all is one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

NONE = -1
"""The bucket of what has no latency."""
_BASE = math.log(1.02)
_LEAST = round(math.log(0.1) / _BASE)
_MOST = 32_000


def bucket_of(seconds: float | None) -> int:
    """The bucket of a latency; `NONE` for None."""
    if seconds is None:
        return NONE
    return min(max(round(math.log(max(seconds, 1e-9) * 1000) / _BASE), _LEAST) - _LEAST, _MOST)


def seconds_of(bucket: int) -> float:
    """The middle of a bucket."""
    return math.exp((bucket + _LEAST) * _BASE) / 1000


def quantile(counts: Mapping[int, int], share: float) -> float | None:
    """Seconds below which `share` of the latencies lie (nearest rank); None without any.

    Args:
        counts: how many latencies each bucket has.
        share: between 0 and 1.
    """
    total = sum(counts.values())
    rank = max(1, math.ceil(share * total))
    seen = 0
    for bucket in sorted(counts):
        seen += counts[bucket]
        if seen >= rank:
            return seconds_of(bucket)
    return None
