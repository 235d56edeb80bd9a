"""How often one caller may ask: a sliding window, kept in memory (the `limits` package).

The window slides between two counters (the share of the previous one that still counts is added), so a user costs two
numbers however many requests he sends.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from ownlm.errors import RecipeError
from ownlm.serve.call import Caller
from ownlm.serve.protocols.errors import too_often

if TYPE_CHECKING:
    from limits.strategies import RateLimiter


class RateLimit:
    """At most so many requests of one user; of one address, where there is no user.

    Args:
        rate: e.g. "120/minute"; "" for no limit.

    Raises:
        RecipeError: it is no rate.
    """

    def __init__(self, rate: str = "") -> None:
        self._rate = rate
        self._limiter: RateLimiter | None = None
        if not rate:
            return
        from limits import parse
        from limits.storage import MemoryStorage
        from limits.strategies import SlidingWindowCounterRateLimiter

        try:
            self._item = parse(rate)
        except ValueError as error:
            raise RecipeError(
                f"{rate!r} is no rate of requests", where="serve.rate", advice='write e.g. "120/minute" or "5/second"'
            ) from error
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    def take(self, caller: Caller) -> None:
        """Count a request.

        Raises:
            ApiError: 429, with the seconds to wait.
        """
        if self._limiter is None:
            return
        who = caller.user or caller.address
        if not self._limiter.hit(self._item, who):
            reset = self._limiter.get_window_stats(self._item, who).reset_time
            raise too_often(self._rate, max(1, math.ceil(reset - time.time())))
