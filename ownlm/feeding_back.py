"""`ownlm feedback`: what people did with completions; deletion by user; data for the next training."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from ownlm.arguments import DEFAULT_HOME, AsJson, Home
from ownlm.errors import RecipeError
from ownlm.terminal import Terminal, print_whole

if TYPE_CHECKING:
    from ownlm.live.feedback.report import Line, Report
    from ownlm.live.feedback.sums import Dimension
    from ownlm.serve.feedback import FeedbackConfig

feedback = typer.Typer(no_args_is_help=True, help="What people did with completions.")
out = Terminal()

StoreUrl = Annotated[
    str, typer.Option("--store", help="A SQLite file or postgresql://...; below the home folder if left out.")
]
KeyFile = Annotated[str, typer.Option("--key", help="The key of users' names, if it does not lie beside the store.")]
Since = Annotated[str, typer.Option(help="From when on: 12h, 30d, 8w, or a day such as 2026-11-01; all if empty.")]
_UNITS = {"h": 3600, "d": 86_400, "w": 7 * 86_400}


@feedback.command("report")
def show_report(
    since: Since = "30d",
    by: Annotated[
        str, typer.Option(help="Of version, channel, experiment, arm, language, suffix, client, protocol, week, day.")
    ] = "language,version,channel,week",
    as_json: AsJson = False,
    html: Annotated[Path | None, typer.Option(help="Also write a page to this file.")] = None,
    store: StoreUrl = "",
    home: Home = DEFAULT_HOME,
) -> None:
    """Acceptance, kept characters and latency, by language, model, channel, week, ..., with 95 % intervals."""
    from ownlm.live.feedback import report_page
    from ownlm.live.feedback.open import open_store
    from ownlm.live.feedback.report import report

    names, begin = _dimensions(by), moment(since, time.time())
    opened = open_store(_settings(store), home)
    try:
        found = report(opened, names, since=begin)
    finally:
        opened.close()
    if html is not None:
        report_page.write(
            found, html, f"the last {since}" if since[-1:] in _UNITS else f"{since or 'the beginning'} on"
        )
    if as_json:
        out.print(json.dumps(found.plain(), indent=1), markup=False, soft_wrap=True)
        return
    print_report(out, found)
    if html is not None:
        out.print(f"page  {html}", markup=False, soft_wrap=True)


@feedback.command("forget")
def forget_user(
    user: Annotated[str, typer.Argument(help="The owner of an API key, or the name a client sends.")],
    store: StoreUrl = "",
    key: KeyFile = "",
    home: Home = DEFAULT_HOME,
) -> None:
    """Delete all completions and events of a user. What comes later is kept again: see serve.feedback.no_text_of."""
    from ownlm.live.feedback.open import open_reader

    opened, identity = open_reader(_settings(store, key), home)
    try:
        deleted = opened.forget(identity.person(user))
    finally:
        opened.close()
    out.print(f"Deleted {deleted:,} completions with their events and texts.", markup=False)


@feedback.command("export")
def export_data(
    to: Annotated[Path, typer.Option(help="The folder to write, which must be empty or not there.")],
    since: Since = "",
    held_out: Annotated[float, typer.Option(min=0, max=0.5, help="Share of the pairs kept for validation.")] = 0.05,
    without: Annotated[
        list[Path] | None,
        typer.Option(help="A benchmark's file or folder: what holds text of it is left out. May be given again."),
    ] = None,
    store: StoreUrl = "",
    home: Home = DEFAULT_HOME,
) -> None:
    """Write accepted text in its context as documents, and pairs of accepted and dismissed text, for training."""
    from ownlm.live.feedback.export import export
    from ownlm.live.feedback.open import open_store

    opened = open_store(_settings(store), home)
    try:
        made = export(opened, to, since=moment(since, time.time()), held_out=held_out, benchmarks=without or ())
    finally:
        opened.close()
    out.print(f"{made.documents:,} documents  {to / 'documents.parquet'}", markup=False, soft_wrap=True)
    out.print(f"{made.pairs:,} pairs, {made.held_out:,} more held out  {to / 'pairs'}", markup=False, soft_wrap=True)
    if not made.documents:
        why = "Nothing was accepted whose code was kept: code is kept with serve.feedback.keep_text=true only."
        out.print(why, markup=False, soft_wrap=True)
        return
    if without:
        left = f"{made.benchmark_documents:,} documents and {made.benchmark_pairs:,} pairs held text of benchmarks"
        out.print(f"{left}: left out", markup=False, soft_wrap=True)
    out.print(f"\nTo train on the documents, add to a recipe's sources:\n{made.source}", markup=False, soft_wrap=True)


def moment(text: str, now: float) -> float | None:
    """The time that a text names, seconds since 1970; None for the empty text.

    Raises:
        RecipeError: it names none.
    """
    if not text:
        return None
    if (found := re.fullmatch(r"(\d{1,6})([hdw])", text)) is not None:
        return now - int(found[1]) * _UNITS[found[2]]
    try:
        day = datetime.fromisoformat(text)
    except ValueError:
        advice = "Say 12h, 30d, 8w, or a day such as 2026-11-01."
        raise RecipeError(f"This is no time: {text!r}.", where="--since", advice=advice) from None
    return (day if day.tzinfo else day.replace(tzinfo=UTC)).timestamp()


def print_report(console: Console, found: Report) -> None:
    """Print the figures, a table for each dimension. A narrow terminal breaks the lines; no figure is cut."""
    from rich.table import Table

    from ownlm.live.feedback.report_page import HORIZON_NAMES, UNKNOWN

    columns = ("shown", "accepted", "%", "95 %", "users", "chars", "kept", "left, %", "first, ms", "whole, ms")
    for title, lines in (("", [found.whole]), *found.parts.items()):
        table = Table(box=None, pad_edge=False, header_style="dim")
        table.add_column(title, overflow="ellipsis", no_wrap=True, max_width=24)
        for column in columns:
            table.add_column(column, justify="right", no_wrap=True)
        for line in lines:
            table.add_row(line.name or UNKNOWN, *_cells(line))
        print_whole(console, table)
        console.print()
    if not found.whole.sums.shown:
        console.print(
            "No client has told yet that a completion was shown: it needs one that sends events, as Tabby's do."
        )
    after = "/".join(HORIZON_NAMES.values())
    console.print(
        f"chars: of accepted text; kept: of these, at the last report of each; left: share after {after}\n"
        "first: to the first piece of text, whole: of the answer; both p50/p95",
        style="dim",
        soft_wrap=True,
    )


def _cells(line: Line) -> list[str]:
    from ownlm.live.feedback.schema import HORIZONS

    figures, interval = line.sums, line.interval
    kept = f"{figures.kept_characters:,}" if figures.followed_characters else "–"  # nobody told
    times = [[figures.latency(share, first_token=first) for share in (0.5, 0.95)] for first in (True, False)]
    return [
        *(f"{figures.shown:,}", f"{figures.accepted:,}", _percent(figures.acceptance)),
        "–" if interval is None else "–".join(map(_percent, interval)),
        *(f"{line.users:,}", f"{figures.accepted_characters:,}", kept),
        "/".join(_percent(figures.survival(horizon)) for horizon in HORIZONS),
        *("/".join("–" if time is None else f"{1000 * time:,.0f}" for time in pair) for pair in times),
    ]


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"


def _dimensions(text: str) -> list[Dimension]:
    from ownlm.live.feedback.sums import DIMENSIONS

    names = [name.strip() for name in text.split(",") if name.strip()]
    wrong = [name for name in names if name not in DIMENSIONS or name == "user"]
    if wrong:
        known = ", ".join(name for name in DIMENSIONS if name != "user")
        raise RecipeError(f"A report knows no {', '.join(wrong)}.", where="--by", advice=f"Choose of {known}.")
    return list(dict.fromkeys(names))  # type: ignore[arg-type]


def _settings(store: str, key: str = "") -> FeedbackConfig:
    from ownlm.serve.feedback import FeedbackConfig

    # Not saved anywhere: a password in the URL is the caller's own business.
    return FeedbackConfig.model_construct(**{**FeedbackConfig().model_dump(), "url": store, "key_file": key})
