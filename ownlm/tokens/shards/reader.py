"""Read a split's shards: tokens by position, and the document at any position.

Shards, token files or MDS, are memory-mapped: opening costs nothing, and only the pages that are read take memory.
Opening checks every file's size; `verify` checks every byte. What is behind a URL, or compressed, is read through a
cache (`ownlm.tokens.shards.files`): a shard is fetched when it is first touched, and checked before it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ownlm.errors import ArtifactError
from ownlm.tokens.shards.foreign import Foreign
from ownlm.tokens.shards.split import Split
from ownlm.tokens.shards.storage import Folder, advice_for


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


class ShardReader:
    """One split of a shards artifact. Safe to use from several threads.

    Args:
        where: the split's folder, or its URL (s3://bucket/folder, https://, memory://, ...).
        cache: a store's cache folder, for shards that are somewhere else or compressed; None: the user's.
        foreign: what the index of MDS shards that ownlm did not write does not say.

    Attributes:
        where: its folder or URL.
        path: the folder of this machine that its documents table is in.
        tokens: the split's token ids; slice it.
        total_tokens: tokens, the opening end_of_text of every document included.
        total_bytes: UTF-8 bytes of all documents; 0 where ownlm did not write them.
        documents: how many there are.
        form: what the shards are: our own token files or MDS; an empty split is "tokens".
        pack: what a stretch of the stream holds: a document, or files of one repository.
        vocabulary: content hash of the vocabulary the tokens belong to (`Vocabulary.content`).

    Raises:
        ArtifactError: when a file is missing or has the wrong size.
        InputError: when MDS shards of others hold no token ids.
        ServerError: when a storage does not answer.
    """

    def __init__(self, where: Path | str, *, cache: Path | None = None, foreign: Foreign | None = None) -> None:
        self._asked = (where, cache, foreign)
        self._split = Split(where, cache, foreign)
        self.where, self.path, index = self._split.where, self._split.table.parent, self._split.facts
        self.form: Literal["tokens", "mds"] = "mds" if self._split.mds else "tokens"
        self.total_tokens: int = index["tokens"]
        self.total_bytes: int = index["bytes"]
        self.documents: int = index["documents"]
        self.vocabulary: str = index["vocabulary"]
        self.pack: Literal["documents", "repositories"] = index.get("pack", "documents")
        self._starts: npt.NDArray[np.int64] = self._read_table(["start"]).column(0).to_numpy()
        self._headers: npt.NDArray[np.int32] | None = None
        self._stretches = self._starts
        if self.pack == "repositories":
            self._headers = self._read_table(["header"]).column(0).to_numpy()
            self._stretches = self._starts[self._read_table(["opens"]).column(0).to_numpy()]
        self.tokens = self._split.open_tokens(np.append(self._starts, self.total_tokens))
        self._row_group = lru_cache(maxsize=8)(self._read_row_group)
        self._group_starts = np.cumsum([0, *index["table"]["row_groups"]])

    def __reduce__(self) -> tuple[Callable[..., ShardReader], tuple[Path | str, Path | None, Foreign | None]]:
        """For worker processes: they open the same shards."""
        return _reopened, self._asked

    def document(self, index: int) -> DocumentSpan:
        """Document number `index`.

        Raises:
            IndexError: when there is none.
        """
        if not 0 <= index < self.documents:
            raise IndexError(f"document {index} of {self.documents} in {self._split.name}")
        group = int(np.searchsorted(self._group_starts, index, side="right")) - 1
        return DocumentSpan(**self._row_group(group).slice(index - int(self._group_starts[group]), 1).to_pylist()[0])

    def document_at(self, position: int) -> DocumentSpan:
        """The document that the token at `position` belongs to: O(log documents).

        Raises:
            IndexError: when the position is outside the stream.
        """
        if not 0 <= position < self.total_tokens:
            raise IndexError(f"position {position} of {self.total_tokens} tokens in {self._split.name}")
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
    def stretches(self) -> int:
        """How many parts of the stream attention does not leave: documents, or parts of repositories."""
        return len(self._stretches)

    @property
    def header_tokens(self) -> int:
        """Tokens before the texts of all documents."""
        return self.documents if self._headers is None else int(self._headers.sum(dtype=np.int64))

    def ids(self) -> list[str]:
        """The id of every document, in order."""
        found: list[str] = self._read_table(["id"]).column(0).to_pylist()
        return found

    def sources(self) -> tuple[list[str], npt.NDArray[np.int32]]:
        """The names of all sources, and for every document the number of its source's name: 4 bytes a document."""
        return self._named("source")

    def languages(self) -> tuple[list[str], npt.NDArray[np.int32]]:
        """The names of all languages, and for every document the number of its language's name: 4 bytes a document."""
        return self._named("language")

    def _named(self, name: str) -> tuple[list[str], npt.NDArray[np.int32]]:
        column = self._read_table([name]).column(0).dictionary_encode().combine_chunks()
        if isinstance(column, pa.ChunkedArray):  # no documents, no chunks
            return [], np.empty(0, dtype=np.int32)
        return column.dictionary.to_pylist(), column.indices.to_numpy()

    def lengths(self) -> npt.NDArray[np.int64]:
        """Tokens of every document."""
        return np.diff(self._starts, append=self.total_tokens)

    def verify(self) -> None:
        """Compare the checksum of every file with the index: reads everything once, where it is.

        Raises:
            ArtifactError: naming the first damaged file.
        """
        self._split.verify()

    def fetched_ahead(self, positions: Iterable[npt.NDArray[np.int64]]) -> AbstractContextManager[None]:
        """Fetch the shards of these positions in the background while the block runs, in this order.

        Does nothing for shards that are here already; stops at what the cache may keep.
        """
        return self.tokens.files.fetched_ahead(self.tokens.shards_at, positions)

    def _read_table(self, columns: list[str]) -> pa.Table:
        try:
            return pq.read_table(self._split.table, columns=columns)
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(self._split.table, error) from error

    def _read_row_group(self, group: int) -> pa.Table:
        try:
            with pq.ParquetFile(self._split.table) as table:
                return table.read_row_group(group)
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(self._split.table, error) from error


def _between(positions: npt.NDArray[np.int64], start: int, stop: int) -> npt.NDArray[np.int64]:
    """Those in start + 1 .. stop - 1, of positions that ascend."""
    low, high = np.searchsorted(positions, (start, stop - 1), side="right")
    return positions[low : max(low, high)]


def _reopened(where: Path | str, cache: Path | None, foreign: Foreign | None) -> ShardReader:
    return ShardReader(where, cache=cache, foreign=foreign)


def _unreadable(file: Path, error: Exception) -> ArtifactError:
    return ArtifactError(f"the shards cannot be read: {error}", where=file, advice=advice_for(Folder(file.parent)))
