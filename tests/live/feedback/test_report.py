"""Reports: what the database adds up is what a slow, obvious count of the same completions and events gives."""

from __future__ import annotations

import html.parser
import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ownlm.live.feedback import report_page
from ownlm.live.feedback.event import CompletionEvent, ServedCompletion
from ownlm.live.feedback.latency import bucket_of
from ownlm.live.feedback.query import DIMENSIONS, Dimension, Sums, sums
from ownlm.live.feedback.report import report
from ownlm.live.feedback.rows import completion_row, event_row
from ownlm.live.feedback.sqlite import SqliteDatabase
from ownlm.live.feedback.store import Store
from ownlm.statistics.proportion import wilson_interval
from tests.live.feedback.made import IDENTITY, NOON, event, served

HORIZONS = (30, 120, 300)
DAY = 86_400.0


def naive(
    completions: Sequence[ServedCompletion],
    events: Sequence[CompletionEvent],
    by: Sequence[Dimension],
    where: dict[str, str],
    since: float,
    until: float,
) -> dict[tuple[str, ...], Sums]:
    """`sums`, a choice at a time."""
    groups: dict[tuple[str, ...], Sums] = {}
    for one in completions:
        values = vars(one.origin) | {"user": IDENTITY.person(one.origin.user)} | times(one.at)
        if not since <= one.at < until or any(values[name] != value for name, value in where.items()):
            continue
        group = groups.setdefault(tuple(values[name] for name in by), Sums())
        group.completions += 1
        group.errors += one.outcome == "error"
        group.cancelled += one.outcome == "cancelled"
        if one.outcome in ("done", "deadline"):
            group.total[bucket_of(one.total_s)] += 1
            if one.first_token_s is not None:
                group.first_token[bucket_of(one.first_token_s)] += 1
        for choice, text in enumerate(one.texts):
            mine = [each for each in events if (each.completion, each.choice) == (one.id, choice)]
            add_choice(group, text, mine)
    return groups


def add_choice(group: Sums, text: str, mine: Sequence[CompletionEvent]) -> None:
    """One choice and its events."""
    first = {}
    for each in mine:
        first.setdefault((each.kind, each.view, round((each.after_s or 0) * 1000)), each)
    selects = [each for each in mine if each.kind == "select"]
    group.shown += bool(mine)
    group.dismissed += any(each.kind == "dismiss" for each in mine) and not selects
    if not selects:
        return
    group.accepted += 1
    taken = max(len(text) if each.accepted is None else min(each.accepted, len(text)) for each in selects)
    group.accepted_characters += taken
    latest = None
    for horizon, (low, high) in zip(HORIZONS, ((20, 45), (90, 180), (240, 420)), strict=True):
        near = [each.retained for each in mine if each.kind == "survival" and low <= (each.after_s or 0) < high]
        if near:
            latest = min(taken, *(kept for kept in near if kept is not None))
            group.kept[horizon] += latest
            group.followed[horizon] += taken
    if latest is not None:
        group.kept_characters += latest
        group.followed_characters += taken


def times(at: float) -> dict[str, str]:
    from datetime import UTC, datetime

    day = datetime.fromtimestamp(at, UTC)
    year, week, _ = day.isocalendar()
    return {"day": day.date().isoformat(), "week": f"{year}-W{week:02}"}


COMPLETIONS = st.builds(
    lambda at, texts, outcome, first, total, **origin: served(
        "", at=at, texts=texts, outcome=outcome, first_token_s=first, total_s=total, **origin
    ),
    at=st.sampled_from([NOON, NOON + 1, NOON + DAY, NOON + 2 * DAY, NOON - 20 * DAY]),
    texts=st.lists(st.sampled_from(["", "a", "abcdef"]), max_size=2).map(tuple),
    outcome=st.sampled_from(["done", "deadline", "cancelled", "error"]),
    first=st.sampled_from([None, 0.01, 0.5]),
    total=st.sampled_from([0.02, 1.5]),
    version=st.sampled_from(["v1", "v2"]),
    language=st.sampled_from(["", "Go"]),
    user=st.sampled_from(["", "ada", "bob"]),
    arm=st.sampled_from(["", "A"]),
)
EVENTS = st.builds(
    lambda number, kind, choice, view, after, chars, retained: event(
        str(number), kind, choice, view=view, accepted=chars, after_s=after, retained=retained
    ),
    st.integers(0, 5),
    st.sampled_from(["view", "select", "dismiss", "survival"]),
    st.integers(0, 1),
    st.sampled_from(["", "1"]),
    st.sampled_from([5.0, 30.0, 31.0, 120.0, 300.0, 900.0]),
    st.sampled_from([None, 0, 2, 40]),
    st.sampled_from([0, 3, 40]),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(COMPLETIONS, max_size=6),
    st.lists(EVENTS, max_size=14),
    st.lists(st.sampled_from(DIMENSIONS), max_size=3, unique=True),
    st.sampled_from([{}, {"language": "Go"}, {"version": "v2", "arm": "A"}, {"language": "Klingon"}]),
    st.sampled_from([0.0, NOON, NOON + 0.5]),
    st.sampled_from([NOON + 1, NOON + 1.5 * DAY, NOON + 30 * DAY]),
)
def test_sums_are_those_of_a_naive_count(tmp_path, completions, events, by, where, since, until) -> None:
    completions = [replace(one, id=str(number)) for number, one in enumerate(completions)]
    # Of equal keys the first is kept, and so counts; the naive count sees only those.
    keys = {(e.completion, e.choice, e.kind, e.view, e.after_s if e.kind == "survival" else 0): e for e in events[::-1]}
    events = list(keys.values())
    store = Store(SqliteDatabase(tmp_path / f"{uuid.uuid4()}.sqlite3"))
    store.append([completion_row(one, IDENTITY, None) for one in completions], [event_row(one) for one in events])
    found = sums(store, by, where=where, since=since, until=until)
    store.close()
    assert found == naive(completions, events, by, where, since, until)


