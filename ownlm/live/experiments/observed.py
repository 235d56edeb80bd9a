"""What users of an experiment did, from the feedback store: sums of each user, all that the statistics need."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ownlm.live.experiments.ratio import Floats
from ownlm.live.feedback.latency import seconds_of
from ownlm.live.feedback.query import Dimension, Sums, sums
from ownlm.live.feedback.store import Store

DIMENSIONS: tuple[Dimension, ...] = ("language", "client", "suffix")
"""What figures are also given by; a suffix is a file's type, e.g. ".py"."""

OTHER = "unknown"


@dataclass(frozen=True)
class Arm:
    """One entry a user in each array.

    Attributes:
        shown_U: choices that the user saw.
        accepted_U: of these.
        kept_U: characters of what was accepted that are still there; where nobody told, all of them.
        answers_U: answers whose time is known.
        seconds_U: that they took together.
        completions: answered in any way, of all users.
        errors: of these.
    """

    shown_U: Floats
    accepted_U: Floats
    kept_U: Floats
    answers_U: Floats
    seconds_U: Floats
    completions: int = 0
    errors: int = 0

    @property
    def users(self) -> int:
        """Who had an answer."""
        return len(self.shown_U)


Arms = tuple[Arm, Arm]


def arm_of(users: Iterable[Sums]) -> Arm:
    """The users of an arm, or of everybody."""
    each = list(users)
    columns = {
        "shown_U": [one.shown for one in each],
        "accepted_U": [one.accepted for one in each],
        "kept_U": [one.accepted_characters - one.followed_characters + one.kept_characters for one in each],
        "answers_U": [one.total.total() for one in each],
        "seconds_U": [sum(seconds_of(bucket) * count for bucket, count in one.total.items()) for one in each],
    }
    arrays = {name: np.asarray(values, dtype=np.float64) for name, values in columns.items()}
    return Arm(**arrays, completions=sum(one.completions for one in each), errors=sum(one.errors for one in each))


def observe(store: Store, experiment: str, *, since: float, until: float | None = None) -> Arms:
    """What came of an experiment so far: arms A and B. Nobody in particular ("") takes part in none."""
    groups = sums(store, ("arm", "user"), where={"experiment": experiment}, since=since, until=until)
    a, b = ([one for (name, user), one in groups.items() if name == arm and user] for arm in "ab")
    return arm_of(a), arm_of(b)


def observe_by(
    store: Store, experiment: str, by: Dimension, *, since: float, until: float | None = None
) -> dict[str, Arms]:
    """The same for each language, client or type of file, those with most users first."""
    where = {"experiment": experiment}
    groups = sums(store, (by, "arm", "user"), where=where, since=since, until=until)  # type: ignore[arg-type]
    found: dict[str, dict[str, list[Sums]]] = defaultdict(lambda: {"a": [], "b": []})
    for (value, arm, user), one in groups.items():
        if user and arm in ("a", "b"):
            found[value or OTHER][arm].append(one)
    made = {value: (arm_of(each["a"]), arm_of(each["b"])) for value, each in found.items()}
    return dict(sorted(made.items(), key=lambda item: (-item[1][0].users - item[1][1].users, item[0])))


@dataclass(frozen=True)
class Day:
    """The state of an experiment at the end of a day.

    Attributes:
        day: "2026-11-22", UTC.
        arms: all until then.
        joined: users who came on this day, of A and of B.
    """

    day: str
    arms: Arms
    joined: tuple[int, int]


def observe_days(store: Store, experiment: str, *, since: float, until: float | None = None) -> list[Day]:
    """An experiment day by day, without latencies."""
    where = {"experiment": experiment}
    by: tuple[Dimension, ...] = ("day", "arm", "user")
    groups = sums(store, by, where=where, since=since, until=until, latencies=False)  # type: ignore[arg-type]
    so_far: dict[str, dict[str, Sums]] = {"a": {}, "b": {}}
    days = []
    for day in sorted({key[0] for key in groups}):
        before = {arm: len(users) for arm, users in so_far.items()}
        for (when, arm, user), one in groups.items():
            if when == day and user and arm in so_far:
                users = so_far[arm]
                users[user] = users[user] + one if user in users else one
        joined = (len(so_far["a"]) - before["a"], len(so_far["b"]) - before["b"])
        days.append(Day(day, (arm_of(so_far["a"].values()), arm_of(so_far["b"].values())), joined))
    return days


def before(store: Store, channel: str, *, since: float, until: float) -> Arm:
    """Users of a channel in a time before an experiment: what its plan is made from."""
    groups = sums(store, ("user",), where={"channel": channel}, since=since, until=until)
    return arm_of(one for (user,), one in groups.items() if user)
