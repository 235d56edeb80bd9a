from __future__ import annotations

import math

import numpy as np
import pytest

from ownlm.evaluate.ablation.decide import ALPHA, decide


def _injected(
    generator: np.random.Generator, *, seeds: int, documents: int, run: float, document: float, gap: float = 0.0
) -> tuple[list[list[float]], list[list[float]], list[float]]:
    """Bits of A and B: a run shifts all its documents, a document favours A or B in all runs."""
    sizes = generator.integers(500, 8000, documents).astype(float)
    level = generator.normal(2, 0.3, documents)
    favour = generator.normal(0, document, documents)
    a = [((level + generator.normal(0, run)) * sizes).tolist() for _ in range(seeds)]
    b = [((level + favour + gap + generator.normal(0, run)) * sizes).tolist() for _ in range(seeds)]
    return a, b, sizes.tolist()


@pytest.mark.parametrize(
    ("run", "document", "seeds"), [(0.01, 0.0, 3), (0.01, 0.05, 3), (0.001, 0.1, 3), (0.02, 0.02, 2), (0.01, 0.05, 6)]
)
def test_two_alike_are_called_different_no_more_often_than_alpha(run: float, document: float, seeds: int) -> None:
    generator, rounds = np.random.default_rng(seeds), 400
    wrong = 0
    for _ in range(rounds):
        a, b, sizes = _injected(generator, seeds=seeds, documents=40, run=run, document=document)
        wrong += decide(a, b, sizes, lower_is_better=True).better is not None
    # Two standard errors of a share of alpha, on top of the bootstrap's own few parts in a hundred at 40 documents.
    assert wrong / rounds <= ALPHA + 2 * math.sqrt(ALPHA * (1 - ALPHA) / rounds) + 0.01


def test_a_clear_difference_is_seen_and_has_a_side() -> None:
    generator = np.random.default_rng(0)
    seen = 0
    for _ in range(100):
        a, b, sizes = _injected(generator, seeds=3, documents=60, run=0.005, document=0.02, gap=0.05)
        found = decide(a, b, sizes, lower_is_better=True)
        assert found.better != "b"
        seen += found.better == "a"
    assert seen >= 95
    assert decide(a, b, sizes, lower_is_better=False).better == "b"


def test_figures_are_sums_over_sums_and_errors_are_those_of_the_books() -> None:
    a, b, sizes = [[10.0, 40.0], [14.0, 44.0]], [[8.0, 30.0], [10.0, 36.0]], [10.0, 20.0]
    found = decide(a, b, sizes, lower_is_better=True)
    assert found.a == pytest.approx((50 / 30, 58 / 30))
    assert found.b == pytest.approx((38 / 30, 46 / 30))
    assert found.value == pytest.approx(-12 / 30)
    variance = ((8 / 30) ** 2 / 2) / 2 * 2
    assert found.seed_error == pytest.approx(math.sqrt(variance))
    assert found.error == pytest.approx(math.hypot(found.seed_error or 0, found.document_error))
    assert found.low is not None
    assert found.high is not None
    assert (found.low + found.high) / 2 == pytest.approx(found.value)


def test_p_is_that_of_welch_where_documents_make_no_noise() -> None:
    from scipy.stats import ttest_ind

    a = [[2.0 * size + shift * size for size in (10, 20)] for shift in (0.0, 0.1, 0.3)]
    b = [[2.2 * size + shift * size for size in (10, 20)] for shift in (0.0, 0.2, 0.1)]
    found = decide(a, b, [10.0, 20.0], lower_is_better=True)
    expected = ttest_ind(found.b, found.a, equal_var=False)
    assert found.document_error == pytest.approx(0, abs=1e-12)
    assert found.p == pytest.approx(expected.pvalue)
    assert found.degrees == pytest.approx(expected.df)
    interval = expected.confidence_interval(1 - ALPHA)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_one_seed_decides_nothing() -> None:
    found = decide([[1.0, 2.0]], [[9.0, 9.0]], [1.0, 1.0], lower_is_better=True)
    assert found.better is None
    assert found.p is None
    assert found.document_error > 0


def test_the_same_scores_are_no_difference() -> None:
    found = decide([[1.0], [1.0]], [[1.0], [1.0]], [1.0], lower_is_better=True)
    assert found.p == 1.0
    assert found.better is None
