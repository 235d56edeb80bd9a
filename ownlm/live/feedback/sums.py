"""What came of some completions, in numbers that add up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal, get_args

from ownlm.live.feedback.latency import quantile

OriginDimension = Literal["version", "channel", "experiment", "arm", "language", "suffix", "client", "protocol"]
Dimension = Literal[OriginDimension, "week", "day", "user"]
"""Weeks ("2026-W47") and days ("2026-11-22") are those of UTC. A user is the keyed hash of the name, "" for nobody."""
DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)


@dataclass
class Sums:
    """What came of some completions. Sums of two groups add up (`+`) to those of both.

    Attributes:
        completions: answered, in any way.
        errors: of these, ended by an error of ours.
        cancelled: of these, left by the client before the end.
        shown: choices that somebody saw.
        accepted: of these, accepted, wholly or in part.
        dismissed: of these, dismissed and not accepted.
        accepted_characters: of the accepted text.
        kept_characters: of the accepted text, what was still there at the last report of each choice.
        followed_characters: accepted characters of the choices that had a report: what `kept_characters` is a share of.
        kept: `kept_characters` by horizon, seconds after the text was accepted.
        followed: `followed_characters` by horizon.
        first_token: completions by bucket (see `latency`) of the time to the first piece of text; only those answered.
        total: the same of the whole time.
    """

    completions: int = 0
    errors: int = 0
    cancelled: int = 0
    shown: int = 0
    accepted: int = 0
    dismissed: int = 0
    accepted_characters: int = 0
    kept_characters: int = 0
    followed_characters: int = 0
    kept: Counter[int] = field(default_factory=Counter)
    followed: Counter[int] = field(default_factory=Counter)
    first_token: Counter[int] = field(default_factory=Counter)
    total: Counter[int] = field(default_factory=Counter)

    @property
    def acceptance(self) -> float | None:
        """Accepted of those shown; None when none was."""
        return self.accepted / self.shown if self.shown else None

    def survival(self, horizon: int) -> float | None:
        """Share of accepted characters still there after `horizon` seconds; None when nobody told."""
        return self.kept[horizon] / self.followed[horizon] if self.followed[horizon] else None

    def latency(self, share: float, *, first_token: bool = False) -> float | None:
        """A quantile of the time an answer took, in seconds, right to 1 %; None without answers."""
        return quantile(self.first_token if first_token else self.total, share)

    def __add__(self, other: Sums) -> Sums:
        return Sums(**{name: value + getattr(other, name) for name, value in vars(self).items()})


Groups = dict[tuple[str, ...], Sums]
"""By the values of the dimensions that were asked for, in their order."""
