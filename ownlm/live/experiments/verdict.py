"""What an experiment says, in one plain sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ownlm.live.experiments.compare import NAMES, Compared, Metric
from ownlm.live.experiments.power import POWER
from ownlm.live.experiments.sample_ratio import ALPHA as MISMATCH_ALPHA

SPACE = "\N{NO-BREAK SPACE}"
"""Between a number and its unit."""

_TENFOLD = 10.0
Kind = Literal["mismatch", "better", "alike", "early"]

CHANCE = f"{100 * POWER:.0f}{SPACE}%"


@dataclass(frozen=True)
class Verdict:
    """What an experiment says.

    Attributes:
        kind: "mismatch" (the arms do not have the users they should have), "better" (one of them is), "alike" (no
            difference that matters), or "early" (nothing can be told yet).
        sentence: for a person.
    """

    kind: Kind
    sentence: str


def judge(
    compared: Compared, users: tuple[int, int], shares: tuple[float, float], mismatch: float, *, running: bool = True
) -> Verdict:
    """What came of it.

    Args:
        compared: by the metric that decides.
        users: of A and of B.
        shares: that they should have.
        mismatch: p-value of a right assignment.
        running: whether it still runs.
    """
    if mismatch < MISMATCH_ALPHA:
        told = f"A has {users[0]:,} users and B {users[1]:,}, expected {100 * shares[0]:g}/{100 * shares[1]:g}"
        return Verdict(
            "mismatch",
            f"Do not decide on this: {told} (p = {mismatch:.1g}). Something loses users of one arm, and with them the "
            "comparison.",
        )
    facts = in_words(compared)
    if compared.better is not None:
        return Verdict("better", f"{compared.better.upper()} is better: {facts}.")
    if compared.alike:
        return Verdict(
            "alike", f"No difference that matters (it is below {size(compared.metric, compared.lift)}): {facts}."
        )
    return Verdict("early", f"{'Too early' if running else 'It cannot be told'}: {facts}; {_more(compared, shares)}.")


def _more(compared: Compared, shares: tuple[float, float]) -> str:
    missing, lift = compared.users_missing(shares), size(compared.metric, compared.lift)
    if missing is None:
        return "there is too little to say how many users it needs"
    if missing == 0:
        return (
            f"a difference of {lift} would have been seen with a chance of {CHANCE}: "
            "if there is one, it is probably smaller"
        )
    return f"about {missing:,} more users are needed to see a difference of {lift} with a chance of {CHANCE}"


def in_words(compared: Compared) -> str:
    """Both means, their difference and its interval."""
    name = NAMES[compared.metric]
    if not np.isfinite(compared.value):
        return f"nothing is known of {name} yet ({sum(compared.users):,} users)"
    a, b = (amount(compared.metric, one) for one in (compared.a, compared.b))
    means = f"{name} {b} with B against {a} with A"
    if not np.isfinite(compared.high):
        return f"{means} ({sum(compared.users):,} users)"
    interval = f"always-valid {100 * (1 - compared.alpha):.4g} % interval {span(compared)}"
    return f"{means} ({signed(compared.metric, compared.value)}, {interval}, {sum(compared.users):,} users)"


def amount(metric: Metric, value: float) -> str:
    """A mean with its unit."""
    if not np.isfinite(value):
        return "–"
    if metric == "acceptance":
        return f"{100 * value:.1f}{SPACE}%"
    return f"{value:.1f}" if metric == "characters" else f"{1000 * value:.0f}{SPACE}ms"


def span(compared: Compared) -> str:
    """The interval, its unit once."""
    low = signed(compared.metric, compared.low).split(SPACE)[0]
    return f"{low} to {signed(compared.metric, compared.high)}"


def signed(metric: Metric, value: float) -> str:
    """A difference with its sign and unit."""
    unit = "points" if metric == "acceptance" else "%"
    shown = f"{100 * value:+.1f}".replace("-", "−") if value < _TENFOLD else "over +1000"
    return shown + SPACE + unit


def size(metric: Metric, lift: float) -> str:
    """A difference that matters."""
    return f"{100 * lift:.3g} points" if metric == "acceptance" else f"{100 * lift:.3g} %"
