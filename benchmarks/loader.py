"""Tokens per second: ours beside a plain memory-map, MosaicML Streaming and LitData over the same tokens, in one run.

    STREAMING_PYTHON=rivals/bin/python LITDATA_PYTHON=rivals/bin/python python benchmarks/loader.py
        [--contexts 256 2048] [--batch 16] [--seconds 3]

All read one stream, the standard library's own source, in this process's or their own process's one thread of making
batches; figures are tokens a second of processor time, so that a busy machine changes them little. The plain loader is
what a short training script does: a shuffled index over a memory-map. It and the others know no documents and no
objectives; the price of each part of ours is a line. How to install the others: `benchmarks/loader_rivals.py`; one
that is not installed is said so.

Then: what a training process loses to its loader, by what makes the batches; and the price of the order.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ownlm.pipeline.progress import SilentProgress
from ownlm.tokens.corpus import CorpusTable
from ownlm.tokens.objectives.config import UL2, Denoiser, FillInTheMiddle, ObjectivesConfig
from ownlm.tokens.shards.batches import Batches
from ownlm.tokens.shards.config import LoaderConfig, ShardsConfig
from ownlm.tokens.shards.loader import open_loader
from ownlm.tokens.shards.order import Permutation
from ownlm.tokens.shards.pack import pack_split
from ownlm.tokens.shards.reader import ShardReader
from ownlm.tokens.vocabulary.config import VocabularyConfig
from ownlm.tokens.vocabulary.load import Vocabulary
from ownlm.tokens.vocabulary.sample import draw_sample
from ownlm.tokens.vocabulary.special import SpecialTokens
from ownlm.tokens.vocabulary.train import save, train_tokenizer

FILES = 1500
RIVALS = {"plain numpy memory-map": "memory-map", "mosaicml-streaming": "streaming", "litdata": "litdata"}
INTERPRETERS = {"memory-map": sys.executable} | {
    name: os.environ[variable]
    for name, variable in (("streaming", "STREAMING_PYTHON"), ("litdata", "LITDATA_PYTHON"))
    if variable in os.environ
}


def prepare(folder: Path) -> tuple[ShardReader, ShardReader, Vocabulary]:
    """Shards, in our format and as MDS, and a vocabulary of 4,096 from standard library files."""
    root = Path(sysconfig.get_paths()["stdlib"])
    paths = [path for path in sorted(root.rglob("*.py")) if "site-packages" not in path.parts][:FILES]
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in paths]
    raw = [text.encode() for text in texts]
    columns = {name: ["stdlib"] * len(texts) for name in ("source", "repo", "language")}
    columns |= {"id": [hashlib.sha256(data).hexdigest() for data in raw], "path": [str(path) for path in paths]}
    table = folder / "train/language=Python/part-00000.parquet"
    table.parent.mkdir(parents=True)
    pq.write_table(pa.table({**columns, "content": texts, "size": [len(data) for data in raw]}), table)
    corpus, config = CorpusTable(folder / "train"), VocabularyConfig()
    save(train_tokenizer(draw_sample(corpus, 0, 8_000_000), config, SilentProgress()), SpecialTokens(), folder)
    vocabulary = Vocabulary.load(folder)
    start = time.process_time()
    pack_split(corpus, folder / "shards", vocabulary, ShardsConfig(), SilentProgress(), {})
    seconds = time.process_time() - start
    reader = ShardReader(folder / "shards")
    print(f"packed {reader.total_bytes / 1e6:.1f} MB, {reader.total_tokens / 1e6:.2f}M tokens: ", end="")
    density = reader.total_bytes / reader.total_tokens
    print(f"{reader.total_bytes / seconds / 1e6:.2f} MB a core second, {density:.2f} bytes a token")
    pack_split(corpus, folder / "mds", vocabulary, ShardsConfig(format="mds"), SilentProgress(), {})
    return reader, ShardReader(folder / "mds"), vocabulary


def rival(name: str, reader: ShardReader, context: int, batch: int, seconds: float) -> float | None:
    """A rival's rate, measured by an interpreter that has it; None where there is none."""
    if name not in INTERPRETERS:
        return None
    script = str(Path(__file__).with_name("loader_rivals.py"))
    with tempfile.TemporaryDirectory() as folder:
        arguments = [name, reader.path / "tokens-00000.bin", folder, context, batch, seconds]
        command = [INTERPRETERS[name], script, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr}")
    return float(json.loads(done.stdout.splitlines()[-1])["rate"])


def rate(make: Callable[[int], object], tokens: int, seconds: float) -> float:
    """Tokens per second of processor time, so that a busy machine does not change the figure; best of three."""
    best, step = 0.0, 0
    for _ in range(3):
        start, first = time.process_time(), step
        while time.process_time() - start < seconds / 3:
            make(step)
            step += 1
        best = max(best, (step - first) * tokens / (time.process_time() - start))
    return best


