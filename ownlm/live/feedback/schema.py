"""The tables of a feedback store, and how an older store becomes one of today.

    ownlm_origins      who answers whom: version, channel, experiment, arm, language, ...   some hundreds of rows
    ownlm_completions  a row a completion that was answered
    ownlm_texts        its text, scrubbed; only with consent
    ownlm_events       a row an event, as it came: the primary key makes a repeated one the same row
    ownlm_outcomes     a row a choice that somebody saw: what its events say together; what reports read

`ownlm_outcomes` follows from the events, and each event changes it in the same transaction. Every change is a maximum
or a minimum: repeated or out of order, the events of a choice lead to the same row.
"""

from __future__ import annotations

HORIZONS = {30: (20, 45), 120: (90, 180), 300: (240, 420)}
"""Seconds after which survival is told of, and the reports (from, below) that count for each."""

ORIGIN_FIELDS = ("version", "channel", "experiment", "arm", "language", "suffix", "client", "protocol")
"""Of `Origin`, those that are the same for many completions."""

DAY_MS = 86_400_000
"""Milliseconds of a day; days are counted from 1970-01-01, UTC."""

UNKNOWN = -1
"""In `kept_*`: nobody reported."""

_TABLES = (
    "CREATE TABLE ownlm_origins (id {serial}, "
    + ", ".join(f"{name} TEXT NOT NULL" for name in ORIGIN_FIELDS)
    + f", UNIQUE ({', '.join(ORIGIN_FIELDS)}))",
    "CREATE TABLE ownlm_completions (number {serial}, id TEXT NOT NULL UNIQUE, schema SMALLINT NOT NULL, "
    "day INTEGER NOT NULL, at BIGINT NOT NULL, origin BIGINT NOT NULL, person TEXT NOT NULL, "
    "bucket INTEGER NOT NULL, lengths TEXT NOT NULL, "
    "prompt_tokens BIGINT NOT NULL, generated_tokens BIGINT NOT NULL, first_s DOUBLE PRECISION, "
    "total_s DOUBLE PRECISION NOT NULL, first_bucket SMALLINT NOT NULL, total_bucket SMALLINT NOT NULL, "
    "outcome TEXT NOT NULL)",
    # Reports read these indexes and nothing else, a range of days in the order they group by: no sorting.
    "CREATE INDEX ownlm_completions_day ON ownlm_completions "
    "(day, origin, person, at, outcome, first_bucket, total_bucket)",
    "CREATE INDEX ownlm_completions_person ON ownlm_completions (person)",
    "CREATE TABLE ownlm_texts (id TEXT PRIMARY KEY, prefix TEXT NOT NULL, skipped BIGINT NOT NULL, "
    "after TEXT NOT NULL, path TEXT NOT NULL, texts TEXT NOT NULL)",
    "CREATE TABLE ownlm_events (completion BIGINT NOT NULL, choice INTEGER NOT NULL, kind TEXT NOT NULL, "
    "view TEXT NOT NULL, after_ms BIGINT NOT NULL, schema SMALLINT NOT NULL, at BIGINT NOT NULL, "
    "elapsed_s DOUBLE PRECISION, retained BIGINT, accepted BIGINT, "
    "PRIMARY KEY (completion, choice, kind, view, after_ms)) {compact}",
    "CREATE TABLE ownlm_outcomes (completion BIGINT NOT NULL, choice INTEGER NOT NULL, day INTEGER NOT NULL, "
    "at BIGINT NOT NULL, origin BIGINT NOT NULL, person TEXT NOT NULL, accepted SMALLINT NOT NULL, "
    "dismissed SMALLINT NOT NULL, characters BIGINT NOT NULL, "
    + ", ".join(f"kept_{horizon} BIGINT NOT NULL" for horizon in HORIZONS)
    + ", PRIMARY KEY (completion, choice)) {compact}",
    "CREATE INDEX ownlm_outcomes_day ON ownlm_outcomes (day, origin, person, at, accepted, dismissed, characters, "
    + ", ".join(f"kept_{horizon}" for horizon in HORIZONS)
    + ")",
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_TABLES,)
"""Statements that lead from version n of the tables to version n + 1. Append only: stores out there have run these."""
