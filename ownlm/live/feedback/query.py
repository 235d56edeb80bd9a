"""Questions to a feedback store: what came of completions, by whatever says where they came from.

    groups = sums(store, ("arm", "user"), where={"experiment": "longer"}, since=time.time() - 7 * 86400)
    groups[("B", person)].accepted / groups[("B", person)].shown

A choice counts at the time of its completion, and once, however many events it has. It was shown when there is any
event of it: who accepts has seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal, get_args

from ownlm.live.feedback.database import Row
from ownlm.live.feedback.latency import quantile
from ownlm.live.feedback.schema import HORIZONS, ORIGIN_FIELDS
from ownlm.live.feedback.store import Store

OriginDimension = Literal["version", "channel", "experiment", "arm", "language", "suffix", "client", "protocol"]
Dimension = OriginDimension | Literal["week", "day", "user"]
"""Weeks ("2026-W47") and days ("2026-11-22") are those of UTC. A user is the keyed hash of the name, "" for nobody."""
DIMENSIONS: tuple[Dimension, ...] = (*get_args(get_args(Dimension)[0]), *get_args(get_args(Dimension)[1]))

_DAY_MS = 86_400_000
_EPOCH = date(1970, 1, 1).toordinal()
_COLUMNS = {"week": f"(at / {_DAY_MS} + 3) / 7", "day": f"at / {_DAY_MS}", "user": "person"}


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


def sums(
    store: Store,
    by: Sequence[Dimension],
    *,
    where: Mapping[OriginDimension, str] | None = None,
    since: float | None = None,
    until: float | None = None,
    latencies: bool = True,
) -> Groups:
    """What came of completions, in groups.

    Args:
        store: an open one.
        by: what groups differ in; a group's key has their values in this order. () for one group of all.
        where: only completions with these values.
        since: only completions from then on, seconds since 1970.
        until: only completions before then.
        latencies: also count latencies; without them many groups (users) come faster.

    Raises:
        ValueError: a dimension is unknown.
        StorageError: the database refuses.
    """
    unknown = [name for name in (*by, *(where or ())) if name not in DIMENSIONS]
    if unknown:
        raise ValueError(f"no dimension: {', '.join(unknown)}")
    span = (-(1 << 62) if since is None else round(since * 1000), 1 << 62 if until is None else round(until * 1000))
    groups: Groups = {}
    with store.database.reading():
        asked = _Asked.of(store, by, where or {}, span)
        for key, row in asked.rows("ownlm_completions", _ANSWERS):
            group = groups.setdefault(key, Sums())
            group.completions, group.errors, group.cancelled = row
        for key, row in asked.rows("ownlm_outcomes", _OUTCOMES):
            _add_outcomes(groups.setdefault(key, Sums()), row)
        for name in ("first", "total") if latencies else ():
            for key, (bucket, count) in asked.rows("ownlm_completions", (), bucket=f"{name}_bucket"):
                (groups[key].first_token if name == "first" else groups[key].total)[bucket] += count
    return groups


def _sum(expression: str) -> str:
    return f"CAST(SUM({expression}) AS BIGINT)"


def _left(column: str) -> str:
    """Characters left: at most those accepted, for a part may have been taken."""
    return f"CASE WHEN {column} > characters THEN characters ELSE {column} END"


_LATEST_FIRST = [f"kept_{horizon}" for horizon in reversed(HORIZONS)]
_LATEST = f"CASE {' '.join(f'WHEN {name} >= 0 THEN {_left(name)}' for name in _LATEST_FIRST)} ELSE 0 END"
_FOLLOWED = " OR ".join(f"kept_{one} >= 0" for one in HORIZONS)
_ANSWERS = (
    "COUNT(*)",
    _sum("CASE WHEN outcome = 'error' THEN 1 ELSE 0 END"),
    _sum("CASE WHEN outcome = 'cancelled' THEN 1 ELSE 0 END"),
)
_OUTCOMES = (
    "COUNT(*)",
    _sum("accepted"),
    _sum("CASE WHEN accepted = 0 THEN dismissed ELSE 0 END"),
    _sum("characters"),
    _sum(f"CASE WHEN accepted = 1 THEN {_LATEST} ELSE 0 END"),
    _sum(f"CASE WHEN {_FOLLOWED} THEN characters ELSE 0 END"),
    *(_sum(f"CASE WHEN accepted = 1 AND kept_{one} >= 0 THEN {_left(f'kept_{one}')} ELSE 0 END") for one in HORIZONS),
    *(_sum(f"CASE WHEN kept_{one} >= 0 THEN characters ELSE 0 END") for one in HORIZONS),
)


def _add_outcomes(group: Sums, row: Row) -> None:
    group.shown, group.accepted, group.dismissed = row[:3]
    group.accepted_characters, group.kept_characters, group.followed_characters = row[3:6]
    for number, horizon in enumerate(HORIZONS, 6):
        group.kept[horizon] = row[number]
        group.followed[horizon] = row[number + len(HORIZONS)]


@dataclass(frozen=True)
class _Asked:
    """A question to the tables: origins are few, so what of them belongs together is found here, not in the database.

    Attributes:
        numbers: origin -> group of origins; without a condition or a difference between them, empty: all are one.
        values: of the groups of origins, by their numbers.
    """

    store: Store
    by: Sequence[Dimension]
    span: tuple[int, int]
    numbers: Mapping[int, int]
    values: Sequence[Mapping[str, str]]

    @classmethod
    def of(
        cls, store: Store, by: Sequence[Dimension], where: Mapping[OriginDimension, str], span: tuple[int, int]
    ) -> _Asked:
        names = [name for name in by if name in ORIGIN_FIELDS]
        if not names and not where:
            return cls(store, by, span, {}, [{}])
        values: dict[tuple[str, ...], int] = {}
        numbers = {}
        for number, *row in store.database.query(f"SELECT id, {', '.join(ORIGIN_FIELDS)} FROM ownlm_origins"):  # noqa: S608
            origin = dict(zip(ORIGIN_FIELDS, row, strict=True))
            if all(origin[name] == value for name, value in where.items()):
                key = tuple(origin[name] for name in names)
                numbers[number] = values.setdefault(key, len(values))
        return cls(store, by, span, numbers, [dict(zip(names, key, strict=True)) for key in values])

    def rows(self, table: str, columns: Collection[str], bucket: str = "") -> Iterator[tuple[tuple[str, ...], Row]]:
        """Rows of aggregates with the keys of their groups; with `bucket`, (bucket, count) for each there is."""
        if not self.values:
            return
        keys = {"group": "m.column2" if self.numbers else "0"}
        keys.update((name, _COLUMNS[name]) for name in self.by if name in _COLUMNS)
        wanted = [*keys.values(), *([bucket, "COUNT(*)"] if bucket else columns)]
        source = table
        if self.numbers:
            pairs = ", ".join(f"({origin}, {group})" for origin, group in self.numbers.items())
            source += f" JOIN (VALUES {pairs}) AS m ON m.column1 = origin"
        condition = f" AND {bucket} >= 0" if bucket else ""
        grouped = ", ".join(str(number + 1) for number in range(len(keys) + bool(bucket)))
        sql = f"SELECT {', '.join(wanted)} FROM {source} WHERE at >= ? AND at < ?{condition} GROUP BY {grouped}"  # noqa: S608
        for row in self.store.database.query(sql, self.span):
            yield self._key(dict(zip(keys, row, strict=False))), row[len(keys) :]

    def _key(self, found: Mapping[str, Any]) -> tuple[str, ...]:
        origin = self.values[found["group"]]
        return tuple(origin[name] if name in origin else _label(name, found[name]) for name in self.by)


def _label(dimension: Dimension, value: Any) -> str:
    """What a person reads for the value of a dimension that is no text in the tables."""
    if dimension == "week":
        year, week, _ = date.fromordinal(_EPOCH + value * 7 - 3).isocalendar()
        return f"{year}-W{week:02}"
    return date.fromordinal(_EPOCH + value).isoformat() if dimension == "day" else str(value)
