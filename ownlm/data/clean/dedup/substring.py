"""The rule `substring_duplicates`: documents most of which stands, word for word, in others that are kept.

    contents ─► fingerprints ─► engine ─► pairs ─► runs of both, compared at every position ─► share repeated

A run is `tokens` words in a row (words are those of all rules across documents: signs, space and case do not count).
Which documents may share one is found by winnowing (Schleimer, Wilkerson, Aiken 2003): of each k = tokens / 2 words in
a row a hash, of each window of tokens - k + 1 such hashes the least. Two documents that share a run share that window,
so they share its fingerprint: none is missed, and only about 4 / tokens of the positions go to the engine.

Documents are decided in the order of sources and tables. One is rejected if more than `max_share` of its words stand in
runs it shares with earlier documents that are kept: whatever is rejected for, is still there. Each fingerprint names
the first `PARTNERS` documents that have it; a run that stands in a hundred files (a licence) is compared with those.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ownlm.data.clean.dedup.config import SubstringDuplicatesConfig
from ownlm.data.clean.dedup.keys import Corpus, CrossRule, Rejected, Rows, names_of
from ownlm.data.clean.dedup.near_shingles import shingles_of
from ownlm.data.clean.dedup.words import Hashes
from ownlm.data.lake.engine import Engine, open_engine
from ownlm.data.lake.pool import map_row_groups
from ownlm.data.lake.table import writing_to

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

PARTNERS = 4
_FINGERPRINTS = pa.schema([pa.field("fingerprint", pa.int64()), pa.field("row", pa.int64())])


class SubstringDuplicates(CrossRule):
    """See the module."""

    name = "substring_duplicates"

    def __init__(self, config: SubstringDuplicatesConfig) -> None:
        self._config = config

    def find(self, corpus: Corpus) -> Rejected:
        """See `CrossRule.find`.

        Raises:
            ArtifactError: a table cannot be read.
            DependencyError: the engine is not installed.
            StorageError: the disk is full.
            OwnlmError: the engine failed, or a worker process was killed.
        """
        folder = corpus.scratch / self.name
        folder.mkdir(parents=True, exist_ok=True)
        file = write_fingerprints(corpus, self._config.tokens, folder / "fingerprints.parquet")
        with open_engine(corpus.engine) as engine:
            later, earlier = find_pairs(engine, file)
        if not len(later):
            return Rejected.nothing()
        runs = RunFile(corpus, np.union1d(later, earlier), self._config.tokens, folder / "runs.u64")
        rows, shares, partners = self._decide(runs, later, earlier)
        names = names_of(corpus.keys, np.array(partners, np.int64)).to_pylist()
        reasons = [
            f"{share:.0%} of its words stand in other documents in runs of {self._config.tokens} or more, "
            f"most of them in {name['path']} in {name['repo']}"
            for share, name in zip(shares, names, strict=True)
        ]
        return Rejected(np.array(rows, np.int64), pa.array(reasons, pa.string()))

    def _decide(self, runs: RunFile, later: Rows, earlier: Rows) -> tuple[list[int], list[float], list[int]]:
        """(rows rejected, share repeated, the partner that has most of it); pairs come by `later`, then `earlier`."""
        rejected: set[int] = set()
        rows, shares, most = [], [], []
        starts = np.flatnonzero(np.concatenate([[True], later[1:] != later[:-1]]))
        for start, stop in zip(starts, [*starts[1:], len(later)], strict=True):
            row = int(later[start])
            partners = [partner for partner in earlier[start:stop].tolist() if partner not in rejected]
            mine = runs.of(row)
            shared = [np.isin(mine, runs.of(partner)) for partner in partners]
            if not shared:
                continue
            share = covered_share(np.any(shared, axis=0), self._config.tokens)
            if share > self._config.max_share:
                rejected.add(row)
                rows.append(row)
                shares.append(share)
                most.append(partners[int(np.argmax([np.count_nonzero(one) for one in shared]))])
        return rows, shares, most


def covered_share(starts: npt.NDArray[np.bool_], tokens: int) -> float:
    """The share of a document's words that lie in marked runs; `starts` marks runs by where they begin."""
    words = len(starts) + tokens - 1
    edges = np.zeros(words + 1, np.int64)
    places = np.flatnonzero(starts)
    np.add.at(edges, places, 1)
    np.add.at(edges, places + tokens, -1)
    return float(np.count_nonzero(np.cumsum(edges[:-1]))) / words


