"""How many answers to a problem ended how, and the figures of a set of problems."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ownlm.evaluate.runners.base import Status
from ownlm.evaluate.scores.pass_at_k import pass_at_k
from ownlm.statistics.bootstrap import mean_interval
from ownlm.statistics.proportion import wilson_interval

DIGITS = 6


@dataclass
class Tally:
    """The answers to one problem.

    Attributes:
        language: of the problem.
        ends: how many answers ended with each status.
    """

    language: str
    ends: Counter[Status] = field(default_factory=Counter)

    @property
    def samples(self) -> int:
        """Answers judged."""
        return self.ends.total()

    @property
    def passed(self) -> int:
        """Of these, right ones."""
        return self.ends["passed"]


@dataclass(frozen=True)
class Figure:
    """A share between 0 and 1 and its 95 % interval, see `mean_pass_at_k`."""

    value: float
    low: float
    high: float

    def plain(self) -> dict[str, float | list[float]]:
        """For JSON, rounded to six digits."""
        return {"value": round(self.value, DIGITS), "interval_95": [round(self.low, DIGITS), round(self.high, DIGITS)]}


def mean_pass_at_k(tallies: Sequence[Tally], k: int, seed: int) -> Figure:
    """pass@k, the mean over problems, with its bootstrap interval.

    Where it is 0 or 1 for every problem, drawing them again can only give the same: there the interval is Wilson's, so
    that none of 20 problems solved does not pass for certainty.

    Args:
        tallies: one a problem, at least one.
        k: see `pass_at_k`.
        seed: of the bootstrap.

    Raises:
        EvaluationError: a problem has fewer answers than k.
    """
    each = [pass_at_k(tally.samples, tally.passed, k) for tally in tallies]
    mean = sum(each) / len(each)
    interval = wilson_interval(round(sum(each)), len(each)) if mean in (0.0, 1.0) else mean_interval(each, seed)
    return Figure(mean, *interval)


def ends_of(tallies: Sequence[Tally]) -> dict[str, int]:
    """How many answers ended with each status, the commonest first; time-outs are no failures and stand apart."""
    total: Counter[Status] = Counter()
    for tally in tallies:
        total.update(tally.ends)
    return dict(sorted(total.items(), key=lambda item: (-item[1], item[0])))


def by_language(tallies: Mapping[str, Tally]) -> dict[str, list[Tally]]:
    """The tallies of each language, languages by name."""
    groups: dict[str, list[Tally]] = {}
    for tally in tallies.values():
        groups.setdefault(tally.language, []).append(tally)
    return dict(sorted(groups.items()))


def curve(samples: int, asked: Sequence[int]) -> list[int]:
    """The k a pass@k curve is drawn at: those asked for, and 1, 2, 5, 10, 20, ... up to the number of answers."""
    steps = (factor * 10**power for power in range(len(str(samples))) for factor in (1, 2, 5))
    return sorted({*asked, samples, *(step for step in steps if step <= samples)})
