"""The rule `near_duplicates`: of documents that are nearly the same, keep one.

    signatures ─► buckets ─► engine ─► pairs ─► estimates ─► exact similarity ─► components ─► one survivor each
    (of clean)                                  (numpy)      (process pool)

Two documents are near duplicates if the Jaccard similarity of their sets of word n-grams reaches `similarity`. Pairs
are found by MinHash and locality-sensitive hashing (`near_bands`) and every one of them is verified exactly
(`near_verify`): nothing is rejected for an estimate. Documents linked directly or through others are one group. Of a
group that one is kept which is first by (source order in the recipe, a licence is known, repository, path, row).
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ownlm.data.clean.dedup.components import Components, survivors
from ownlm.data.clean.dedup.config import NearDuplicatesConfig
from ownlm.data.clean.dedup.keys import Corpus, CrossRule, Rejected, Rows, names_of, read_keys
from ownlm.data.clean.dedup.near_bands import BucketWriter, Pairs, bands_for, buckets, find_pairs
from ownlm.data.clean.dedup.near_verify import Verifier, open_verifier
from ownlm.data.clean.dedup.signature_files import SignatureFiles
from ownlm.data.lake.engine import open_engine
from ownlm.data.lake.table import row_groups

_DEVIATIONS = 4
"""A pair is not read if its estimate is this many standard deviations below the threshold: 1 in 30,000 is lost."""
_ESTIMATES_AT_ONCE = 1 << 14


class NearDuplicates(CrossRule):
    """See the module."""

    name = "near_duplicates"

    def __init__(self, config: NearDuplicatesConfig) -> None:
        self._config = config

    def find(self, corpus: Corpus) -> Rejected:
        """See `CrossRule.find`.

        Raises:
            ArtifactError: a table or its signatures cannot be read.
            DependencyError: the engine is not installed.
            StorageError: the disk is full.
            OwnlmError: the engine failed, or a worker process was killed.
        """
        folder = corpus.scratch / self.name
        folder.mkdir(parents=True, exist_ok=True)
        counts = [sum(group.rows for group in row_groups(table)) for table in corpus.tables]
        files = SignatureFiles(corpus.signatures, self._config.signature, counts)
        pairs = self._candidates(corpus, files, folder)
        rows, ends = np.unique(np.concatenate([pairs.first, pairs.second]), return_inverse=True)
        if not len(rows):
            return Rejected.nothing()
        one, two = np.split(ends, 2)
        with open_verifier(corpus, self._config.ngram, folder / "shingles.u64") as verifier:
            verifier.read(rows)
            components = self._verified(verifier, len(rows), Pairs(one, two, pairs.leader))
            kept = survivors(components.labels, _preference(corpus.keys, rows))
            lost = np.flatnonzero(kept != np.arange(len(rows)))
            likeness = verifier.similarities(lost, kept[lost])
        return Rejected(rows[lost], self._reasons(corpus.keys, rows[kept[lost]], likeness))

    def _candidates(self, corpus: Corpus, files: SignatureFiles, folder: Path) -> Pairs:
        """The pairs to verify."""
        rows, copies = _same_signatures(corpus, files)
        bands, entries = bands_for(self._config.similarity, self._config.permutations)
        writer = BucketWriter(folder, bands, entries, len(rows))
        for start, signatures in files.blocks():
            here = rows[np.searchsorted(rows, start) : np.searchsorted(rows, start + len(signatures))]
            writer.add(here, signatures[here - start])
        writer.close()
        with open_engine(corpus.engine) as engine:
            found = [self._likely(files, find_pairs(engine, file)) for file in writer.files]
        return Pairs.union([copies, *found])

    def _likely(self, files: SignatureFiles, pairs: Pairs) -> Pairs:
        """Those whose sets can be similar enough by their sizes, and are likely to be by their signatures."""
        wanted, n = self._config.similarity, self._config.permutations
        least = wanted - _DEVIATIONS * math.sqrt(wanted * (1 - wanted) / n)
        sizes = files.shingles[pairs.first], files.shingles[pairs.second]
        left = np.flatnonzero(np.minimum(*sizes) / np.maximum(*sizes) >= wanted)
        likely = np.zeros(len(pairs.first), np.bool_)
        for start in range(0, len(left), _ESTIMATES_AT_ONCE):
            here = left[start : start + _ESTIMATES_AT_ONCE]
            agree = (files.take(pairs.first[here]) == files.take(pairs.second[here])).mean(axis=1)
            likely[here] = agree >= least
        return pairs.take(likely)

    def _verified(self, verifier: Verifier, documents: int, pairs: Pairs) -> Components:
        """The groups: pairs with a bucket's first document are verified first, others where that leaves them apart."""
        components = Components(documents)
        for here in (pairs.leader == 1, pairs.leader > 1):
            left = pairs.take(here & ~components.linked(pairs.first, pairs.second))
            similar = verifier.similarities(left.first, left.second) >= self._config.similarity
            components.link(left.first[similar], left.second[similar])
        return components

    def _reasons(self, keys: Path, kept: Rows, likeness: npt.NDArray[np.float64]) -> pa.Array:
        """Why documents are rejected, given the rows of those that stay and how similar each is to that."""
        percents = np.floor(100 * likeness).astype(np.int64)
        direct = [*(f"{percent} % like " for percent in range(100)), "the same words as "]
        before = pa.array([*direct, *["like others that are like "] * 101])
        after = pa.array([*[""] * 101, *(f" ({percent} % like it)" for percent in range(101))])
        kind = pa.array(percents + 101 * (likeness < self._config.similarity))
        names = names_of(keys, kept)
        parts = [before.take(kind), names["path"], " in ", names["repo"], after.take(kind), ""]
        reasons = pc.binary_join_element_wise(*parts)
        return reasons.combine_chunks() if isinstance(reasons, pa.ChunkedArray) else reasons


def _same_signatures(corpus: Corpus, files: SignatureFiles) -> tuple[Rows, Pairs]:
    """(rows to look for neighbours of, pairs of copies and their originals): equal signatures are one pair a copy.

    However many copies there are, none goes on to the buckets. Documents without words are in neither.
    """
    whole = np.zeros(len(corpus.alive), np.int64)
    for start, signatures in files.blocks():
        (whole[start : start + len(signatures)],) = buckets(signatures, 1, files.permutations)
    rows = np.flatnonzero(corpus.alive & (files.shingles > 0))
    _, first, group = np.unique(whole[rows], return_index=True, return_inverse=True)
    originals = rows[first[group]]
    copies = originals != rows
    return rows[~copies], Pairs(originals[copies], rows[copies], np.ones(int(copies.sum()), np.int64))


def _preference(keys: Path, rows: Rows) -> Rows:
    """For each of some rows its place in the order in which documents are kept."""
    table = read_keys(keys, ["rank", "licensed", "repo", "path"], rows)
    table = table.set_column(1, "licensed", pc.cast(table["licensed"], pa.int8()))
    table = table.append_column("row", pa.array(rows))
    order = [
        ("rank", "ascending"),
        ("licensed", "descending"),
        *((name, "ascending") for name in ("repo", "path", "row")),
    ]
    places = np.empty(len(rows), np.int64)
    places[pc.sort_indices(table, sort_keys=order).to_numpy()] = np.arange(len(rows))
    return places