def winnow(hashes: Hashes, window: int) -> Hashes:
    """The least of each `window` hashes in a row, once each; none if there are fewer."""
    if len(hashes) < window:
        return np.empty(0, np.uint64)
    return np.unique(np.lib.stride_tricks.sliding_window_view(hashes, window).min(axis=1))


def fingerprints(batch: pa.RecordBatch, tokens: int) -> pa.RecordBatch:
    """The fingerprints of each document of a batch, with its place in the batch in the column `row`."""
    width = tokens // 2
    shingles = shingles_of(batch.column("content"), width)
    parts = []
    for place, (start, stop) in enumerate(zip(shingles.bounds[:-1], shingles.bounds[1:], strict=True)):
        found = winnow(shingles.hashes[start:stop], tokens - width + 1).view(np.int64)
        parts.append((found, np.full(len(found), place, np.int64)))
    columns = [pa.array(np.concatenate([part[side] for part in parts] or [np.empty(0, np.int64)])) for side in (0, 1)]
    return pa.RecordBatch.from_arrays(columns, schema=_FINGERPRINTS)


class _Fingerprints:
    """`fingerprints` as a picklable map over row groups."""

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return fingerprints(batch, self.tokens)


def write_fingerprints(corpus: Corpus, tokens: int, file: Path) -> Path:
    """Write (fingerprint, row) of all documents that are alive.

    Raises:
        StorageError: the disk is full.
    """
    placed = list(corpus.row_groups())
    found = map_row_groups(
        [group for _, group in placed],
        _Fingerprints(tokens),
        workers=corpus.workers,
        progress=corpus.progress,
        label="fingerprints",
    )
    with writing_to(file.parent), pq.ParquetWriter(file, _FINGERPRINTS, compression="zstd") as writer:
        for (start, _), batch in zip(placed, found, strict=True):
            rows = batch.column("row").to_numpy() + start
            alive = corpus.alive[rows]
            columns = [batch.column("fingerprint").filter(pa.array(alive)), pa.array(rows[alive])]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=_FINGERPRINTS))
    return file


def sharing_pairs(table: DataFrame) -> DataFrame:
    """The query: (fingerprint, row) -> pairs (row, earlier), each once, in order."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    order = Window.partitionBy("fingerprint").orderBy("row")
    numbered = table.withColumn("n", F.row_number().over(order))
    partners = numbered.where(F.col("n") <= PARTNERS).select("fingerprint", F.col("row").alias("earlier"))
    pairs = table.join(partners, "fingerprint").where(F.col("row") > F.col("earlier"))
    return pairs.select("row", "earlier").distinct().orderBy("row", "earlier")


def find_pairs(engine: Engine, file: Path) -> tuple[Rows, Rows]:
    """(later, earlier) rows of documents that may share a run, by later, then earlier.

    Raises:
        OwnlmError: the engine failed.
    """
    found = engine.collect(sharing_pairs(engine.read(file)))
    return tuple(found.column(name).to_numpy() for name in ("row", "earlier"))


class RunFile:
    """The hashes of all runs of some documents, in a file that is mapped: 8 bytes a word.

    Args:
        corpus: where the documents are.
        rows: which, ascending.
        tokens: words in a run.
        file: to be written.

    Raises:
        ArtifactError: a table cannot be read.
        StorageError: the disk is full.
    """

    def __init__(self, corpus: Corpus, rows: Rows, tokens: int, file: Path) -> None:
        self._places, at = dict[int, tuple[int, int]](), 0
        with writing_to(file.parent), file.open("wb") as stream:
            for part in corpus.parts(rows):
                shingles = shingles_of(part.contents(), tokens)
                stream.write(shingles.hashes.tobytes())
                for place, row in enumerate(rows[part.first : part.first + len(part.rows)].tolist()):
                    self._places[row] = at + int(shingles.bounds[place]), at + int(shingles.bounds[place + 1])
                at += len(shingles.hashes)
        self._hashes: Hashes = np.memmap(file, np.uint64, "r")

    def of(self, row: int) -> Hashes:
        """The runs of a document, by where they start."""
        start, stop = self._places[row]
        return self._hashes[start:stop]
