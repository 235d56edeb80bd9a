"""Loaders of others over the same windows of tokens, for `benchmarks/loader.py`: run by an interpreter that has them.

    python benchmarks/loader_rivals.py NAME TOKENS FOLDER CONTEXT BATCH SECONDS

NAME is memory-map, streaming or litdata. Each writes the windows (context + 1 ids of 16 bits) in its package's own
format, reads them shuffled, in this process, as that package's own guide says, and makes of 16 bits what training
takes: inputs and labels of 64. Before the clock starts, 64 batches are checked to hold different windows of the stream.
Prints one line of JSON.

mosaicml-streaming pins an older numpy, and both import torchvision, whose build on PyPI brings CUDA and another torch.
An environment of their own beside this one's torch, with an empty stand-in for torchvision:

    python -m venv rivals && site=$(rivals/bin/python -c "import site; print(site.getsitepackages()[0])")
    python -c "import site; print(site.getsitepackages()[0])" > $site/zz_torch.pth
    rivals/bin/pip install --no-deps mosaicml-streaming litdata "numpy<2.2"
    rivals/bin/pip install --no-deps <what `import streaming, litdata` still misses, torchvision excepted>
    mkdir -p $site/torchvision/transforms && touch $site/torchvision/{,transforms/}__init__.py
    echo "class VisionDataset: pass" > $site/torchvision/datasets.py
    echo "def to_tensor(*_): raise NotImplementedError" > $site/torchvision/transforms/functional.py
"""

from __future__ import annotations

import json
import os
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

Windows = np.ndarray[Any, Any]


def windows_of(tokens: Path, context: int) -> Windows:
    """All windows of the stream, each with its label: (windows, context + 1), uint16."""
    stream = np.fromfile(tokens, dtype="<u2")
    count = (len(stream) - 1) // context
    return np.stack([stream[number * context : number * context + context + 1] for number in range(count)])


def memory_map(windows: Windows, folder: Path, batch: int) -> Iterator[list[Windows]]:
    """What a short training script does: a shuffled index over a memory-map; resumes by replaying its shuffle."""
    windows.tofile(folder / "windows.bin")
    data = np.memmap(folder / "windows.bin", dtype="<u2", mode="r", shape=windows.shape)
    for seed in range(10**9):
        order = np.random.default_rng(seed).permutation(len(data))
        for start in range(0, len(order) - batch + 1, batch):
            yield [data[window] for window in order[start : start + batch].tolist()]


def streaming(windows: Windows, folder: Path, batch: int) -> Iterator[list[Windows]]:
    """MosaicML Streaming: MDS shards, its default shuffle."""
    from streaming import MDSWriter, StreamingDataset
    from streaming.base.util import clean_stale_shared_memory

    clean_stale_shared_memory()
    with MDSWriter(out=str(folder), columns={"tokens": "ndarray:uint16"}) as writer:
        for window in windows:
            writer.write({"tokens": window})
    data = StreamingDataset(local=str(folder), batch_size=batch, shuffle=True)
    while True:
        rows = []
        for row in data:
            rows.append(row["tokens"])
            if len(rows) == batch:
                yield rows
                rows = []


def litdata(windows: Windows, folder: Path, batch: int) -> Iterator[list[Windows]]:
    """LitData: its chunks of tokens, its shuffle. Written by its writer in this process."""
    from litdata import StreamingDataset, TokensLoader
    from litdata.streaming.cache import Cache

    block = windows.shape[1]
    loader = TokensLoader(block_size=block)
    cache = Cache(str(folder), chunk_size=block * 4096, item_loader=loader)
    for number, window in enumerate(windows):
        cache[number] = window
    cache.done()
    cache.merge()
    data = StreamingDataset(str(folder), item_loader=TokensLoader(block_size=block), shuffle=True, drop_last=False)
    while True:
        rows = []
        for row in data:
            rows.append(row)
            if len(rows) == batch:
                yield rows
                rows = []


def check(batches: Iterator[list[Windows]], windows: Windows, count: int) -> None:
    """The next `count` batches hold different windows of the stream."""
    known = {zlib.crc32(window.tobytes()) for window in windows}
    seen = [zlib.crc32(np.ascontiguousarray(row).tobytes()) for _ in range(count) for row in next(batches)]
    assert known.issuperset(seen), "these are not windows of the stream"
    assert len(set(seen)) > 0.98 * len(seen), "windows are repeated"  # some windows of the stream are equal


def rate(batches: Iterator[list[Windows]], seconds: float) -> float:
    """Tokens per second of processor time of all threads of this process; best of three."""
    best = 0.0
    for _ in range(3):
        start, tokens = time.process_time(), 0
        while time.process_time() - start < seconds / 3:
            rows = next(batches)
            inputs = np.stack([row[:-1].astype(np.int64) for row in rows])
            labels = np.stack([row[1:].astype(np.int64) for row in rows])
            assert inputs.shape == labels.shape
            tokens += inputs.size
        best = max(best, tokens / (time.process_time() - start))
    return best


def main(name: str, tokens: str, folder: str, context: str, batch: str, seconds: str) -> None:
    """Measure one loader; `folder` is empty, and its own."""
    kinds: dict[str, Callable[[Windows, Path, int], Iterator[list[Windows]]]]
    kinds = {"memory-map": memory_map, "streaming": streaming, "litdata": litdata}
    windows = windows_of(Path(tokens), int(context))
    batches = kinds[name](windows, Path(folder), int(batch))
    check(batches, windows, min(64, len(windows) // int(batch)))
    print(json.dumps({"rate": rate(batches, float(seconds))}), flush=True)
    os._exit(0)  # not asking the threads of the packages, which are reading ahead


if __name__ == "__main__":
    main(*sys.argv[1:])
