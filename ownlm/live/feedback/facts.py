"""What reports are made of, read once and then grouped in every way that is asked for.

The database adds up by day, origin and user, in the order of an index (see `schema`); there are far fewer of these than
events. numpy does the rest.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np
from numpy.typing import NDArray

from ownlm.live.feedback.schema import DAY_MS, HORIZONS, ORIGIN_FIELDS
from ownlm.live.feedback.store import Store
from ownlm.live.feedback.sums import Dimension, Groups, OriginDimension, Sums

Ints = NDArray[np.int64]

_EPOCH = date(1970, 1, 1).toordinal()
_NOBODY = ""
_END = 1 << 62
_LAST_DAY = 1 << 30
_BUCKETS = {"first_token": "first_bucket", "total": "total_bucket"}


def _sum(expression: str) -> str:
    return f"CAST(SUM({expression}) AS BIGINT)"


def _left(column: str) -> str:
    """Characters left: at most those accepted, for a part may have been taken."""
    return f"CASE WHEN {column} > characters THEN characters ELSE {column} END"


_KEPT = [f"kept_{horizon}" for horizon in HORIZONS]
_LATEST = f"CASE {' '.join(f'WHEN {name} >= 0 THEN {_left(name)}' for name in reversed(_KEPT))} ELSE 0 END"
_FOLLOWED = " OR ".join(f"{name} >= 0" for name in _KEPT)
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
    _sum(_LATEST),
    _sum(f"CASE WHEN {_FOLLOWED} THEN characters ELSE 0 END"),
    *(_sum(f"CASE WHEN {name} >= 0 THEN {_left(name)} ELSE 0 END") for name in _KEPT),
    *(_sum(f"CASE WHEN {name} >= 0 THEN characters ELSE 0 END") for name in _KEPT),
)
"""A choice that was not accepted has 0 characters, and so nothing of it is kept."""


@dataclass(frozen=True)
class _Table:
    """Rows of one kind: of day, origin and number of the user (N x 3), and their values (N x K)."""

    keys_N3: Ints
    values_NK: Ints


@dataclass(frozen=True)
class Facts:
    """Sums by day, origin and user.

    Attributes:
        origins: the values of `ORIGIN_FIELDS` by the number of the origin.
        users: by number.
        answers: completions, errors, cancelled.
        outcomes: shown, accepted, dismissed, characters, ...
        latencies: (bucket, count) by name of the latency; several rows for one key.
    """

    origins: Mapping[int, Mapping[str, str]]
    users: Sequence[str]
    answers: _Table
    outcomes: _Table
    latencies: Mapping[str, _Table] = field(default_factory=dict)

    def groups(self, by: Sequence[Dimension], *, latencies: bool = True) -> Groups:
        """The sums of groups; see `query.sums`."""
        groups: Groups = {}
        for key, row in self._added(self.answers, by):
            group = groups.setdefault(key, Sums())
            group.completions, group.errors, group.cancelled = row
        for key, row in self._added(self.outcomes, by):
            group = groups.setdefault(key, Sums())
            group.shown, group.accepted, group.dismissed, group.accepted_characters = row[:4]
            group.kept_characters, group.followed_characters = row[4:6]
            group.kept.update(dict(zip(HORIZONS, row[6:], strict=False)))
            group.followed.update(dict(zip(HORIZONS, row[6 + len(HORIZONS) :], strict=True)))
        for name, table in self.latencies.items() if latencies else ():
            buckets_N1, counts_N1 = table.values_NK[:, :1], table.values_NK[:, 1:]
            keyed = _Table(np.hstack([table.keys_N3, buckets_N1]), counts_N1)
            for (*key_, bucket), (count,) in self._added(keyed, [*by, "bucket"]):
                getattr(groups.setdefault(tuple(key_), Sums()), name)[int(bucket)] += count
        return groups

    def _added(self, table: _Table, by: Sequence[str]) -> list[tuple[tuple[str, ...], list[int]]]:
        """The values of each group with its key."""
        if not len(table.keys_N3):
            return []
        columns, names = [np.zeros(len(table.keys_N3), np.int64)], []
        for dimension in by:
            column, name_of = self._column(table.keys_N3, dimension)
            columns.append(column)
            names.append(name_of)
        _, first_G, group_N = np.unique(_packed(columns), return_index=True, return_inverse=True)
        added_GK = np.zeros((len(first_G), table.values_NK.shape[1]), np.int64)
        np.add.at(added_GK, group_N, table.values_NK)
        codes_GD = np.stack(columns, axis=1)[first_G, 1:].tolist()
        keys = ([names[place][code] for place, code in enumerate(codes)] for codes in codes_GD)
        return [(tuple(key), row) for key, row in zip(keys, added_GK.tolist(), strict=True)]

    def _column(self, keys_N3: Ints, dimension: str) -> tuple[Ints, Mapping[int, str]]:
        """A dimension's code in each row, and what the codes mean."""
        if dimension == "user":
            return keys_N3[:, 2], dict(enumerate(self.users))
        if dimension == "bucket":
            return keys_N3[:, 3], {code: str(code) for code in np.unique(keys_N3[:, 3]).tolist()}
        if dimension in ("day", "week"):
            times_N = keys_N3[:, 0] if dimension == "day" else (keys_N3[:, 0] + 3) // 7
            label = _day_label if dimension == "day" else _week_label
            return times_N, {time: label(time) for time in np.unique(times_N).tolist()}
        codes: dict[str, int] = {}
        numbers, place_N = np.unique(keys_N3[:, 1], return_inverse=True)
        code_of = [codes.setdefault(self.origins[number][dimension], len(codes)) for number in numbers.tolist()]
        return np.array(code_of, np.int64)[place_N], {code: value for value, code in codes.items()}


