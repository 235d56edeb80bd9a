"""What monitors, saves and the loader cost: the train stage on real text, by its own stopwatch and by its speed.

    python benchmarks/overheads.py                        # 0.8m, 16 windows of 256 tokens, eager, 80 steps
    python benchmarks/overheads.py --size 2.6m --steps 40 --save-every 20

A share is time that training stands still for one of them over all its time outside of held-out measurements; what a
save does in the background shows in the speed alone. Runs of the three kinds take turns, in another order each time:

    plain      without monitors, without saves
    monitors   with monitors as a recipe has them
    saves      with monitors, and a checkpoint every `--save-every` steps (weights, optimizer: 12 bytes a parameter)
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
    parser.add_argument("--save-every", type=int, default=20)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_data(folder, 4096)
        split(folder)
        settings = {"steps": chosen.steps, "batch": 16, "compile": "off", "eval_every": chosen.steps, "log_every": 10}
        kinds: dict[str, dict[str, object]] = {
            "plain": {"checkpoints": {"every": 10**6}, "monitor": None},
            "monitors": {"checkpoints": {"every": 10**6}},
            "saves": {"checkpoints": {"every": chosen.save_every}},
        }
        lines: dict[str, list[Line]] = {kind: [] for kind in kinds}
        for turn in range(chosen.turns):
            for kind in sorted(kinds, reverse=bool(turn % 2)):
                block = {"train": settings | kinds[kind], "model": {"size": chosen.size}, "context": 256}
                lines[kind] += run(folder, f"{kind}-{turn}", TrainStage.model_validate(block))
    _print(chosen, lines)


def _print(chosen: argparse.Namespace, lines: dict[str, list[Line]]) -> None:
    print(f"{chosen.size}, {torch.get_num_threads()} threads, {len(lines['plain'])} log lines of 10 steps a kind")
    inside = [place for place in PLACES if place != "evaluate"]
    for kind, place in (("monitors", "monitor"), ("saves", "checkpoint"), ("monitors", "data")):
        shares = [line[f"time/{place}_s"] / sum(line[f"time/{other}_s"] for other in inside) for line in lines[kind]]
        whole = sum(line[f"time/{place}_s"] for line in lines[kind])
        of = sum(line[f"time/{other}_s"] for line in lines[kind] for other in inside)
        print(f"{kind}: {place} {whole / of:.2%} of training (log lines: median {statistics.median(shares):.2%})")
    plain = statistics.median(line["tokens_per_s"] for line in lines["plain"])
    for kind, found in lines.items():
        speeds = [line["tokens_per_s"] for line in found]
        middle = statistics.median(speeds)
        print(f"tokens/s {kind}: best {max(speeds):,.0f}, median {middle:,.0f} ({middle / plain - 1:+.1%})")


if __name__ == "__main__":
    main()
