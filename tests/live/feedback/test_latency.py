"""Latencies in buckets: quantiles are right to 1 %."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ownlm.live.feedback.latency import NONE, bucket_of, quantile, seconds_of


@given(st.lists(st.floats(1e-4, 1000), min_size=1, max_size=50), st.floats(0, 1))
def test_quantiles_are_those_of_the_latencies(latencies: list[float], share: float) -> None:
    exact = sorted(latencies)[max(1, math.ceil(share * len(latencies))) - 1]
    found = quantile(Counter(map(bucket_of, latencies)), share)
    assert found == pytest.approx(exact, rel=0.0101)


def test_the_ends() -> None:
    assert bucket_of(None) == NONE
    assert quantile({}, 0.5) is None
    assert bucket_of(0.0) == bucket_of(-1.0) == bucket_of(1e-5) == 0
    assert 0 < bucket_of(1e30) < 1 << 15
    assert seconds_of(bucket_of(0.25)) == pytest.approx(0.25, rel=0.01)
