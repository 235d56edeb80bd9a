"""Where the tokens of a training step came from: rows and columns -> documents and byte offsets.

    row     │ columns 0 .. 41        │ columns 42 .. 255          │     columns of the row's inputs
    piece   │ tokens 310 .. 352 of A │ tokens 0 .. 214 of B       │     token 0 of a document is its opening end_of_text
    content │ bytes 1204 .. 1390     │ bytes 0 .. 803             │     of the document's UTF-8 content

Steps are counted from 1, as in the training log. A step's rows are those of all ranks and forward passes.
The markers and the path before a file of a repository are its first tokens, and stand for none of its bytes.
Stretches are half-open. Byte offsets are exact, because a token stands for a fixed number of bytes: they are sums of
those numbers. A document whose tokens do not stand for its content byte by byte has none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ownlm.errors import InputError
from ownlm.tokens.corpus import CorpusTable
from ownlm.tokens.objectives.config import ObjectivesConfig
from ownlm.tokens.shards.batches import Batches
from ownlm.tokens.shards.reader import DocumentSpan, ShardReader
from ownlm.tokens.shards.rows import LONGEST, Piece
from ownlm.tokens.vocabulary.load import Vocabulary
from ownlm.tokens.vocabulary.special import SENTINELS, SpecialTokens

Range = tuple[int, int]


@dataclass(frozen=True)
class Stretch:
    """A stretch of one document in a row of a step.

    Attributes:
        row: the row of the step, from 0.
        columns: its columns in the row.
        objective: what it is trained with; anything but "next_token" lays its text out in another order.
        dropped: tokens of it that did not fit beside the objective's markers.
        document: whose it is.
        tokens: its tokens in the document, the opening end_of_text, or the first marker, being token 0; the whole
            document where fill-in-the-middle cut that before its windows: any part of it may be in these columns.
        bytes: its bytes in the document's content; None where they are not exact.
    """

    row: int
    columns: Range
    objective: str
    dropped: int
    document: DocumentSpan
    tokens: Range
    bytes: Range | None


@dataclass(frozen=True)
class Place:
    """One input token of a row.

    Attributes:
        column: its column.
        token: its id.
        stretch: the stretch it is in.
        offset: its number in the document's tokens; None where an objective laid the text out in another order.
        bytes: its bytes in the document's content; None for markers, padding, and where they cannot be told.
    """

    column: int
    token: int
    stretch: Stretch
    offset: int | None
    bytes: Range | None


class StepOrigins:
    """Looks up what a training run's steps were made of.

    Args:
        reader: the training split.
        batches: the run's steps over it.
        vocabulary: the one the shards were made with.
        objectives: the run's mix of them.
        steps: steps of the run.
        data_step: step, from 1 -> which step's data it read, from 0; other ones once a rewind has left data out.
    """

    def __init__(
        self,
        reader: ShardReader,
        batches: Batches,
        vocabulary: Vocabulary,
        objectives: ObjectivesConfig,
        steps: int,
        data_step: Callable[[int], int] = lambda step: step - 1,
    ) -> None:
        middle = objectives.fill_in_the_middle
        self._whole_documents = 0 if middle is None or middle.level != "document" else LONGEST * batches.context
        self._reader, self._batches, self._vocabulary = reader, batches, vocabulary
        self._steps, self._data_step = steps, data_step
        self._sizes: npt.NDArray[np.int64] = np.array([len(token) for token in vocabulary.token_bytes], dtype=np.int64)

    def stretches(self, step: int, row: int | None = None) -> list[Stretch]:
        """What the rows of `step`, or the one row, hold, in the order of columns.

        Raises:
            InputError: the run has no such step, or a step no such row.
        """
        samples = self._samples(step, row)
        rows = range(len(samples)) if row is None else (row,)
        made = ((number, self._batches.documents_in(samples[number])) for number in rows)
        return [self._stretch(number, span, piece) for number, pieces in made for span, piece in pieces]

    def place(self, step: int, row: int, column: int) -> Place:
        """The token a row reads in `column`.

        Raises:
            InputError: the run has no such step, row or column.
        """
        if not 0 <= column < self._batches.context:
            raise _outside("column", column, 0, self._batches.context - 1)
        stretch = next(s for s in self.stretches(step, row) if s.columns[0] <= column < s.columns[1])
        sample = self._batches.sample(self._samples(step, row)[row])
        token = int(sample.tokens_L[column])
        if stretch.objective == "next_token":
            offset = stretch.tokens[0] + column - stretch.columns[0]
            return Place(column, token, stretch, offset, self._bytes(stretch.document, (offset, offset + 1)))
        ids = sample.tokens_L[slice(*stretch.columns)].tolist()
        return Place(column, token, stretch, None, self._bytes_laid_out(stretch, ids, column - stretch.columns[0]))

    def _stretch(self, row: int, span: DocumentSpan, piece: Piece) -> Stretch:
        start = piece.position - span.start
        tokens = (start, start + piece.stop - piece.start)
        whole = self._reader.text_bounds(span.index)
        if piece.objective == "fill_in_the_middle" and whole[1] - whole[0] <= self._whole_documents:
            tokens = (whole[0] - span.start, span.length)
        columns, held = (piece.start, piece.stop), self._bytes(span, tokens)
        return Stretch(row, columns, piece.objective, piece.dropped, span, tokens, held)

    def _bytes(self, span: DocumentSpan, tokens: Range) -> Range | None:
        sizes = self._sizes[self._reader.tokens[span.start : span.stop]]
        sizes[: span.header] = 0
        ends = np.cumsum(sizes)
        if ends[-1] != span.bytes:
            return None
        start, stop = (int(ends[number - 1]) if number else 0 for number in tokens)
        return start, stop

    def _bytes_laid_out(self, stretch: Stretch, ids: Sequence[int], column: int) -> Range | None:
        """The bytes of a token laid out in another order: its parts, put back, are found in the stretch's text."""
        order = reading_order(ids, self._vocabulary.special)
        laid_out_whole = stretch.columns[1] - stretch.columns[0] == stretch.tokens[1] - stretch.tokens[0]
        if stretch.bytes is None or column not in order or not laid_out_whole:
            return None
        table, span = self._vocabulary.token_bytes, stretch.document
        stored = self._reader.tokens[span.start + stretch.tokens[0] : span.start + stretch.tokens[1]]
        whole, text = b"".join(table[ids[at]] for at in order), b"".join(table[token] for token in stored.tolist())
        start = text.find(whole)
        if start < 0 or (stretch.dropped and text.find(whole, start + 1) >= 0):
            return None  # ends were dropped, and what is left fits in more than one place
        before = sum(len(table[ids[at]]) for at in order[: order.index(column)])
        begin = stretch.bytes[0] + start + before
        return begin, begin + len(table[ids[column]])

    def _samples(self, step: int, row: int | None) -> range:
        """The samples of a step that the run has, and of which the row is one."""
        if not 1 <= step <= self._steps:
            raise _outside("step", step, 1, self._steps)
        samples = self._batches.samples_of(self._data_step(step))
        if row is not None and not 0 <= row < len(samples):
            raise _outside("row", row, 0, len(samples) - 1)
        return samples


