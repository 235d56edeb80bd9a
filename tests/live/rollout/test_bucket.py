"""Places of users: stable, uniform, independent between salts, unknown without the key."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ownlm.errors import ArtifactError
from ownlm.live.rollout.bucket import Bucketing, new_key

KEY = bytes(range(32))
users = st.text(max_size=40)
USERS = [f"user-{number}@example.org" for number in range(20_000)]


def places(salt: str, key: bytes = KEY) -> np.ndarray:
    bucketing = Bucketing(key)
    return np.array([bucketing.place(salt, user) for user in USERS])


def test_places_never_change():
    """Written down once: another hash would move every user to another side."""
    bucketing = Bucketing(KEY)
    assert bucketing.place("experiment", "ann") == 0.02954724593472846
    assert bucketing.bucket("ann") == 1431
    assert bucketing.bucket("") == 9486


@given(users, users)
def test_a_place_is_in_the_unit_interval_and_the_same_again(salt, user):
    place = Bucketing(KEY).place(salt, user)
    assert 0 <= place < 1
    assert place == Bucketing(KEY).place(salt, user)
    assert 0 <= Bucketing(KEY).bucket(user) < 10_000


@given(users, st.floats(0.1, 100), st.floats(0.1, 100))
def test_who_is_in_stays_in_while_the_percentage_grows(user, one, other):
    small, large = sorted((one, other))
    place = Bucketing(KEY).place("salt", user)
    assert not place < small / 100 or place < large / 100


def test_places_are_uniform():
    assert stats.kstest(places("a"), "uniform").pvalue > 0.01


def test_experiments_do_not_depend_on_each_other():
    one, other = places("a") < 0.5, places("b") < 0.5
    table = [[np.sum(one & other), np.sum(one & ~other)], [np.sum(~one & other), np.sum(~one & ~other)]]
    assert stats.chi2_contingency(table).pvalue > 0.01


def test_without_the_key_nothing_is_known():
    assert abs(np.corrcoef(places("a"), places("a", new_key()))[0, 1]) < 0.04


def test_salt_and_user_do_not_run_into_each_other():
    assert Bucketing(KEY).place("ab", "c") != Bucketing(KEY).place("a", "bc")


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.9, 0.1), (0.2, 0.3, 0.5)])
def test_arms_get_their_shares(shares):
    bucketing = Bucketing(KEY)
    counts = np.bincount([bucketing.arm("x", user, shares) for user in USERS], minlength=len(shares))
    assert stats.chisquare(counts, np.array(shares) * len(USERS)).pvalue > 0.01


def test_a_key_of_another_length_is_refused():
    with pytest.raises(ArtifactError, match="damaged"):
        Bucketing(b"short")