@dataclass(frozen=True)
class _Asked:
    """Which rows are asked for.

    Attributes:
        store: an open one, in a reading transaction.
        span: from when until when, in milliseconds.
        origins: numbers of those that are asked for; None for all.
        users: the number of each user that was found.
    """

    store: Store
    span: tuple[int, int]
    origins: Sequence[int] | None
    users: dict[str, int] = field(default_factory=lambda: {_NOBODY: 0})

    def table(self, name: str, columns: Sequence[str], *, day: str = "day", users: bool, bucket: str = "") -> _Table:
        """Aggregates by day (or what stands for it), origin and user.

        Args:
            name: of the database's table.
            columns: the aggregates.
            day: an expression of the column `day` in whole days.
            users: tell users apart.
            bucket: also by this column, which comes before the aggregates; rows without one are left out.
        """
        condition = "day >= ? AND day <= ? AND at >= ? AND at < ?"
        if self.origins is not None:
            condition += f" AND origin IN ({', '.join(map(str, self.origins)) or 'NULL'})"
        condition += f" AND {bucket} >= 0" if bucket else ""
        keys = [day, "origin", *(["person"] if users else []), *([bucket] if bucket else [])]
        grouped = ", ".join(str(number + 1) for number in range(len(keys)))
        sql = f"SELECT {', '.join([*keys, *columns])} FROM {name} WHERE {condition} GROUP BY {grouped}"  # noqa: S608
        begin, end = self.span
        found = self.store.database.query(sql, (begin // DAY_MS, min(end // DAY_MS, _LAST_DAY), begin, end))
        if users:
            number = self.users
            found = [(day, origin, number.setdefault(who, len(number)), *rest) for day, origin, who, *rest in found]
        else:
            found = [(day, origin, 0, *rest) for day, origin, *rest in found]
        array = np.array(found, dtype=np.int64).reshape(-1, 3 + len(columns) + bool(bucket))
        return _Table(array[:, :3], array[:, 3:])


def read(
    store: Store,
    by: Collection[Dimension],
    *,
    where: Mapping[OriginDimension, str] | None = None,
    since: float | None = None,
    until: float | None = None,
    latencies: bool = True,
    their_latencies: bool = True,
) -> Facts:
    """Read what grouping needs, all at one moment; see `query.sums` for the conditions.

    Args:
        store: an open one.
        by: the dimensions that will be asked for.
        where: see `query.sums`.
        since: see `query.sums`.
        until: see `query.sums`.
        latencies: also count latencies.
        their_latencies: also by user, if users are asked for.
    """
    span = (0 if since is None else round(since * 1000), _END if until is None else round(until * 1000))
    # Latencies are in no index's order: the fewer their groups, the faster.
    day = "day" if "day" in by else "(day + 3) / 7 * 7 - 3" if "week" in by else "0"
    users = "user" in by
    with store.database.reading():
        rows = store.database.query(f"SELECT id, {', '.join(ORIGIN_FIELDS)} FROM ownlm_origins")  # noqa: S608
        origins = {number: dict(zip(ORIGIN_FIELDS, values, strict=True)) for number, *values in rows}
        wanted = [number for number, origin in origins.items() if (where or {}).items() <= origin.items()]
        asked = _Asked(store, span, wanted if where else None)
        answers = asked.table("ownlm_completions", _ANSWERS, users=users)
        outcomes = asked.table("ownlm_outcomes", _OUTCOMES, users=users)
        times = {
            name: asked.table(
                "ownlm_completions", ["COUNT(*)"], day=day, users=users and their_latencies, bucket=bucket
            )
            for name, bucket in (_BUCKETS.items() if latencies else ())
        }
    return Facts(origins, list(asked.users), answers, outcomes, times)


def _packed(columns: Sequence[Ints]) -> Ints:
    """One number for each row, equal where all columns are. Their spans together stay far below 2 ** 63."""
    packed_N = np.zeros_like(columns[0])
    for column_N in columns:
        least = column_N.min()
        packed_N = packed_N * (column_N.max() - least + 1) + (column_N - least)
    return packed_N


def _day_label(day: int) -> str:
    return date.fromordinal(_EPOCH + day).isoformat()


def _week_label(week: int) -> str:
    year, number, _ = date.fromordinal(_EPOCH + week * 7 - 3).isocalendar()
    return f"{year}-W{number:02}"
