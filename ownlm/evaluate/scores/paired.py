"""Two models on the same problems: which one is better, and could it be chance? Said in a plain sentence.

One answer a problem from each: McNemar's exact test on the problems that only one of them solves. More answers, or
different numbers of them: the difference of pass@1, problem by problem, with a paired bootstrap over problems.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ownlm.errors import EvaluationError
from ownlm.evaluate.scores.mcnemar import mcnemar
from ownlm.statistics.bootstrap import percentile_interval, resampled_means

LEVEL = 0.05
"""Differences at least as likely by chance as this are not called differences."""

RESAMPLES = 10_000


@dataclass(frozen=True)
class Paired:
    """Two models, A and B, compared.

    Attributes:
        problems: that both were asked.
        pass_a: pass@1 of A on them.
        pass_b: pass@1 of B on them.
        only_a: problems that A does better.
        only_b: problems that B does better.
        low: of the 95 % interval of pass_b - pass_a (paired bootstrap).
        high: of that interval.
        p: two-sided: how likely a difference as large is, were both equally good.
        test: where p comes from.
    """

    problems: int
    pass_a: float
    pass_b: float
    only_a: int
    only_b: int
    low: float
    high: float
    p: float
    test: Literal["mcnemar", "bootstrap"]

    @property
    def better(self) -> Literal["a", "b"] | None:
        """Who is better; None when that cannot be told."""
        if self.p >= LEVEL or self.pass_a == self.pass_b:
            return None
        return "b" if self.pass_b > self.pass_a else "a"

    def sentence(self, a: str, b: str) -> str:
        """What came of it, in one sentence.

        Args:
            a: what to call A.
            b: what to call B.
        """
        if self.only_a == self.only_b == 0:
            every = "problem alike" if self.test == "mcnemar" else "problem equally often"
            return f"{a} and {b} solve every {every} ({_number(self.problems, 'problem')}): no difference."
        names = {"a": a, "b": b}
        verdict = "no difference can be told" if self.better is None else f"{names[self.better]} is better"
        if self.test == "mcnemar":
            facts = (
                f"{b} solves {_number(self.only_b, 'problem')} that {a} does not, {a} {self.only_a} that {b} does not"
            )
            return f"{facts}: {verdict}, {_p(self.p)} (McNemar, exact, {_number(self.problems, 'problem')})."
        points = (
            f"{_points(self.pass_b - self.pass_a)} points, 95 % interval {_points(self.low)} to {_points(self.high)}"
        )
        facts = f"{b} has a pass@1 of {self.pass_b:.1%}, {a} of {self.pass_a:.1%} ({points})"
        return f"{facts}: {verdict}, {_p(self.p)} (paired bootstrap, {_number(self.problems, 'problem')})."


def compare(a: Mapping[str, tuple[int, int]], b: Mapping[str, tuple[int, int]], seed: int = 0) -> Paired:
    """Compare two models on the problems both were asked.

    Args:
        a: problem -> (answers, right ones) of A; at least one answer each.
        b: the same of B.
        seed: of the bootstrap.

    Raises:
        EvaluationError: they share no problem.
    """
    shared = sorted(a.keys() & b.keys())
    if not shared:
        raise EvaluationError(
            "The two were asked no problem in common.", advice="Measure both with the same suite and languages."
        )
    shares = [(a[name][1] / a[name][0], b[name][1] / b[name][0]) for name in shared]
    differences = [right - left for left, right in shares]
    only_a, only_b = sum(one < 0 for one in differences), sum(one > 0 for one in differences)
    drawn = resampled_means(differences, seed, RESAMPLES)
    low, high = percentile_interval(drawn)
    once = all(one[name][0] == 1 for one in (a, b) for name in shared)
    # One draw more, the differences themselves: p is never 0, which no number of draws could show.
    below, above = int((drawn <= 0).sum()) + 1, int((drawn >= 0).sum()) + 1
    return Paired(
        problems=len(shared),
        pass_a=sum(left for left, _ in shares) / len(shared),
        pass_b=sum(right for _, right in shares) / len(shared),
        only_a=only_a,
        only_b=only_b,
        low=low,
        high=high,
        p=mcnemar(only_a, only_b) if once else min(1.0, 2 * min(below, above) / (RESAMPLES + 1)),
        test="mcnemar" if once else "bootstrap",
    )


def _number(count: int, thing: str) -> str:
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"


def _points(share: float) -> str:
    return f"{100 * share:+.1f}".replace("-", "−")


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}" if value < 0.1 else f"p = {value:.2f}"
