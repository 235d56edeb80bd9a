"""Pack by repository: its files one after another, each after those it imports, and able to see them.

    <|end_of_text|><|repo_name|>NAME<|file_sep|>PATH⏎TEXT<|file_sep|>PATH⏎TEXT ...        a named stretch
    <|end_of_text|>TEXT<|file_sep|>TEXT ...                                                one without names

The layout is StarCoder2's (Lozhkov et al. 2024, arXiv 2402.19173, section 5.1) with the end of text in front, where our
documents have it. As there, half of the stretches have no names, so that the model also knows a file whose place is not
given: what evaluation and a prompt without names ask. Qwen2.5-Coder (Hui et al. 2024, arXiv 2409.12186, figure 4) has
line ends around the markers, and names always.
What stands before a file's text is its header: encoded alone, as is the text, so that both have the tokens that they
have anywhere else. Objectives leave headers as they are, and cut inside one file's text.

A stretch ends after the file that reaches `repository_mb`: the next one opens with the names again. Repositories ascend
by (source, name); what is trained on when is decided by the order of windows, not by this.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ownlm.pipeline.progress import Task
from ownlm.tokens.corpus import CorpusTable
from ownlm.tokens.shards.config import ShardsConfig
from ownlm.tokens.shards.dependencies.order import dependency_order, imports, references
from ownlm.tokens.shards.encoding import COLUMNS, MapGroups
from ownlm.tokens.shards.mixture import in_pass, passes, share_of
from ownlm.tokens.shards.spill import SPILLED, Spill, SpilledFile
from ownlm.tokens.shards.writer import token_type
from ownlm.tokens.vocabulary.load import Vocabulary

_ENCODED = pa.schema(
    [
        *((name, pa.string()) for name in (*COLUMNS, "references")),
        ("size", pa.int64()),
        ("header", pa.binary()),
        ("tokens", pa.large_binary()),
    ]
)


@dataclass(frozen=True)
class EncodeFiles:
    """The map: a row group's documents as `_ENCODED`: references found, path and text encoded, each alone."""

    vocabulary: Vocabulary
    weights: Mapping[str, float]

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Rows of a corpus table -> `_ENCODED` rows of those that are packed at all, in the same order."""
        pairs = zip(batch.column("source").to_pylist(), batch.column("id").to_pylist(), strict=True)
        chosen = [in_pass(0, self.weights, *pair) for pair in pairs]
        rows = batch.select([*COLUMNS, "content"]).filter(pa.array(chosen, pa.bool_()))
        languages, paths, texts = (rows.column(name).to_pylist() for name in ("language", "path", "content"))
        found = ["\n".join(references(*pair)) for pair in zip(languages, texts, strict=True)]
        headers = self.vocabulary.encode_batch([f"{path}\n" for path in paths])
        arrays = [
            *(rows.column(name).cast(pa.string()) for name in COLUMNS),
            pa.array(found, pa.string()),
            pa.array([len(text.encode("utf-8")) for text in texts], pa.int64()),
            pa.array([_stored([self.vocabulary.special.file_sep, *ids]) for ids in headers], pa.binary()),
            pa.array(map(_stored, self.vocabulary.encode_batch(texts)), pa.large_binary()),
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=_ENCODED)


def _stored(ids: Sequence[int]) -> bytes:
    return np.asarray(ids, SPILLED).tobytes()


class Packer:
    """Packs the documents of a table by repository.

    Args:
        table: a split.
        vocabulary: encodes them.
        weights: of sources by name.
        config: `repository_mb` and `repository_names` of it.
    """

    def __init__(
        self, table: CorpusTable, vocabulary: Vocabulary, weights: Mapping[str, float], config: ShardsConfig
    ) -> None:
        self._table, self._vocabulary, self._weights = table, vocabulary, weights
        self._limit, self._names = int(config.repository_mb * 1e6), config.repository_names

    def packed(
        self, map_groups: MapGroups, scratch: Path, task: Task
    ) -> Iterator[tuple[dict[str, Any], npt.NDArray[Any], int]]:
        """Every copy of every document as (its columns with `header` and `opens`, tokens, bytes of its text).

        Pass after pass, as `encoded` does, and in each the files of a repository together.

        Args:
            map_groups: how the table is encoded.
            scratch: a folder for as many bytes as the shards will have; must not exist, and is gone afterwards.
            task: advanced by the bytes of texts as they are encoded.

        Raises:
            ArtifactError: the table is damaged.
            StorageError: the disk is full.
        """
        groups, dtype = self._table.row_groups(), token_type(self._vocabulary.size)
        if not groups:
            return
        with Spill(scratch, dtype) as spill:
            for batch in map_groups(groups, EncodeFiles(self._vocabulary, self._weights), label="shards: encoding"):
                spill.add(batch)
                task.advance(sum(batch.column("size").to_pylist()))
            spill.finish()
            for number in range(passes(self._weights)):
                for files in spill.repositories():
                    yield from self._repository(files, number, spill)

    def _repository(
        self, files: Sequence[SpilledFile], number: int, spill: Spill
    ) -> Iterator[tuple[dict[str, Any], npt.NDArray[Any], int]]:
        """What pass `number` has of a repository."""
        chosen = [
            file for file in in_order(files) if in_pass(number, self._weights, file.row["source"], file.row["id"])
        ]
        for index, stretch in enumerate(stretches(chosen, self._limit)):
            named = self._named(stretch[0], index, number)
            for place, file in enumerate(stretch):
                stored = spill.tokens(file)
                header = self._header(file, stored[: file.header].tolist(), opens=place == 0, named=named)
                tokens = np.concatenate([np.asarray(header, stored.dtype), stored[file.header :]])
                yield file.row | {"header": len(header), "opens": place == 0}, tokens, file.bytes

    def _named(self, file: SpilledFile, stretch: int, number: int) -> bool:
        """Whether a stretch, of a pass, says its names."""
        return share_of(f"{file.row['source']}\0{file.row['repo']}\0{stretch}\0{number}") < self._names

    def _header(self, file: SpilledFile, path: list[int], *, opens: bool, named: bool) -> list[int]:
        special = self._vocabulary.special
        if not named:
            return [special.end_of_text if opens else special.file_sep]
        if not opens:
            return path
        return [special.end_of_text, special.repo_name, *self._vocabulary.encode(file.row["repo"]), *path]


def in_order(files: Sequence[SpilledFile]) -> list[SpilledFile]:
    """The files of a repository, each after those it imports; those of one path as they come."""
    by_path: dict[str, list[SpilledFile]] = {}
    for file in files:
        by_path.setdefault(file.row["path"], []).append(file)
    said = {
        path: (same[0].row["language"], [name for file in same for name in file.references])
        for path, same in by_path.items()
    }
    order = dependency_order(by_path, imports(files[0].row["repo"], said))
    return [file for path in order for file in by_path[path]]


def stretches(files: Sequence[SpilledFile], limit: int) -> Iterator[list[SpilledFile]]:
    """The files cut after each that brings a stretch to `limit` bytes of text."""
    stretch: list[SpilledFile] = []
    held = 0
    for file in files:
        stretch.append(file)
        held += file.bytes
        if held >= limit:
            yield stretch
            stretch, held = [], 0
    if stretch:
        yield stretch
