"""How well the order of windows is mixed: ours beside numpy's full permutation and the block shuffles of others.

    STREAMING_PYTHON=rivals/bin/python LITDATA_PYTHON=rivals/bin/python python benchmarks/shuffle.py
        [--windows 1000000] [--seeds 10]

Every figure is 1 for an ideal shuffle; what numpy's permutations spread is printed beside theirs. Windows lie in the
stream document after document, source after source: a shuffle that moves a window only some way leaves an epoch whose
parts see other parts of the corpus. MosaicML Streaming's shuffles get shards of a 64th of the windows and a block of a
25th, as its 4 million samples are of 100 million; LitData gets chunks of a 64th and its defaults. Without an
interpreter that has a package (`benchmarks/loader_rivals.py` says how) its lines are left out, and it is said.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ownlm.tokens.shards.order import Permutation

PARTS = 16
BATCH = 64
Order = npt.NDArray[np.int64]
ALGORITHMS = ("py1e", "py1br", "py1s", "naive")
STREAMING = """
import sys, numpy as np
from streaming.base.shuffle import get_shuffle
windows, seed, out, name = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
sizes = np.diff(np.linspace(0, windows, 65).astype(np.int64))
np.save(out, get_shuffle(name, sizes, 1, seed, 0, windows // 25))
"""
LITDATA = """
import sys, tempfile, numpy as np
from litdata import StreamingDataset, TokensLoader
from litdata.streaming.cache import Cache
windows, seed, out = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
with tempfile.TemporaryDirectory() as folder:
    cache = Cache(folder, chunk_size=windows // 64, item_loader=TokensLoader(block_size=1))
    for number in range(windows):
        cache[number] = np.array([number], dtype=np.uint32)
    cache.done()
    cache.merge()
    loader = TokensLoader(block_size=1)
    data = StreamingDataset(folder, item_loader=loader, shuffle=True, seed=seed, drop_last=False)
    np.save(out, np.array([int(item[0]) for item in data]))
"""


def statistics(order: Order) -> dict[str, float]:
    """Figures of an order (place in the epoch -> window), each 1 for an ideal shuffle of very many windows.

    - neighbours: 1 + the correlation of the windows of neighbouring places.
    - distance: mean distance of the windows of neighbouring places, over a third of all: what two random ones have.
    - close: how often neighbouring places hold windows less than a thousandth of all apart, over chance.
    - moved: mean distance of a window from its place, over a third of all.
    - batches: variance of the mean window of a batch, over that of batches drawn at random.
    - coverage: chi-square of (part of the epoch, part of the stream), by degrees of freedom.
    - fullest: most of a part of the stream in any part of the epoch, over its even share.
    """
    size = len(order)
    gaps = np.abs(np.diff(order)) / size
    batches = order[: size // BATCH * BATCH].reshape(-1, BATCH).mean(axis=1)
    by_chance = (size + 1) * (size - BATCH) / (12 * BATCH)  # of the mean of BATCH different numbers below size
    places = np.arange(size) * PARTS // size * PARTS + order * PARTS // size
    table = np.bincount(places, minlength=PARTS * PARTS).reshape(PARTS, PARTS).astype(np.float64)
    even = table.sum(axis=1, keepdims=True) * table.sum(axis=0, keepdims=True) / size
    near = max(1, size // 1000)
    return {
        "neighbours": 1 + float(np.corrcoef(order[:-1], order[1:])[0, 1]),
        "distance": 3 * float(gaps.mean()),
        "close": float((gaps * size <= near).mean()) / (2 * near / size),
        "moved": 3 * float(np.abs(order - np.arange(size)).mean()) / size,
        "batches": float(batches.var()) / by_chance,
        "coverage": float(((table - even) ** 2 / even).sum()) / (PARTS - 1) ** 2,
        "fullest": float((table / even).max()),
    }


def ours(size: int, seed: int) -> Order:
    """The order that batches are read in."""
    return Permutation(size, seed, 0)(np.arange(size))


def full(size: int, seed: int) -> Order:
    """numpy's permutation."""
    return np.random.default_rng(seed).permutation(size)


def within_shards(size: int, seed: int, shards: int = 64) -> Order:
    """Shards in random order, each shuffled in itself: the core of py1s, for who has no Streaming at hand."""
    random = np.random.default_rng(seed)
    parts = np.array_split(np.arange(size), shards)
    return np.concatenate([random.permutation(parts[number]) for number in random.permutation(shards)])


def theirs(variable: str, code: str, size: int, seed: int, *more: str) -> Order:
    """An order made by a package's own code, in an interpreter that has it."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "order.npy"
        command = [os.environ[variable], "-c", code, str(size), str(seed), str(out), *more]
        subprocess.run(command, check=True, capture_output=True)
        order: Order = np.load(out).astype(np.int64)
    assert np.array_equal(np.sort(order), np.arange(size)), "every window once"
    return order


def lines(size: int, seeds: int) -> Iterator[tuple[str, list[Order]]]:
    """The orders of every line of the table; three seeds for those of others."""
    yield "numpy, full permutation", [full(size, seed) for seed in range(seeds)]
    yield "ours", [ours(size, seed) for seed in range(seeds)]
    few = range(min(seeds, 3))
    others = [("STREAMING_PYTHON", STREAMING, "streaming", name) for name in ALGORITHMS]
    for variable, code, package, *more in [*others, ("LITDATA_PYTHON", LITDATA, "litdata")]:
        name = ", ".join([package, *more])
        if variable in os.environ:
            yield name, [theirs(variable, code, size, seed, *more) for seed in few]
        else:
            print(f"{name:24} not installed ({variable} names no Python that has it)")
    yield "shuffled within shards", [within_shards(size, seed) for seed in range(seeds)]


def main() -> None:
    """Print the table: the mean over seeds, and, of more than one line's worth of seeds, the spread behind it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=1_000_000)
    parser.add_argument("--seeds", type=int, default=10)
    arguments = parser.parse_args()
    print(f"{arguments.windows:,} windows; mean (± spread over seeds)")
    headed = False
    for name, orders in lines(arguments.windows, arguments.seeds):
        found = [statistics(order) for order in orders]
        if not headed:
            print(f"{'':24}" + "".join(f"{figure:>20}" for figure in found[0]))
            headed = True
        values = {figure: np.array([one[figure] for one in found]) for figure in found[0]}
        cells = "".join(f"{f'{value.mean():,.3f} ±{value.std():,.3f}':>20}" for value in values.values())
        print(f"{name:24}{cells}")


if __name__ == "__main__":
    main()
