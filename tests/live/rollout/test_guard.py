"""Guard-rails: exact where they can be, rarely wrong, and quick where a version is bad."""

from __future__ import annotations

from itertools import product
from math import exp, log, prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ownlm.live.rollout.guard import ALPHA, Block, Watched, broken, evidence
from ownlm.live.rollout.state import GuardRails

LIMIT = log(1 / ALPHA)


@pytest.mark.parametrize("allowed", [0.05, 0.3, 0.9])
def test_its_mean_is_one_when_requests_fail_as_often_as_allowed(allowed):
    mean = 0.0
    for bad in product((0, 1), repeat=8):
        chance = prod(allowed if one else 1 - allowed for one in bad)
        mean += chance * exp(evidence([(1, one) for one in bad], allowed))
    assert mean == pytest.approx(1.0)


def test_its_mean_is_below_one_when_they_fail_less_even_if_they_depend_on_each_other():
    """After a failure the next request fails with the chance allowed, else never but the first: bursts."""
    allowed, mean = 0.2, 0.0
    for bad in product((0, 1), repeat=8):
        chances = [allowed if number == 0 or bad[number - 1] else 0.05 for number in range(8)]
        chance = prod(p if one else 1 - p for one, p in zip(bad, chances, strict=True))
        mean += chance * exp(evidence([(1, one) for one in bad], allowed))
    assert mean < 1.0


def first_alarm(bad: np.ndarray, size: int, allowed: float) -> int | None:
    """Requests until the alarm, looked at every `size` requests."""
    blocks: list[tuple[int, int]] = []
    for start in range(0, len(bad), size):
        blocks.append((size, int(bad[start : start + size].sum())))
        if evidence(blocks, allowed) >= LIMIT:
            return start + size
    return None


def test_false_alarms_are_rare_and_bad_versions_are_seen_soon():
    draw = np.random.default_rng(0)
    rates = {"allowed": 0.05, "bad": 0.15, "broken": 0.9}
    found = {
        name: [first_alarm(draw.random(2000) < rate, 50, 0.05) for _ in range(200)] for name, rate in rates.items()
    }
    assert np.mean([one is not None for one in found["allowed"]]) <= 2 * ALPHA
    assert all(one is not None and one <= 800 for one in found["bad"])
    assert all(one == 50 for one in found["broken"])


def test_what_was_good_for_long_is_not_forgiven_when_it_breaks():
    """A likelihood ratio from the beginning would need thousands of errors here."""
    history = [(100, 1)] * 300
    assert evidence(history, 0.05) < LIMIT
    assert evidence([*history, (100, 30)], 0.05) >= LIMIT


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=20), st.floats(0.001, 0.99))
def test_any_counts_give_a_number(blocks, allowed):
    assert np.isfinite(evidence([(requests, min(bad, requests)) for requests, bad in blocks], allowed))


def users(count: int, rate: float, seed: int) -> dict[str, tuple[int, int]]:
    draw = np.random.default_rng(seed)
    shown = draw.integers(5, 40, count)
    return {f"u{number}": (int(n), int(draw.binomial(n, rate))) for number, n in enumerate(shown)}


def test_each_rail_says_why():
    guards = GuardRails(errors=0.05, slow_s=0.5, acceptance_drop=0.05, least=50)
    good = Block(requests=200, errors=4, answers=190, slow=6)
    assert broken(Watched([good], users(80, 0.3, 0), users(80, 0.3, 1)), guards) == ""
    assert broken(Watched([Block(200, 60, 140, 0)]), guards).startswith("errors: 60 of 200 requests")
    assert broken(Watched([Block(200, 0, 200, 80)]), guards).startswith(
        "p95: 40.0% of 200 answers took longer than 0.5 s"
    )
    told = broken(Watched([good], users(80, 0.1, 0), users(80, 0.5, 1)), guards)
    assert told.startswith("acceptance: ")
    assert "lower" in told
    assert broken(Watched([good], users(80, 0.5, 0), users(80, 0.1, 1)), guards) == "", "better is no reason"
    assert broken(Watched([good], users(80, 0.1, 0), {}), guards) == "", "nobody to compare with"
    off = GuardRails(errors=None, slow_s=None, acceptance_drop=None)
    assert broken(Watched([Block(200, 200, 200, 200)], users(80, 0.1, 0), users(80, 0.5, 1)), off) == ""
    assert broken(Watched([Block(40, 40, 0, 0)]), guards) == "", "too few to decide anything"


def test_acceptance_within_what_is_allowed_is_no_reason():
    guards = GuardRails(errors=None, acceptance_drop=0.1)
    block = Block(5000, 0, 5000, 0)
    assert broken(Watched([block], users(400, 0.28, 0), users(400, 0.35, 1)), guards) == ""
    assert broken(Watched([block], users(400, 0.15, 0), users(400, 0.35, 1)), guards) != ""
