"""Everything there is to say of an experiment now: verdict, metrics, breakdowns, day by day, plan, sample ratio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ownlm.live.experiments.compare import ALPHA, METRICS, Compared, Metric, compare
from ownlm.live.experiments.observed import DIMENSIONS, Arms, observe, observe_by, observe_days
from ownlm.live.experiments.sample_ratio import mismatch_p
from ownlm.live.experiments.verdict import Verdict, judge
from ownlm.live.feedback.store import Store
from ownlm.live.rollout.state import Experiment

MOST_GROUPS = 12
"""Of a breakdown: those with most users."""


@dataclass(frozen=True)
class Report:
    """An experiment as of now.

    Attributes:
        name: of it.
        experiment: what is compared, and what was planned.
        verdict: see `Verdict`.
        mismatch: p-value of a right assignment.
        users: of A and of B.
        completions: of A and of B.
        errors: of A and of B.
        metrics: of all users; the plan's first.
        groups: dimension -> group -> metrics. Intervals of a breakdown hold together: each has its part of alpha.
        days: day -> the deciding metric at its end.
        joined: day -> users who came, of A and of B.
    """

    name: str
    experiment: Experiment
    verdict: Verdict
    mismatch: float
    users: tuple[int, int]
    completions: tuple[int, int]
    errors: tuple[int, int]
    metrics: Mapping[str, Compared]
    groups: Mapping[str, Mapping[str, Mapping[str, Compared]]]
    days: Mapping[str, Compared]
    joined: Mapping[str, tuple[int, int]]

    @property
    def shares(self) -> tuple[float, float]:
        """Of users, in A and in B, as they should be."""
        return shares_of(self.experiment)

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "name": self.name,
            "experiment": self.experiment.model_dump(mode="json", exclude={"salt"}),
            "verdict": vars(self.verdict),
            "sample_ratio_p": self.mismatch,
            "users": list(self.users),
            "completions": list(self.completions),
            "errors": list(self.errors),
            "metrics": _plain(self.metrics),
            "groups": {
                by: {value: _plain(metrics) for value, metrics in groups.items()} for by, groups in self.groups.items()
            },
            "days": _plain(self.days),
        }


def report(store: Store, name: str, experiment: Experiment) -> Report:
    """Look at an experiment: as often as one likes.

    Args:
        store: feedback.
        name: of the experiment.
        experiment: as the registry has it.

    Raises:
        StorageError: the store cannot be read.
    """
    since, until = experiment.started, experiment.stopped
    arms = observe(store, name, since=since, until=until)
    days = observe_days(store, name, since=since, until=until)
    order = _order(experiment.plan.metric)
    metrics: dict[str, Compared] = {metric: _compared(arms, metric, experiment) for metric in order}
    users = (arms[0].users, arms[1].users)
    mismatch = mismatch_p((day.joined for day in days), shares_of(experiment))
    groups: dict[str, dict[str, dict[str, Compared]]] = {
        by: _broken_down(observe_by(store, name, by, since=since, until=until), experiment, order) for by in DIMENSIONS
    }
    deciding = order[0] if order[0] != "latency" else "acceptance"
    return Report(
        name,
        experiment,
        judge(metrics[order[0]], users, shares_of(experiment), mismatch, running=until is None),
        mismatch,
        users,
        (arms[0].completions, arms[1].completions),
        (arms[0].errors, arms[1].errors),
        metrics,
        groups,
        {day.day: _compared(day.arms, deciding, experiment) for day in days},
        {day.day: day.joined for day in days},
    )


def shares_of(experiment: Experiment) -> tuple[float, float]:
    """Of users, in A and in B."""
    return 1 - experiment.share_b, experiment.share_b


def _broken_down(
    found: Mapping[str, Arms], experiment: Experiment, order: Sequence[Metric]
) -> dict[str, dict[str, Compared]]:
    shown = dict(list(found.items())[:MOST_GROUPS])
    alpha = ALPHA / max(1, len(shown))
    return {
        value: {metric: _compared(arms, metric, experiment, alpha) for metric in order} for value, arms in shown.items()
    }


def _order(first: str) -> list[Metric]:
    return sorted(METRICS, key=lambda metric: metric != first)


def _compared(arms: Arms, metric: Metric, experiment: Experiment, alpha: float = ALPHA) -> Compared:
    """As planned for the metric that decides; as usual for the others."""
    plan = experiment.plan
    if metric != plan.metric:
        return compare(arms, metric, alpha=alpha)
    return compare(arms, metric, lift=plan.lift, expected=plan.expected, alpha=alpha)


def _plain(compared: Mapping[str, Compared]) -> dict[str, Any]:
    return {name: one.plain() for name, one in compared.items()}
