"""How fast feedback is stored and reported.

    python benchmarks/feedback.py store [--url postgresql://...] [--threads 32] [--seconds 10]
    python benchmarks/feedback.py report [--url ...] [--completions 1000000] [--home FOLDER]

`store`: threads tell of events, each waiting until its own is durable, as clients of a gateway do; beside it a bare
loop that commits one row at a time on the same disk, which is what storing without groups would give.
`report`: a store of made-up completions, about one event each, and the time of `ownlm feedback report`'s questions.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from ownlm.live.feedback.event import CompletionEvent, Kind, Origin, ServedCompletion
from ownlm.live.feedback.identity import Identity
from ownlm.live.feedback.open import FILE, open_feedback, open_store
from ownlm.live.feedback.query import Dimension, sums
from ownlm.live.feedback.report import report
from ownlm.live.feedback.rows import completion_row, event_row
from ownlm.live.feedback.store import Store
from ownlm.serve.feedback import FeedbackConfig

USERS, DAYS = 500, 90
LANGUAGES = ("Python", "Go", "TypeScript", "C++", "Java", "Rust", "SQL", "Shell")
CLIENTS = ("tabby-agent/1.9", "llama.vscode/0.0.30", "llama.vim")


def store(settings: FeedbackConfig, threads: int, seconds: float) -> None:
    """Events a second, acknowledged one by one."""
    with tempfile.TemporaryDirectory() as home:
        feedback = open_feedback(settings, Path(home))
        end, told, slowest = time.perf_counter() + seconds, [0] * threads, [0.0] * threads

        def client(number: int) -> None:
            served = 0
            while time.perf_counter() < end:
                name = f"{home}-{number}-{served}"
                served += 1
                feedback.served(ServedCompletion(name, time.time(), Origin("v1", user=f"user {number}"), ("x = 1",)))
                for kind in ("view", "select"):
                    begun = time.perf_counter()
                    feedback.event(CompletionEvent(name, kind, 0, time.time()))
                    slowest[number] = max(slowest[number], time.perf_counter() - begun)
                    told[number] += 1

        clients = [threading.Thread(target=client, args=(number,)) for number in range(threads)]
        for one in clients:
            one.start()
        for one in clients:
            one.join()
        feedback.close()
        print(
            f"{threads} clients: {sum(told) / seconds:,.0f} durable events/s, slowest {max(slowest) * 1000:.0f} ms, "
            f"dropped {feedback.counts.dropped}"
        )
        if not settings.url:
            print(f"one commit a row: {_one_by_one(Path(home)):,.0f} rows/s")


def _one_by_one(folder: Path) -> float:
    connection = sqlite3.connect(folder / "bare.sqlite3", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE events (number INTEGER PRIMARY KEY, text TEXT)")
    begun, rows = time.perf_counter(), 0
    while time.perf_counter() < begun + 2:
        connection.execute("INSERT INTO events (text) VALUES ('x = 1')")
        rows += 1
    connection.close()
    return rows / (time.perf_counter() - begun)


def fill(opened: Store, completions: int) -> None:
    """Append made-up completions of 90 days and what people did with them."""
    identity, rng = Identity(b"k" * 32), random.Random(0)
    now, events, begun = time.time(), 0, time.perf_counter()
    for first in range(0, completions, 10_000):
        rows, told = [], []
        for number in range(first, min(first + 10_000, completions)):
            at, user = now - DAYS * 86400 * (1 - number / completions), rng.randrange(USERS)
            origin = Origin(
                f"v{number * 6 // completions}",
                channel="staff" if user % 10 == 0 else "everyone",
                user=f"user {user}",
                language=LANGUAGES[(user + rng.randrange(3)) % len(LANGUAGES)],
                client=CLIENTS[user % len(CLIENTS)],
            )
            name, seconds = f"cmpl-{rng.getrandbits(128):032x}", rng.expovariate(4)
            texts = ("x" * rng.randrange(1, 90),)
            served = ServedCompletion(name, at, origin, texts, first_token_s=seconds / 3, total_s=seconds)
            rows.append(completion_row(served, identity, None))
            if rng.random() < 0.4:
                kinds: list[tuple[Kind, float | None]] = [("view", None), ("dismiss", None)]
                if rng.random() < 0.3:
                    kinds = [("view", None), ("select", None)] + [("survival", after) for after in (30.0, 120.0, 300.0)]
                for kind, after in kinds:
                    told.append(event_row(CompletionEvent(name, kind, 0, at, after_s=after, retained=5)))
        opened.append(rows, told)
        events += len(told)
    print(f"{completions:,} completions and {events:,} events written in {time.perf_counter() - begun:.0f} s")


def ask(settings: FeedbackConfig, home: Path, completions: int) -> None:
    """Seconds of the report's questions."""
    new = bool(settings.url) or not (home / FILE).exists()
    opened = open_store(settings, home, create=True)
    if new:
        fill(opened, completions)
    now = time.time()
    timed("sums of all", lambda: sums(opened, ()))
    timed("sums by arm and user in one language", lambda: sums(opened, ("arm", "user"), where={"language": "Go"}))
    timed("sums of the last hour", lambda: sums(opened, ("version",), since=now - 3600))
    by: tuple[Dimension, ...] = ("language", "version", "channel", "week")
    timed("report of 30 days", lambda: report(opened, by, since=now - 30 * 86400))
    timed("report of all", lambda: report(opened, by))
    opened.close()


def timed(name: str, work: Callable[[], object]) -> None:
    """Print how long it took, on the clock and of this process's CPU."""
    begun, computed = time.perf_counter(), time.process_time()
    work()
    print(f"{name}: {time.perf_counter() - begun:.2f} s ({time.process_time() - computed:.2f} s of CPU)")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("store", "report"))
    parser.add_argument("--url", default="")
    parser.add_argument("--threads", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--completions", type=int, default=1_000_000)
    parser.add_argument("--home", type=Path, help="keep the store there, and use it again")
    given = parser.parse_args()
    settings = FeedbackConfig(url=given.url)
    if given.what == "store":
        store(settings, given.threads, given.seconds)
    else:
        with tempfile.TemporaryDirectory() as temporary:
            ask(settings, given.home or Path(temporary), given.completions)
