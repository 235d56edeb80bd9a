"""The pages of a run: the index, and a copy of each stage's report beside it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ownlm.pipeline.progress import format_count, format_seconds
from ownlm.pipeline.run import StageResult
from ownlm.web.run_page import StageRow, write_run_index


def write_pages(folder: Path, name: str, recipe_text: str, results: Sequence[StageResult]) -> None:
    """Write `folder/index.html` and copy each stage's page to `folder/<stage>.html`.

    Copies, not links: the folder stays whole when artifacts move, and can be sent to somebody.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for stale in set(folder.glob("*.html")) - {folder / f"{result.stage.name}.html" for result in results}:
        # Of an earlier recipe with other sources: it has no place in a folder that is sent to somebody.
        stale.unlink(missing_ok=True)
    for inside in filter(Path.is_dir, list(folder.iterdir())):
        shutil.rmtree(inside)
    for result in results:
        manifest = result.artifact.manifest
        page = result.artifact.path / "report" / "index.html"
        report = f"{result.stage.name}.html" if page.is_file() else None
        if report is not None:
            shutil.copyfile(page, folder / report)
            _copy_folders(page.parent, folder)
        rows.append(
            StageRow(
                name=result.stage.name,
                key=manifest.key,
                status="cached" if result.cached else "made",
                seconds=manifest.seconds,
                summary=manifest.metrics,
                report=report,
            )
        )
    write_run_index(folder / "index.html", name=name, recipe_text=recipe_text, stages=rows, headline=headline(results))


def _copy_folders(pages: Path, folder: Path) -> None:
    """What a stage's page links to beside it: the train stage's incidents."""
    for inside in filter(Path.is_dir, pages.iterdir()):
        shutil.copytree(inside, folder / inside.name, dirs_exist_ok=True)


def headline(results: Sequence[StageResult]) -> dict[str, str]:
    """The few numbers a person wants first."""
    by_kind = {result.stage.kind: result.artifact for result in results}
    seconds = sum(result.artifact.manifest.seconds for result in results)
    shown: dict[str, str] = {"time to make": format_seconds(seconds)}
    if "train" in by_kind:
        metrics = by_kind["train"].manifest.metrics
        for key, title in (("parameters", "parameters"), ("tokens", "tokens trained")):
            if isinstance(value := metrics.get(key), int | float):
                shown[title] = format_count(value)
    if "evaluate" in by_kind:
        shown.update(evaluation_headline(by_kind["evaluate"].file("results.json")))
    return shown


def evaluation_headline(path: Path) -> dict[str, str]:
    """Model beside baseline, in one line a suite."""
    results: Mapping[str, Mapping[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    shown = {}
    for split, title in (("heldout_repos", "held-out packages"), ("heldout_files", "held-out files")):
        if row := (results.get("bits_per_byte") or {}).get(split):
            shown[f"bits per byte, {title}"] = f"{row['model']:.3f} (5-gram {row['ngram']:.3f})"
    if lines := results.get("hidden_lines"):
        model, ngram = lines["model"], lines["ngram"]
        shown["hidden lines exact"] = f"{model['exact_match']:.1%} (5-gram {ngram['exact_match']:.1%})"
        shown["hidden lines similar"] = f"{model['edit_similarity']:.1%} (5-gram {ngram['edit_similarity']:.1%})"
    for name, suite in (results.get("suites") or {}).items():
        shown[f"{name}, pass@1"] = f"{suite['pass_at_k']['1']['value']:.1%}"
    return shown
