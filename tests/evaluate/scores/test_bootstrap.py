from __future__ import annotations

import math

from ownlm.evaluate.scores.bootstrap import ratio_interval


def test_bootstrap_surrounds_the_ratio_and_repeats() -> None:
    bits, sizes = [100.0, 220.0, 90.0, 400.0, 130.0], [60, 100, 55, 190, 70]
    low, high = ratio_interval(bits, sizes, seed=3)
    assert low < sum(bits) / sum(sizes) < high
    assert (low, high) == ratio_interval(bits, sizes, seed=3)
    assert ratio_interval([2.0], [1.0], seed=0) == (2.0, 2.0)


def test_bootstrap_narrows_with_more_documents() -> None:
    few = ratio_interval([1.0, 3.0] * 5, [1.0, 1.0] * 5, seed=0)
    many = ratio_interval([1.0, 3.0] * 500, [1.0, 1.0] * 500, seed=0)
    assert many[1] - many[0] < (few[1] - few[0]) / 3
    assert math.isclose(sum(many) / 2, 2.0, abs_tol=0.05)
