"""What the commands print: the plan, each stage as it ends, artifacts, lineage."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from ownlm.pipeline.artifact import Artifact
from ownlm.pipeline.lineage import Origin, artifacts_of, source_settings
from ownlm.pipeline.progress import format_count, format_seconds
from ownlm.pipeline.run import StageResult
from ownlm.pipeline.stage import Stage
from ownlm.pipeline.store import Store
from ownlm.plan import Plan, totals
from ownlm.runs import RunRecord, read_record
from ownlm.runs_page import evaluation_headline, headline

MOST_METRICS = 4
# As wide as "clean-0-directory".
NAME_WIDTH = 17


def format_bytes(size: float) -> str:
    """1234567 -> "1.23 MB"."""
    text = format_count(size)
    return f"{text[:-1]} {text[-1]}B" if text[-1].isalpha() else f"{text} B"


def print_plan(out: Console, planned: Plan) -> None:
    """The plan as a table, with its sums below."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("stage", "state"):
        table.add_column(column, no_wrap=True)
    table.add_column("work", overflow="fold")
    for column in ("time", "memory"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for stage in planned.stages:
        cached = stage.state == "cached"
        table.add_row(
            escape(stage.name),
            f"[green]{stage.state}[/green]" if cached else stage.state,
            escape(stage.work),
            "" if cached else format_seconds(stage.seconds),
            "" if cached else format_bytes(stage.memory),
            "" if cached else "[dim]measured[/dim]" if stage.measured else "[dim]estimate[/dim]",
        )
    out.print(table)
    out.print()
    for name, value in totals(planned).items():
        out.print(f"{name:<16} {value}", markup=False, soft_wrap=True)
    waiting = [stage for stage in planned.stages if stage.state != "cached"]
    if waiting:
        out.print(
            f"{'expected':<16} {format_seconds(planned.seconds)}, at most {format_bytes(planned.memory)} of memory"
        )
    else:
        out.print(f"{'expected':<16} nothing to make: everything is cached")


class StageStarted:
    """Prints a line when a stage begins."""

    def __init__(self, out: Console) -> None:
        self._out = out

    def __call__(self, stage: Stage, continues: bool) -> None:
        """Print the line; `continues` when an earlier, killed run left resume points."""
        words = "continues where it stopped" if continues else "…"
        self._out.print(f"[cyan]▸[/cyan] {escape(stage.name)} [dim]{words}[/dim]")


class StageFinished:
    """Prints a line when a stage is there: its headline metrics and its time."""

    def __init__(self, out: Console) -> None:
        self._out = out

    def __call__(self, result: StageResult) -> None:
        """Print the line."""
        metrics = Text(stage_line(result.artifact))
        if result.cached:
            words = Text("cached  ", style="dim") + metrics
        else:
            words = metrics + Text(f" in {format_seconds(result.artifact.manifest.seconds)}", style="dim")
        line = Table.grid(padding=(0, 1))
        line.add_column(no_wrap=True, min_width=NAME_WIDTH + 2)
        line.add_column(overflow="fold")
        line.add_row(Text("✓ ", style="green") + Text(result.stage.name, style="default"), words)
        self._out.print(line)


def stage_line(artifact: Artifact) -> str:
    """What came of a stage, in a line."""
    if artifact.manifest.stage == "evaluate":
        figures = evaluation_headline(artifact.file("results.json"))
        told = ("files", "exact", "pass@1")
        return ", ".join(f"{name} {value}" for name, value in figures.items() if name.endswith(told))
    return headline_metrics(artifact.manifest.metrics)


def headline_metrics(metrics: Mapping[str, object]) -> str:
    """The first few numbers of a stage's metrics, in words."""
    shown = [
        f"{name.replace('_', ' ')} {value if isinstance(value, str) else format_number(value)}"
        for name, value in metrics.items()
        if isinstance(value, int | float | str) and not isinstance(value, bool)
    ]
    return ", ".join(shown[:MOST_METRICS])


def format_number(value: float) -> str:
    """Whole numbers with commas up to a million, others with four digits."""
    if isinstance(value, int) or value.is_integer():
        return f"{int(value):,}" if abs(value) < 1e6 else format_count(value)
    return f"{value:.4g}" if abs(value) < 1e6 else format_count(value)


def print_summary(out: Console, record: RunRecord, results: Mapping[str, StageResult]) -> None:
    """The end of a run: what came of it and where to look."""
    out.print()
    for name, value in headline(list(results.values())).items():
        out.print(f"  {name:<38} {value}", markup=False)
    out.print(f"  {'report':<38} {record.index.resolve()}", markup=False, soft_wrap=True)


def print_store(out: Console, store: Store, *, verify: bool) -> None:
    """Every run with its stages, then every artifact."""
    for path in sorted(store.runs.glob("*/run.json")):
        record = read_record(store, path.parent.name)
        state = "complete" if record.complete else f"made up to {list(record.stages)[-1]}" if record.stages else "begun"
        name, index = escape(record.name), escape(str(record.index))
        out.print(f"run [bold]{name}[/bold]: {escape(state)}, report {index}", soft_wrap=True)
    made = artifacts_of(store.home)
    if not made:
        out.print("Nothing was made here yet. Start with `ownlm run RECIPE`.", markup=False)
        return
    # A narrow terminal cuts the figures, never a name somebody wants to copy.
    width = max(len(artifact.id) for artifact in made)
    out.print(f"{'artifact':<{width}}  {'made':<16}  {'took':>10}  {'size':>7}", style="bold", no_wrap=True)
    for artifact in made:
        if verify:
            artifact.verify()
        manifest = artifact.manifest
        size = format_bytes(sum(entry.size for entry in manifest.files.values()))
        when, took = manifest.ended[:16].replace("T", " "), format_seconds(manifest.seconds)
        line = f"{artifact.id:<{width}}  {when}  {took:>10}  {size:>7}  {stage_line(artifact)}"
        out.print(Text(line), no_wrap=True, overflow="ellipsis")


def print_artifact(out: Console, artifact: Artifact) -> None:
    """One artifact: what made it, from what, what is in it."""
    manifest = artifact.manifest
    facts: dict[str, object] = {
        "artifact": artifact.id,
        "folder": artifact.path,
        "stage": f"{manifest.name} (version {manifest.version}, {manifest.code})",
        "key": manifest.key,
        "content": manifest.content,
        "made": f"{manifest.started} to {manifest.ended}, {format_seconds(manifest.seconds)}",
        "on": manifest.host,
        "peak memory": format_bytes(manifest.peak_memory),
        "inputs": ", ".join(Store.id_of(entry.stage, entry.key) for entry in manifest.inputs.values()) or "none",
    }
    for name, value in facts.items():
        out.print(f"{name:<12} {value}", markup=False, soft_wrap=True)
    out.print("\nmetrics", style="bold")
    for name, value in manifest.metrics.items():
        out.print(f"  {name:<28} {value}", markup=False, soft_wrap=True)
    out.print("\nfiles", style="bold")
    for name, entry in manifest.files.items():
        out.print(f"  {format_bytes(entry.size):>10}  {entry.sha256[:12]}  {name}", markup=False, soft_wrap=True)


def print_lineage(out: Console, origin: Origin) -> None:
    """The tree of what an artifact was made from, then the sources at its ends."""

    def grow(tree: Tree, node: Origin, seen: set[str]) -> None:
        for child in node.inputs:
            known = " [dim](above)[/dim]" if child.id in seen and child.inputs else ""
            branch = tree.add(escape(child.id) + ("" if child.artifact else " [red](its folder is gone)[/red]") + known)
            if not known:
                seen.add(child.id)
                grow(branch, child, seen)

    tree = Tree(f"[bold]{escape(origin.id)}[/bold]")
    grow(tree, origin, set())
    out.print(tree)
    out.print("\nsources", style="bold")
    for source in origin.sources:
        settings = source_settings(source).get("source", {})
        out.print(f"  {source.id}  {settings}", markup=False, soft_wrap=True)
        if source.artifact is not None:
            out.print(f"    fingerprint {source.artifact.manifest.fingerprint}", markup=False, soft_wrap=True)
            out.print(f"    documents   {relative_tables(source.artifact.path)}", markup=False, soft_wrap=True)


def relative_tables(folder: Path) -> str:
    """Where a lake's documents are, to open with any Parquet reader."""
    return str(folder / "documents")
