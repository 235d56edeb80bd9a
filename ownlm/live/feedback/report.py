"""The report's figures: for all, and by each of some dimensions, with 95 % intervals.

Completions of one user are alike, so an interval that took them as independent would be too narrow. Where users are
known, whole users are drawn again (cluster bootstrap; Cameron, Gelbach, Miller 2008); with few or none, where that says
nothing, the interval is Wilson's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ownlm.live.feedback.facts import read
from ownlm.live.feedback.schema import HORIZONS
from ownlm.live.feedback.store import Store
from ownlm.live.feedback.sums import Dimension, OriginDimension, Sums
from ownlm.statistics.bootstrap import cluster_interval
from ownlm.statistics.proportion import wilson_interval

FEWEST_USERS = 10
"""With fewer the interval is Wilson's."""
SHARES = {"p50": 0.5, "p95": 0.95}

Interval = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """What came of one group.

    Attributes:
        name: the group's value; "all" for all.
        sums: of the group.
        users: known ones who were shown something.
        interval: of the acceptance; None when nothing was shown.
    """

    name: str
    sums: Sums
    users: int
    interval: Interval | None

    def plain(self) -> dict[str, object]:
        """For JSON."""
        figures = self.sums
        return {
            "name": self.name,
            "completions": figures.completions,
            "errors": figures.errors,
            "cancelled": figures.cancelled,
            "shown": figures.shown,
            "accepted": figures.accepted,
            "dismissed": figures.dismissed,
            "users": self.users,
            "acceptance": _rounded(figures.acceptance),
            "acceptance_interval_95": None if self.interval is None else list(map(_rounded, self.interval)),
            "accepted_characters": figures.accepted_characters,
            "kept_characters": figures.kept_characters,
            "followed_characters": figures.followed_characters,
            "survival": {str(horizon): _rounded(figures.survival(horizon)) for horizon in HORIZONS},
            "first_token_s": {
                name: _rounded(figures.latency(share, first_token=True)) for name, share in SHARES.items()
            },
            "total_s": {name: _rounded(figures.latency(share)) for name, share in SHARES.items()},
        }


@dataclass(frozen=True)
class Report:
    """Lines by dimension.

    Attributes:
        whole: of everything.
        parts: by dimension, the groups with the most shown first; weeks and days in their order.
    """

    whole: Line
    parts: Mapping[Dimension, Sequence[Line]]

    def plain(self) -> dict[str, object]:
        """For JSON."""
        parts = {f"by_{name}": [line.plain() for line in lines] for name, lines in self.parts.items()}
        return {"all": self.whole.plain(), **parts}


def report(
    store: Store,
    by: Sequence[Dimension],
    *,
    where: Mapping[OriginDimension, str] | None = None,
    since: float | None = None,
    until: float | None = None,
    seed: int = 0,
) -> Report:
    """The figures of a store; see `query.sums` for the arguments.

    Args:
        seed: of the bootstrap; the same store and seed give the same report.
    """
    facts = read(store, (*by, "user"), where=where, since=since, until=until, their_latencies=False)
    parts: dict[Dimension, list[Line]] = {}
    for name in by:
        members: dict[str, dict[str, Sums]] = {}
        for (value, user), each in facts.groups((name, "user"), latencies=False).items():
            members.setdefault(value, {})[user] = each
        times = facts.groups((name,))
        lines = [line_of(value, users, times[(value,)], seed) for value, users in members.items()]
        timely = name in ("week", "day")
        parts[name] = sorted(lines, key=lambda line: (0 if timely else -line.sums.shown, line.name))
    everybody = {user: each for (user,), each in facts.groups(("user",), latencies=False).items()}
    return Report(line_of("all", everybody, facts.groups(()).get((), Sums()), seed), parts)


def line_of(name: str, users: Mapping[str, Sums], total: Sums, seed: int) -> Line:
    """The figures of a group.

    Args:
        name: of the group.
        users: its sums by user; "" for nobody known.
        total: its sums.
        seed: of the bootstrap.
    """
    shown = {user: each for user, each in users.items() if each.shown}
    known = len(shown.keys() - {""})
    if not total.shown:
        return Line(name, total, known, None)
    # Where nobody or everybody accepts, drawing again can only give the same.
    if known < FEWEST_USERS or total.accepted in (0, total.shown):
        return Line(name, total, known, wilson_interval(total.accepted, total.shown))
    clusters = [(each.accepted, each.shown) for user, each in shown.items() if user]
    if (nobody := shown.get("")) is not None:  # each by itself
        clusters += [(1, 1)] * nobody.accepted + [(0, 1)] * (nobody.shown - nobody.accepted)
    return Line(name, total, known, cluster_interval(clusters, seed))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
