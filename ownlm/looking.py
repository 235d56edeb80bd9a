"""`ownlm xray` and `ownlm inspect`: look at tables of documents, in the terminal and as pages."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ownlm.data.xray.figures import Figures, write_json, xray
from ownlm.data.xray.figures_page import figures_page
from ownlm.data.xray.place import TableAt, find_table, table_of
from ownlm.data.xray.samples import Sample, draw_samples, values_in
from ownlm.errors import CorpusError, InputError, RecipeError, ServerError
from ownlm.pipeline.progress import format_count, progress_for
from ownlm.pipeline.store import Store
from ownlm.pipeline.tracking.base import RunInfo
from ownlm.pipeline.tracking.config import MlflowConfig
from ownlm.pipeline.tracking.redact import redact
from ownlm.runs import RunRecord, artifact_of
from ownlm.web.page import Page

TABLES = {"kept": {"clean": "kept"}, "rejected": {"clean": "rejected", "corpus": "rejected"}}
_MOST_LANGUAGES = 12
WIDEST = 160
"""Columns that a document and its reasons take at most."""
_STEERING = (*range(9), *range(10, 32), 0x7F, *range(0x80, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_VISIBLE = dict.fromkeys(_STEERING, "\N{REPLACEMENT CHARACTER}")
"""Control characters and those that turn the direction of text (CVE-2021-42574)."""


def xray_table(
    out: Console, store: Store, name: str, folder: Path | None, *, topics: int, mlflow: MlflowConfig | None
) -> Path:
    """Look at a table; write figures and pages; print the headline. Returns the page.

    Args:
        out: where to print.
        store: the artifacts.
        name: see `find_table`.
        folder: where pages and figures go; `xray/<table>/` in the home folder when None.
        topics: clusters of a topic map; 0 for none.
        mlflow: where the figures go as a run, too.

    Raises:
        InputError: there is no such table.
        CorpusError: the table has no documents.
    """
    table = find_table(store, name)
    figures = xray(table, progress_for(out))
    if not figures.profile.documents:
        raise CorpusError("The table has no documents.", where=table.folder)
    folder = folder or store.home / "xray" / re.sub(r"[^\w.-]+", "-", table.name)
    figures.write(folder)
    page = figures_page(figures)
    if topics:
        from ownlm.data.xray.topics_page import topic_map

        map_page, found = topic_map(table.folder, clusters=topics)
        map_page.write(folder / "topics.html")
        write_json(folder / "topics.json", found)
        page.link("Topic map", "topics.html")
    page.write(folder / "index.html")
    if mlflow is not None:
        _track(figures, mlflow, store, folder)
    _print_figures(out, figures)
    places = {"page": folder / "index.html", "figures": f"{folder}/xray.json, *.parquet"}
    places |= {"topics": folder / "topics.html"} if topics else {}
    if mlflow is not None:
        places["MLflow"] = f"experiment `xray` in {redact(mlflow.uri) if mlflow.uri else store.home / 'mlflow.db'}"
    out.print()
    for name, place in places.items():
        out.print(f"{name:<8} {place}", markup=False, soft_wrap=True)
    return folder / "index.html"


def mlflow_config(uri: str | None) -> MlflowConfig:
    """The tracker's settings; a local database when there is no address.

    Raises:
        RecipeError: the address is none.
    """
    try:
        return MlflowConfig(uri=uri)
    except ValidationError as error:
        raise RecipeError(
            "This is no address of an MLflow server.", where=uri, advice=error.errors()[0]["msg"]
        ) from error


def _track(figures: Figures, config: MlflowConfig, store: Store, folder: Path) -> None:
    from ownlm.pipeline.tracking.mlflow import MlflowTracker, check_server

    check_server(config)
    tracker = MlflowTracker(config, store.home)
    key = hashlib.sha256(repr(sorted(figures.headline().items())).encode()).hexdigest()
    try:
        tracker.start(RunInfo("xray", figures.name, key, folder / "log", params={"table": figures.name}))
        tracker.summary(figures.headline())
        tracker.finish("finished")
    except Exception as error:  # whatever a server or its client may raise: pages and figures are written already
        raise ServerError(
            f"MLflow did not take the figures ({redact(str(error)).splitlines()[0][:200]}).",
            where=redact(config.uri or str(store.home)),
            advice="The page and the figures are written; try again with --mlflow.",
        ) from error


def _print_figures(out: Console, figures: Figures) -> None:
    profile = figures.profile
    at = profile.percentiles()
    out.print(f"[bold]{escape(figures.name)}[/bold]")
    counts = [(profile.documents, "document", "documents"), (len(profile.groups["repo"]), "repository", "repositories")]
    counts.append((profile.duplicates, "copy", "copies"))
    shown = ", ".join(f"{count:,} {one if count == 1 else many}" for count, one, many in counts)
    out.print(f"{shown}, {profile.bytes / 1e6:,.1f} MB", markup=False)
    largest = int(profile.sizes.max())
    out.print(f"bytes: median {at['p50']:,}, 99 % up to {at['p99']:,}, largest {largest:,}", markup=False)
    rows = Table(box=None, pad_edge=False, header_style="bold")
    rows.add_column("language", no_wrap=True)
    columns = ["documents", "MB", "median", "p99", *(["kept"] if figures.funnel else [])]
    for column in columns:
        rows.add_column(column, justify="right", no_wrap=True)
    for language, group in figures.groups("language")[:_MOST_LANGUAGES]:
        sizes = profile.percentiles(language)
        cells = [f"{group.documents:,}", f"{group.bytes / 1e6:.2f}"]
        cells += [format_count(sizes["p50"]), format_count(sizes["p99"])]
        rows.add_row(escape(language), *cells, *([_share_kept(figures, language)] if figures.funnel else []))
    out.print(rows)
    if figures.funnel is not None and figures.funnel.rejected:
        taken = ", ".join(f"{rule} {count:,}" for rule, count in figures.funnel.by_rule().items())
        out.print(f"rejected by rule: {taken}", markup=False, soft_wrap=True)


def _share_kept(figures: Figures, language: str) -> str:
    assert figures.funnel is not None
    kept = figures.funnel.kept.get(language, 0)
    taken = sum(count for (_, name), count in figures.funnel.rejected.items() if name == language)
    return f"{kept / max(kept + taken, 1):.1%}"


def inspect(
    out: Console,
    tables: list[TableAt],
    title: str,
    *,
    count: int,
    rule: str | None,
    language: str | None,
    seed: int,
    page: Path,
) -> None:
    """Show documents of tables with why they are there, in the terminal and as a page.

    Raises:
        InputError: no rule of that name rejected anything, or no document is in that language.
    """
    if rule is not None and any("rule" not in table.columns for table in tables):
        raise InputError(
            "Only documents that were rejected have a rule.", advice="Leave --rule out, or look at `rejected`."
        )
    samples = draw_samples(tables, count, rule=rule, language=language, seed=seed)
    if not samples:
        known = [f"Languages there: {', '.join(values_in(tables, 'language')) or 'none'}."] if language else []
        known += [f"Rules that rejected something: {', '.join(values_in(tables, 'rule')) or 'none'}."] if rule else []
        raise InputError(
            "There is no such document.",
            where=", ".join(table.name for table in tables),
            advice=" ".join(known) or None,
        )
    for sample in samples:
        out.print(_beside(sample, min(out.width, WIDEST)))
    shown = Page(title, ", ".join(table.name for table in tables))
    shown.facts({"Shown": len(samples), "Rule": rule or "all", "Language": language or "all", "Seed": seed})
    for sample in samples:
        text = "\n".join(f"{number:>5}  {line}" for number, line in sample.excerpt(40))
        shown.annotated(sample.where, text, sample.why)
    shown.write(page)
    out.print(f"page  {page}", markup=False, soft_wrap=True)


def tables_of_run(store: Store, record: RunRecord, which: str) -> list[TableAt]:
    """The tables of a run that hold what was kept, or what was rejected.

    Raises:
        InputError: the run has not cleaned anything yet.
    """
    found = []
    for name in record.stages:
        table = TABLES[which].get(name.split("-")[0])
        if table is not None:
            artifact = artifact_of(store, record, name)
            if any((artifact.path / table).rglob("part-*.parquet")):
                found.append(table_of(artifact, table))
    if not found:
        raise InputError(
            f"The run {record.name!r} has no documents that were {which}.",
            where=record.folder,
            advice="Run its recipe first: `ownlm run RECIPE`.",
        )
    return found


def _beside(sample: Sample, width: int) -> Table:
    """Code on the left, what is known of it on the right; nothing in it can move the cursor."""
    grid = Table(box=None, pad_edge=False, width=width, show_header=True, header_style="bold")
    grid.add_column(Text(visible(sample.where)), ratio=3, overflow="fold")
    grid.add_column("", ratio=1, overflow="fold")
    code = Text()
    for number, line in sample.excerpt():
        code.append(f"{number:>5} ", style="dim")
        code.append(visible(line[:200]) + "\n")
    grid.add_row(code, Text("\n".join(visible(line) for line in sample.why)))
    return grid


def visible(line: str) -> str:
    """A line without what steers a terminal or the order of letters: a document must not."""
    return line.expandtabs(4).translate(_VISIBLE)