def reading_order(ids: Sequence[int], special: SpecialTokens) -> list[int]:
    """The columns of a laid out piece in the order of the text; none for what is no layout of an objective."""
    end = ids.index(special.fim_pad) if special.fim_pad in ids else len(ids)
    sentinels = range(special.sentinel(0), special.sentinel(0) + SENTINELS)
    if end and ids[0] == special.fim_prefix and special.fim_middle in ids and special.fim_suffix in ids:
        at_suffix, at_middle = ids.index(special.fim_suffix), ids.index(special.fim_middle)
        # Suffix first, the prefix stands right before the middle.
        return [*range(1, at_suffix), *range(at_middle + 1, end), *range(at_suffix + 1, at_middle)]
    if end and ids[0] in sentinels:
        return _spans_put_back([column for column in range(1, end) if ids[column] in sentinels], end)
    return []


def _spans_put_back(sentinels: Sequence[int], end: int) -> list[int]:
    """UL2: kept, sentinel, kept, ..., kept, then each sentinel again with the span it stands for."""
    runs = [range(start + 1, stop) for start, stop in pairwise([0, *sentinels, end])]
    spans = len(sentinels) // 2
    order = [column for kept, span in zip(runs, runs[spans + 1 :], strict=False) for column in (*kept, *span)]
    return [*order, *runs[spans]]


def revisions(table: CorpusTable, documents: Sequence[DocumentSpan]) -> Mapping[tuple[str, str, str], str]:
    """(id, repo, path) -> the revision, of the documents whose source has revisions. Reads those columns once."""
    wanted = {(span.id, span.repo, span.path) for span in documents}
    found: dict[tuple[str, str, str], str] = {}
    for key, revision in _keys(table):
        if key in wanted and revision:
            found[key] = revision
    return found


def _keys(table: CorpusTable) -> Iterator[tuple[tuple[str, str, str], str]]:
    for batch in table.batches(["id", "repo", "path", "revision"]):
        columns = [batch.column(name).to_pylist() for name in ("id", "repo", "path", "revision")]
        for identity, repo, path, revision in zip(*columns, strict=True):
            yield (identity, repo, path), revision


def _outside(what: str, value: int, first: int, last: int) -> InputError:
    return InputError(f"There is no {what} {value}.", advice=f"They go from {first} to {last}.")
