"""Users that do not exist, to measure how often the statistics of experiments are wrong.

Each has a rate of acceptance (beta) and an activity (log-normal) of their own: a few users make most of the views. They
are all there from the start, or come one after another; what they did is looked at many times.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ownlm.live.experiments.ratio import Floats, Ratio, ratio_of
from ownlm.live.experiments.sequential import Difference, difference

CHARACTERS = 40.0
"""Mean length of an accepted text; lengths follow an exponential distribution."""


@dataclass(frozen=True)
class World:
    """What users are like.

    Attributes:
        users: how many, in both arms together.
        views: of each, on average, over the whole time.
        rate: acceptance, on average.
        agreement: how alike users are: rates follow Beta(rate * agreement, (1 - rate) * agreement).
        activity: deviation of the logarithm of a user's views.
        lift: added to everybody's rate in arm B.
        joining: users come one after another; otherwise all are there from the start.
        novelty: rates fall to one half of what they were at the start, in both arms.
        share: of users in B.
    """

    users: int = 100
    views: float = 50.0
    rate: float = 0.3
    agreement: float = 6.0
    activity: float = 1.0
    lift: float = 0.0
    joining: bool = False
    novelty: bool = False
    share: float = 0.5


@dataclass(frozen=True)
class Seen:
    """What there is to see at each look; S repetitions, L looks, U users.

    Attributes:
        in_b_SU: whether a user is in B.
        views_SLU: so far.
        accepted_SLU: of these.
        characters_SLU: kept of what was accepted.
    """

    in_b_SU: NDArray[np.bool_]
    views_SLU: Floats
    accepted_SLU: Floats
    characters_SLU: Floats

    def arms(self, sums_SLU: Floats, *, share: bool) -> tuple[Ratio, Ratio]:
        """Means of A and of B."""
        b = self.in_b_SU[:, None, :]
        a = ~b
        return (
            ratio_of(sums_SLU * a, self.views_SLU * a, share=share),
            ratio_of(sums_SLU * b, self.views_SLU * b, share=share),
        )

    def acceptance(self, expected: float) -> Difference:
        """Of the acceptance rates, at each look."""
        return difference(*self.arms(self.accepted_SLU, share=True), expected=expected)

    def characters(self, expected: float) -> Difference:
        """Of the logarithms of kept characters a view, at each look."""
        a, b = self.arms(self.characters_SLU, share=False)
        return difference(a.log(), b.log(), expected=expected)


def simulate(world: World, repetitions: int, looks: int, seed: int) -> Seen:
    """Let the users of a world work, `repetitions` times."""
    draw = np.random.default_rng(seed)
    shape_SU, shape_SLU = (repetitions, world.users), (repetitions, looks, world.users)
    mean = world.views / looks
    activity_SU = mean * np.exp(draw.normal(-(world.activity**2) / 2, world.activity, shape_SU))
    rate_SU = draw.beta(world.rate * world.agreement, (1 - world.rate) * world.agreement, shape_SU)
    in_b_SU = draw.random(shape_SU) < world.share
    views = draw.poisson(np.broadcast_to(activity_SU[:, None], shape_SLU))
    when = np.arange(looks)[None, :, None]
    if world.joining:
        views *= when >= draw.integers(0, looks, shape_SU)[:, None]
    chance = np.clip(rate_SU + world.lift * in_b_SU, 0, 1)[:, None]
    if world.novelty:
        chance = chance * (1 + np.exp(-10 * when / looks)) / 2
    accepted = draw.binomial(views, np.broadcast_to(chance, shape_SLU)).astype(np.float64)
    kept = np.where(accepted > 0, draw.gamma(np.maximum(accepted, 1)) * CHARACTERS, 0.0)
    return Seen(in_b_SU, views.cumsum(axis=1).astype(np.float64), accepted.cumsum(axis=1), kept.cumsum(axis=1))