def mixes() -> dict[str, ObjectivesConfig]:
    """The objectives that are measured, by the name of their line."""
    finest = UL2(rate=1.0, denoisers=[Denoiser(kind="X", span=3.0, share=0.5)])
    fills = FillInTheMiddle
    return {
        "next-token": ObjectivesConfig(fill_in_the_middle=None),
        "fill-in-the-middle 0.5": ObjectivesConfig(fill_in_the_middle=fills(rate=0.5)),
        "fill-in-the-middle 1": ObjectivesConfig(fill_in_the_middle=fills(rate=1.0)),
        "fill-in-the-middle 0.5, by source": ObjectivesConfig(
            fill_in_the_middle=fills(rate=0.0, sources={"stdlib": 0.5})
        ),
        "fill-in-the-middle 0.5, whole documents": ObjectivesConfig(
            fill_in_the_middle=fills(rate=0.5, level="document")
        ),
        "UL2 0.25": ObjectivesConfig(fill_in_the_middle=None, ul2=UL2()),
        "UL2 1": ObjectivesConfig(fill_in_the_middle=None, ul2=UL2(rate=1.0)),
        "UL2 1, spans of 3, half cut out": ObjectivesConfig(fill_in_the_middle=None, ul2=finest),
        "fill-in-the-middle 0.5, UL2 0.25": ObjectivesConfig(ul2=UL2()),
    }


def ours(reader: ShardReader, mds: ShardReader, vocabulary: Vocabulary, context: int, batch: int) -> dict[str, Batches]:
    """What is measured of ours, by the name of its line."""
    made = {name: Batches(reader, mix, vocabulary, context, batch, 0) for name, mix in mixes().items()}
    for name in ("next-token", "fill-in-the-middle 0.5"):
        made[f"{name}, from MDS"] = Batches(mds, mixes()[name], vocabulary, context, batch, 0)
    return made


def compare(
    reader: ShardReader, mds: ShardReader, vocabulary: Vocabulary, contexts: list[int], batch: int, seconds: float
) -> None:
    """Print a line a loader, with its ratio to the plain memory-map, by context."""
    print("\ntokens a core second (times the plain memory-map's)")
    print(f"{'context':44}" + "".join(f"{context:>24}" for context in contexts))
    columns: list[dict[str, float | None]] = []
    for context in contexts:
        column = {name: rival(kind, reader, context, batch, seconds) for name, kind in RIVALS.items()}
        for name, batches in ours(reader, mds, vocabulary, context, batch).items():
            column[f"ours, {name}"] = rate(batches.batch, context * batch, seconds)
        columns.append(column)
    for name in columns[0]:
        cells = ""
        for column in columns:
            found, plain = column[name], column["plain numpy memory-map"]
            cells += f"{'not installed':>24}" if not found or not plain else f"{found:>16,.0f} ({found / plain:4.2f})"
        print(f"{name:44}{cells}")


def dropped(reader: ShardReader, vocabulary: Vocabulary, context: int) -> None:
    """Print what the objectives leave out for their markers."""
    for name in ("fill-in-the-middle 1", "UL2 1", "UL2 1, spans of 3, half cut out"):
        made = Batches(reader, mixes()[name], vocabulary, context, 1, 0)
        pieces = [piece for index in range(1000) for piece in made.sample(index).pieces]
        asked = [piece for piece in pieces if piece.objective != "next_token"]
        share = sum(piece.dropped for piece in asked) / sum(piece.stop - piece.start for piece in asked)
        print(f"tokens dropped by {name}, context {context}: {share:.2%} of the pieces it is applied to")


def loaders(reader: ShardReader, vocabulary: Vocabulary, context: int, batch: int, steps: int = 100) -> None:
    """Print what a step costs the training process, by what makes the batches.

    Processor time is what training's own Python can lose to its loader, beside an accelerator that works by itself;
    the wait is what a step of twice the time of making a batch takes longer: of an idle machine.
    """
    batches = Batches(reader, mixes()["fill-in-the-middle 0.5"], vocabulary, context, batch, 0)
    making = context * batch / rate(batches.batch, context * batch, 1.0)
    print(f"\nfill-in-the-middle 0.5, context {context}, batch {batch}: {making * 1e3:.1f} ms to make a batch")
    print(f"{'workers':10}{'processor time a batch':>24}{'wait a step':>16}{'first batch after':>20}")
    kinds: tuple[int | Literal["thread"], ...] = (0, "thread", 1, 2)
    for workers in kinds:
        started = time.perf_counter()
        with open_loader(batches, LoaderConfig(workers=workers)) as loader:
            next(loader)
            first, waits = time.perf_counter() - started, []
            for _ in range(8):
                next(loader)
            spent = time.process_time()
            for _ in range(steps):
                started = time.perf_counter()
                next(loader)
                waits.append(time.perf_counter() - started)
                time.sleep(2 * making)
            spent = time.process_time() - spent
        print(f"{workers!s:10}{spent / steps * 1e3:>21.2f} ms{np.median(waits) * 1e3:>13.2f} ms{first:>18.2f} s")


def orders(size: int) -> None:
    """The order of `size` windows: what a start or a resume in the middle of an epoch costs."""
    start = time.perf_counter()
    shuffled = np.random.default_rng(0).permutation(size)
    seconds = time.perf_counter() - start
    print(f"order of {size:,} windows: numpy shuffle {seconds:.2f} s and {shuffled.nbytes / 1e6:.0f} MB", end="")
    start = time.perf_counter()
    Permutation(size, 0, 0)(np.arange(16) + size // 2)
    print(f"; computed: {(time.perf_counter() - start) * 1e6:.0f} microseconds for the batch in the middle, no memory")


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contexts", type=int, nargs="+", default=[256, 2048])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=3.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        reader, mds, vocabulary = prepare(Path(folder))
        compare(reader, mds, vocabulary, arguments.contexts, arguments.batch, arguments.seconds)
        for context in arguments.contexts:
            dropped(reader, vocabulary, context)
        loaders(reader, vocabulary, arguments.contexts[-1], arguments.batch)
    orders(20_000_000)


if __name__ == "__main__":
    main()
