"""How often `ownlm experiment` is wrong when one looks all the time, beside tests that do not expect to be looked at.

    .venv/bin/python benchmarks/experiments.py [--repetitions 500]

Worlds without a difference: the share of experiments that ever claim one, of the always-valid test (alpha 5 %), of a
t-test of users looked at each time ("peeking"), and of a z-test of views, which takes each view for independent.
Worlds with a lift: how many end, after how many of the users, and how often the interval ever missed the truth.
Sample-ratio mismatch: alarms where there is none (alpha 1 %), and where one arm loses users.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np

from ownlm.live.experiments.power import deviation_of, users_needed, visible_with
from ownlm.live.experiments.ratio import Ratio, ratio_of
from ownlm.live.experiments.sample_ratio import ALPHA, mismatch_p
from ownlm.live.experiments.simulate import Seen, World, simulate

LOOKS = 100
CHUNK = 50
DEVIATION = 0.25
"""Of a user, for what the test expects: the interval is then narrowest, and most often wrong, around the last look."""

NULL = {
    "20 users from the start": World(users=20),
    "100 users from the start": World(users=100),
    "100 users, few make most views": World(users=100, activity=2.0),
    "100 users, very different rates": World(users=100, agreement=1.0),
    "100 users, joining": World(users=100, joining=True),
    "100 users, joining, novelty wears off": World(users=100, joining=True, novelty=True),
    "100 users, 2 % acceptance": World(users=100, rate=0.02),
    "100 users, 90/10": World(users=100, share=0.1),
    "40 users, 90/10": World(users=40, share=0.1),
    "1,000 users, joining": World(users=1000, joining=True, views=20.0),
    "1,000 users, all alike, joining": World(users=1000, joining=True, views=5.0, agreement=1e6, activity=0.1),
}


def chunks(world: World, repetitions: int) -> Iterator[Seen]:
    """The world, so many times, a few at once."""
    size = max(2, CHUNK * 100 // world.users)
    for number in range(-(-repetitions // size)):
        yield simulate(world, size, LOOKS, number)


def peeking(a: Ratio, b: Ratio) -> np.ndarray:
    """Whether a t-test of users says "significant" at any look (from five users in each arm on)."""
    with np.errstate(all="ignore"):
        z = np.abs(a.value - b.value) / np.sqrt(a.variance + b.variance)
    return ((z > 1.96) & (a.users >= 5) & (b.users >= 5)).any(axis=1)


def by_views(a: Ratio, b: Ratio) -> np.ndarray:
    """The same of a z-test of proportions over views (from 30 in each arm on)."""
    with np.errstate(all="ignore"):
        own = a.value * (1 - a.value) / a.events + b.value * (1 - b.value) / b.events
        z = np.abs(a.value - b.value) / np.sqrt(own)
    return ((z > 1.96) & (a.events >= 30) & (b.events >= 30)).any(axis=1)


def false_alarms(repetitions: int) -> None:
    """The table of worlds without a difference."""
    print(f"{'no difference':40s} {'acceptance':>11} {'characters':>11} {'peeking t':>10} {'views z':>9}")
    for name, world in NULL.items():
        found: list[np.ndarray] = []
        _, expected = visible_with(world.users, DEVIATION, (1 - world.share, world.share))
        for seen in chunks(world, repetitions):
            a, b = seen.arms(seen.accepted_SLU, share=True)
            ours = [(one.p < 0.05).any(axis=1) for one in (seen.acceptance(expected), seen.characters(4 * expected))]
            found.append(np.stack([*ours, peeking(a, b), by_views(a, b)]))
        rates = np.concatenate(found, axis=1).mean(axis=1)
        print(f"{name:40s} {rates[0]:11.1%} {rates[1]:11.1%} {rates[2]:10.1%} {rates[3]:9.1%}", flush=True)


def power(repetitions: int) -> None:
    """The table of worlds with a lift."""
    print(f"\n{'lift':8s} {'users stated':>13} {'end by then':>12} {'median end':>11} {'misses':>8} {'wrong side':>11}")
    for lift in (0.1, 0.05, 0.03):
        plain = World(users=4000, views=20.0)
        pilot = simulate(plain, 1, 1, 1000)
        deviation = deviation_of(ratio_of(pilot.accepted_SLU[0, 0], pilot.views_SLU[0, 0], share=True))
        stated = users_needed(lift, deviation)
        world = World(users=stated, views=20.0, lift=lift)
        rates = np.random.default_rng(0).beta(world.rate * world.agreement, (1 - world.rate) * world.agreement, 10**6)
        true = float((np.minimum(rates + lift, 1) - rates).mean())  # nobody accepts more than everything
        ends, missed, wrong = [], [], []
        for number in range(repetitions):
            one = simulate(world, 1, 1, number)
            at = np.unique(np.linspace(20, stated, LOOKS).astype(int))
            order = np.arange(stated)[None, None, :] < at[None, :, None]
            seen = Seen(one.in_b_SU, *(part * order for part in (one.views_SLU, one.accepted_SLU, one.characters_SLU)))
            result = seen.acceptance(lift)
            decided = ((result.low > 0) | (result.high < 0))[0]
            ends.append(at[decided.argmax()] if decided.any() else np.inf)
            missed.append(((result.low > true) | (result.high < true)).any())
            wrong.append((result.high < 0).any())
        ended = np.isfinite(ends).mean()
        print(
            f"{lift:8.0%} {stated:13,} {ended:12.0%} {np.median(ends):11,.0f} {np.mean(missed):8.1%} "
            f"{np.mean(wrong):11.1%}",
            flush=True,
        )


def mismatch(repetitions: int) -> None:
    """The table of the sample-ratio alarm."""
    draw = np.random.default_rng(0)
    print(f"\n{'users in B, of 2,000 (half is right)':40s} {'alarms':>8}")
    for share in (0.5, 0.49, 0.47, 0.45, 0.4):
        arms = draw.random((repetitions, 2000)) < share
        joined = np.stack([~arms, arms], axis=-1).astype(int).tolist()
        alarms = np.mean([mismatch_p(one, (0.5, 0.5)) < ALPHA for one in joined])
        print(f"{share:40.0%} {alarms:8.1%}", flush=True)


def main() -> None:
    """Print the three tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=500)
    repetitions = parser.parse_args().repetitions
    print(f"{repetitions:,} repetitions, {LOOKS} looks each\n")
    false_alarms(repetitions)
    power(repetitions)
    mismatch(repetitions)


if __name__ == "__main__":
    main()
