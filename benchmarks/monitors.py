"""What monitors cost: the train stage on real text, with them, by its own stopwatch; and without, for the whole step.

    python benchmarks/monitors.py                         # 0.8m, 16 windows of 256 tokens, eager, 80 steps
    python benchmarks/monitors.py --size 2.6m --steps 40

The share is time inside monitors over all time of training outside of held-out measurements. What those cost is printed
apart: the small measurement itself, and what monitors add to it (filling in the middle, a few continuations). Runs with
and without take turns; each half of the turns begins with another one.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
from pathlib import Path

import torch
from train import make_data

from ownlm.pipeline.artifact import FORMAT, Artifact, Manifest, content_hash, describe_files
from ownlm.pipeline.stage import StageContext
from ownlm.pipeline.tracking.log import MetricLog
from ownlm.train.config import TrainStage
from ownlm.train.monitor.stopwatch import PLACES
from ownlm.train.run import train

Line = dict[str, float]


def artifact(path: Path) -> Artifact:
    """A folder as the input of a stage."""
    files = describe_files(path)
    facts = {"format": FORMAT, "name": path.name, "stage": path.name, "key": "0" * 64, "version": 1}
    return Artifact(path, Manifest.model_construct(**facts, files=files, content=content_hash(files)))


def split(folder: Path) -> None:
    """The shards as training's, and the same again as held-out files: what they cost is what counts here."""
    (folder / "shards").rename(folder / "all")
    for name in ("train", "heldout_files"):
        shutil.copytree(folder / "all", folder / "shards" / name)


def run(folder: Path, name: str, config: TrainStage) -> list[Line]:
    """Train; the log's lines after the first, which warms up."""
    out = folder / name
    out.mkdir()
    inputs = {what: artifact(folder / what) for what in ("shards", "vocabulary")}
    train(StageContext(config, inputs, out, MetricLog(out / "metrics.jsonl")))
    return MetricLog.read(out / "metrics.jsonl")[1:]


def main() -> None:
    """Run, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="0.8m")
    parser.add_argument("--steps", type=int, default=80)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_data(folder, 4096)
        split(folder)
        settings = {"steps": chosen.steps, "batch": 16, "compile": "off", "eval_every": chosen.steps, "log_every": 10}
        stages = {
            kind: TrainStage.model_validate({"train": settings | more, "model": {"size": chosen.size}, "context": 256})
            for kind, more in (("with", {}), ("without", {"monitor": None}))
        }
        lines: dict[str, list[Line]] = {"with": [], "without": []}
        for turn in range(chosen.turns):
            for kind in sorted(stages, reverse=bool(turn % 2)):
                lines[kind] += run(folder, f"{kind}-{turn}", stages[kind])
    _print(chosen.size, lines)


def _print(size: str, lines: dict[str, list[Line]]) -> None:
    seconds = {place: sum(line[f"time/{place}_s"] for line in lines["with"]) for place in PLACES}
    outside = sum(seconds.values()) - seconds["evaluate"]
    inside = [place for place in PLACES if place != "evaluate"]
    shares = [line["time/monitor_s"] / sum(line[f"time/{place}_s"] for place in inside) for line in lines["with"]]
    print(f"{size}, {torch.get_num_threads()} threads, {len(lines['with'])} log lines of 10 steps")
    middle, least = statistics.median(shares), min(shares)
    print(
        f"monitors: {seconds['monitor'] / outside:.2%} of training (log lines: median {middle:.2%}, least {least:.2%})"
    )
    for kind, found in lines.items():
        speeds = [line["tokens_per_s"] for line in found]
        print(f"tokens/s {kind} monitors: best {max(speeds):,.0f}, median {statistics.median(speeds):,.0f}")
    print("seconds: " + ", ".join(f"{place} {value:.2f}" for place, value in seconds.items()))


if __name__ == "__main__":
    main()