def fill(store: Store) -> None:
    """Twelve users, of whom ada accepts all and the others little; and some without a name."""
    rng = np.random.default_rng(0)
    rows, events = [], []
    users = ["ada", *(f"user {number}" for number in range(11)), ""]
    for number in range(600):
        user = users[number % len(users)]
        name = f"c{number}"
        one = served(
            name, at=NOON - (number % 14) * DAY, texts=("x" * int(rng.integers(5, 60)),), user=user,
            language=("Python", "Go", "")[number % 3], version=f"v{number // 300}", channel="everyone",
            client="tabby-agent/1.9", total_s=float(rng.exponential(0.3)), first_token_s=float(rng.exponential(0.1)),
        )  # fmt: skip
        rows.append(completion_row(one, IDENTITY, None))
        if number % 2:
            continue
        events.append(event(name))
        if user == "ada" or rng.random() < 0.25:
            events.append(event(name, "select"))
            for after in HORIZONS:
                events.append(event(name, "survival", after_s=float(after), retained=len(one.texts[0]) - after // 30))
        else:
            events.append(event(name, "dismiss"))
    store.append(rows, [event_row(one) for one in events])


def test_both_databases_report_the_same(store: Store, tmp_path: Path) -> None:
    fill(store)
    other = Store(SqliteDatabase(tmp_path / "other.sqlite3"))
    fill(other)
    by: tuple[Dimension, ...] = ("language", "version", "week", "day")
    assert report(store, by, where={"channel": "everyone"}).plain() == report(other, by).plain()
    other.close()


def test_a_report_adds_up(store: Store) -> None:
    fill(store)
    found = report(store, ("language", "version", "week"), since=NOON - 7.5 * DAY)
    whole = found.whole.plain()
    for lines in found.parts.values():
        for name in ("completions", "shown", "accepted", "accepted_characters", "kept_characters"):
            assert sum(line.plain()[name] for line in lines) == whole[name]  # type: ignore[misc]
    assert [line.name for line in found.parts["week"]] == ["2026-W46", "2026-W47"]
    assert whole["users"] == 12
    assert 0.9 < whole["survival"]["30"] < 1  # type: ignore[index]
    assert whole["survival"]["30"] > whole["survival"]["300"]  # type: ignore[index]
    assert report(store, ("language",), since=NOON - 7.5 * DAY).plain()["all"] == whole


def test_users_make_the_interval_wider(store: Store) -> None:
    fill(store)
    line = report(store, ()).whole
    assert line.interval is not None
    low, high = line.interval
    wilson = wilson_interval(line.sums.accepted, line.sums.shown)
    assert low < line.sums.acceptance < high
    assert high - low > 1.2 * (wilson[1] - wilson[0])


def test_an_empty_store_has_an_empty_report(store: Store) -> None:
    found = report(store, ("language", "week"))
    assert found.parts == {"language": [], "week": []}
    assert found.whole.plain()["acceptance"] is None
    assert found.whole.interval is None


def test_an_unknown_dimension(store: Store) -> None:
    with pytest.raises(ValueError, match="colour"):
        sums(store, ("colour",))  # type: ignore[arg-type]


class _Texts(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_data(self, data: str) -> None:
        self.found.append(data.strip())


def test_the_page_shows_it_all_and_loads_nothing(store: Store, tmp_path: Path) -> None:
    fill(store)
    store.append([completion_row(served("x", language="<script>alert(1)</script>"), IDENTITY, None)], [])
    found = report(store, ("language", "version", "channel", "week", "client", "arm"))
    report_page.write(found, tmp_path / "page.html", "the last 30d")
    page = (tmp_path / "page.html").read_text()
    assert "<script>alert" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    parser = _Texts()
    parser.feed(page)
    for word in ("By language", "By model version", "By week", "Python", "(unknown)", "2026-W47", "tabby-agent/1.9"):
        assert word in parser.found, word
    assert f"{found.whole.sums.shown}" in parser.found
