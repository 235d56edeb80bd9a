"""Read a split's shards: tokens by position, and the document at any position.

Shards, token files or MDS, are memory-mapped: opening costs nothing, and only the pages that are read take memory.
Opening checks every file's size; `verify` checks every byte.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ownlm.errors import ArtifactError
from ownlm.tokens.shards.mds import VERSION, MdsStream, facts_of

INDEX_FILE = "index.json"
DOCUMENTS_FILE = "documents.parquet"
FORMAT = 1
_REMAKE = "move this artifact's folder away and run the same command: it is made again, the rest is kept"


@dataclass(frozen=True)
class DocumentSpan:
    """A document and where its tokens are.

    Attributes:
        index: its place in the split, from 0.
        id: sha256 of its content.
        source: the source it came from.
        repo: repository or package.
        path: path inside it.
        language: Linguist's name.
        start: position of its opening end_of_text in the split's token stream.
        length: its tokens, the opening one included.
        bytes: UTF-8 bytes of its content.
        header: its tokens before its text: the opening end_of_text, or the markers and names of `pack: repositories`.
        opens: whether it opens a stretch, which attention does not leave: always, or the first file of a repository.
    """

    index: int
    id: str
    source: str
    repo: str
    path: str
    language: str
    start: int
    length: int
    bytes: int
    header: int = 1
    opens: bool = True

    @property
    def stop(self) -> int:
        """The position after its last token."""
        return self.start + self.length

    @property
    def text_start(self) -> int:
        """The position of the first token of its text; `stop` for one without text."""
        return self.start + self.header


class TokenStream:
    """The token files of a split as one sequence of ids; slices are arrays of the stored type (uint16 or uint32)."""

    def __init__(self, files: list[Path], lengths: list[int], dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self._parts = [np.memmap(file, dtype=dtype, mode="r").view(np.ndarray) for file in files]
        self._ends = np.cumsum(np.array(lengths, dtype=np.int64))

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def __getitem__(self, wanted: slice) -> npt.NDArray[Any]:
        start, stop, step = wanted.indices(len(self))
        if step != 1:
            raise ValueError("token streams are read in steps of one")
        part = int(np.searchsorted(self._ends, start, side="right"))
        pieces = []
        while start < stop:
            begin = int(self._ends[part - 1]) if part else 0
            end = min(stop, int(self._ends[part]))
            pieces.append(self._parts[part][start - begin : end - begin])
            start, part = end, part + 1
        if len(pieces) == 1:
            return pieces[0]
        return np.concatenate(pieces) if pieces else np.empty(0, dtype=self.dtype)


class ShardReader:
    """One split of a shards artifact. Safe to use from several threads.

    Args:
        path: the split's folder.

    Attributes:
        tokens: the split's token ids; slice it.
        total_tokens: tokens, the opening end_of_text of every document included.
        total_bytes: UTF-8 bytes of all documents.
        documents: how many there are.
        form: what the shards are: our own token files or MDS; an empty split is "tokens".
        pack: what a stretch of the stream holds: a document, or files of one repository.
        vocabulary: content hash of the vocabulary the tokens belong to (`Vocabulary.content`).

    Raises:
        ArtifactError: when a file is missing or has the wrong size.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._index = index = _read_index(path)
        self.form: Literal["tokens", "mds"] = "mds" if "samples" in next(iter(index["shards"]), {}) else "tokens"
        self.total_tokens: int = index["tokens"]
        self.total_bytes: int = index["bytes"]
        self.documents: int = index["documents"]
        self.vocabulary: str = index["vocabulary"]
        files = [path / shard["file"] for shard in index["shards"]]
        for file, shard in zip(files, index["shards"], strict=True):
            _check_size(file, shard["size"])
        _check_size(path / DOCUMENTS_FILE, index["table"]["size"])
        self.pack: Literal["documents", "repositories"] = index.get("pack", "documents")
        self._starts: npt.NDArray[np.int64] = self._read_table(["start"]).column(0).to_numpy()
        self._headers: npt.NDArray[np.int32] | None = None
        self._stretches = self._starts
        if self.pack == "repositories":
            self._headers = self._read_table(["header"]).column(0).to_numpy()
            self._stretches = self._starts[self._read_table(["opens"]).column(0).to_numpy()]
        self.tokens = self._open_tokens(files)
        self._row_group = lru_cache(maxsize=8)(self._read_row_group)
        self._group_starts = np.cumsum([0, *index["table"]["row_groups"]])

    def __reduce__(self) -> tuple[type[ShardReader], tuple[Path]]:
        """For worker processes: they open the same shards."""
        return ShardReader, (self.path,)

    def document(self, index: int) -> DocumentSpan:
        """Document number `index`.

        Raises:
            IndexError: when there is none.
        """
        if not 0 <= index < self.documents:
            raise IndexError(f"document {index} of {self.documents} in {self.path.name}")
        group = int(np.searchsorted(self._group_starts, index, side="right")) - 1
        return DocumentSpan(**self._row_group(group).slice(index - int(self._group_starts[group]), 1).to_pylist()[0])

    def document_at(self, position: int) -> DocumentSpan:
        """The document that the token at `position` belongs to: O(log documents).

        Raises:
            IndexError: when the position is outside the stream.
        """
        if not 0 <= position < self.total_tokens:
            raise IndexError(f"position {position} of {self.total_tokens} tokens in {self.path.name}")
        return self.document(self.document_number(position))

    def document_number(self, position: int) -> int:
        """The number of the document that the token at `position`, inside the stream, belongs to."""
        return int(np.searchsorted(self._starts, position, side="right")) - 1

    def document_index(self, start: int, stop: int) -> npt.NDArray[np.int64]:
        """For each position in start .. stop - 1, the index of its document."""
        first = self.document_number(start)
        bounds = self.document_starts(start, stop)
        return np.searchsorted(bounds, np.arange(start, stop), side="right").astype(np.int64) + first

    def document_starts(self, start: int, stop: int) -> npt.NDArray[np.int64]:
        """Positions in start + 1 .. stop - 1 at which a document begins."""
        return _between(self._starts, start, stop)

    def cuts(self, start: int, stop: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Positions in start + 1 .. stop - 1 at which a window is cut: (into pieces, into stretches).

        A piece is what an objective may lay out anew: a document, or, of repositories, a header or the text behind it.
        Attention does not leave a stretch.
        """
        documents = _between(self._starts, start, stop)
        if self._headers is None:
            return documents, documents
        first, last = np.searchsorted(self._starts, (start, stop - 1), side="right")
        here = slice(max(0, int(first) - 1), int(last))
        texts = self._starts[here] + self._headers[here]
        texts = texts[(texts > start) & (texts < stop)]
        return np.union1d(documents, texts), _between(self._stretches, start, stop)

    def document_bounds(self, index: int) -> tuple[int, int]:
        """Where document number `index` begins in the stream, its opening end_of_text, and the position after it."""
        following = index + 1
        stop = self._starts[following] if following < self.documents else self.total_tokens
        return int(self._starts[index]), int(stop)

    def text_bounds(self, index: int) -> tuple[int, int]:
        """The part of document number `index` that objectives may lay out anew: all but the header of repositories."""
        start, stop = self.document_bounds(index)
        return (start, stop) if self._headers is None else (start + int(self._headers[index]), stop)

    def texts_at(self, positions: Sequence[int]) -> list[tuple[int, int]]:
        """(Place in `positions`, number of the document) of the positions that are not in a header of repositories."""
        places = np.asarray(positions, dtype=np.int64)
        numbers = np.searchsorted(self._starts, places, side="right") - 1
        if self._headers is None:
            return list(enumerate(numbers.tolist()))
        inside = np.flatnonzero(places >= self._starts[numbers] + self._headers[numbers])
        return list(zip(inside.tolist(), numbers[inside].tolist(), strict=True))

    @property
    def header_tokens(self) -> int:
        """Tokens before the texts of all documents."""
        return self.documents if self._headers is None else int(self._headers.sum(dtype=np.int64))

    def sources(self) -> tuple[list[str], npt.NDArray[np.int32]]:
        """The names of all sources, and for every document the number of its source's name: 4 bytes a document."""
        column = self._read_table(["source"]).column(0).dictionary_encode().combine_chunks()
        if isinstance(column, pa.ChunkedArray):  # no documents, no chunks
            return [], np.empty(0, dtype=np.int32)
        return column.dictionary.to_pylist(), column.indices.to_numpy()

    def lengths(self) -> npt.NDArray[np.int64]:
        """Tokens of every document."""
        return np.diff(self._starts, append=self.total_tokens)

    def verify(self) -> None:
        """Compare the checksum of every file with the index: reads everything once.

        Raises:
            ArtifactError: naming the first damaged file.
        """
        expected = {shard["file"]: shard["sha256"] for shard in self._index["shards"]}
        expected[DOCUMENTS_FILE] = self._index["table"]["sha256"]
        for name, digest in expected.items():
            with (self.path / name).open("rb") as stream:
                if hashlib.file_digest(stream, "sha256").hexdigest() != digest:
                    raise ArtifactError("a shard's checksum is wrong", where=self.path / name, advice=_REMAKE)

    def _open_tokens(self, files: list[Path]) -> TokenStream | MdsStream:
        shards, dtype = self._index["shards"], np.dtype(self._index["dtype"])
        if self.form == "mds":
            bounds = np.append(self._starts, self.total_tokens)
            return MdsStream(files, [shard["samples"] for shard in shards], bounds, dtype)
        return TokenStream(files, [shard["tokens"] for shard in shards], dtype)

    def _read_table(self, columns: list[str]) -> pa.Table:
        try:
            return pq.read_table(self.path / DOCUMENTS_FILE, columns=columns)
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(self.path / DOCUMENTS_FILE, error) from error

    def _read_row_group(self, group: int) -> pa.Table:
        try:
            with pq.ParquetFile(self.path / DOCUMENTS_FILE) as table:
                return table.read_row_group(group)
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(self.path / DOCUMENTS_FILE, error) from error


def _read_index(path: Path) -> dict[str, Any]:
    file = path / INDEX_FILE
    try:
        index: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if index.get("version") == VERSION:
            index = facts_of(index)
        if index["format"] != FORMAT:
            raise ValueError(f"format {index['format']}, this version reads {FORMAT}")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unreadable(file, error) from error
    return index


def _between(positions: npt.NDArray[np.int64], start: int, stop: int) -> npt.NDArray[np.int64]:
    """Those in start + 1 .. stop - 1, of positions that ascend."""
    low, high = np.searchsorted(positions, (start, stop - 1), side="right")
    return positions[low : max(low, high)]


def _check_size(file: Path, size: int) -> None:
    try:
        found = file.stat().st_size
    except OSError as error:
        raise _unreadable(file, error) from error
    if found != size:
        raise ArtifactError(f"a shard has {found} bytes, its index says {size}", where=file, advice=_REMAKE)


def _unreadable(file: Path, error: Exception) -> ArtifactError:
    return ArtifactError(f"the shards cannot be read: {error}", where=file, advice=_REMAKE)
