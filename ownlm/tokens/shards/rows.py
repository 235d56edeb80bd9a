"""Rows: windows of the stream, each piece of a document in them laid out by the objective it draws.

Of repositories, the markers and the path before a file's text are a piece of their own that stays as it is.
What a piece draws is a pure function of (seed, sample, number of the piece), or, where fill-in-the-middle cuts whole
documents, of (seed, epoch, document).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt

from ownlm.tokens.objectives.asked import IGNORED, SHORTEST, Asked
from ownlm.tokens.objectives.config import ObjectivesConfig
from ownlm.tokens.objectives.draws import Draws
from ownlm.tokens.objectives.fill_in_the_middle import Cut, ask, cut, whole_characters
from ownlm.tokens.objectives.ul2 import denoise
from ownlm.tokens.shards.reader import ShardReader
from ownlm.tokens.vocabulary.load import Vocabulary

Objective = Literal["next_token", "fill_in_the_middle", "ul2"]

LONGEST = 8
"""Contexts of the longest document that is cut as a whole: each of its windows encodes all of it again."""


@dataclass(frozen=True)
class Piece:
    """A stretch of one document inside a sample.

    Attributes:
        position: where it begins in the split's token stream.
        start: its first column in the sample's row.
        stop: the column after its last; the stretch is position .. position + stop - start - 1.
        objective: what it is trained with.
        dropped: its tokens that did not fit beside the markers; of a document cut as a whole, all that were dropped
            of it, counted with the piece that opens it.
    """

    position: int
    start: int
    stop: int
    objective: Objective
    dropped: int = 0


@dataclass(frozen=True)
class Sample:
    """One row: `tokens_L`, `labels_L` int64, `segments_L` int32, and the pieces it was made of."""

    index: int
    tokens_L: npt.NDArray[np.int64]
    labels_L: npt.NDArray[np.int64]
    segments_L: npt.NDArray[np.int32]
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class _Unit:
    """What an objective is drawn for: a stretch of the stream, and the random numbers that belong to it."""

    start: int
    stop: int
    draws: Draws


@dataclass
class _Draft:
    """A row under way: laid out for next-token, with the cut pieces that wait for their parts to be encoded."""

    index: int
    epoch: int
    position: int
    tokens_L: npt.NDArray[np.int64]
    labels_L: npt.NDArray[np.int64]
    segments_L: npt.NDArray[np.int32]
    pieces: list[Piece]
    cuts: list[tuple[int, _Unit, Cut]] = field(default_factory=list)


class Rows:
    """Makes the rows of windows.

    Args:
        reader: the split.
        objectives: the mix of objectives.
        vocabulary: the one the shards were made with.
        context: input tokens of a row.
        seed: of the objectives' random numbers.
    """

    def __init__(
        self, reader: ShardReader, objectives: ObjectivesConfig, vocabulary: Vocabulary, context: int, seed: int
    ) -> None:
        self._reader, self._objectives, self._vocabulary = reader, objectives, vocabulary
        self._context, self._seed = context, seed
        middle = objectives.fill_in_the_middle
        self._by_document = middle is not None and middle.level == "document"
        self._rates = [objectives.rates(None)]
        self._sources: npt.NDArray[np.int32] | None = None
        if objectives.named_sources:
            names, self._sources = reader.sources()
            self._rates = [objectives.rates(name) for name in names]

    def make(self, windows: Sequence[tuple[int, int, int]]) -> list[Sample]:
        """The rows of windows (sample, epoch, position in the stream); all their cut parts are encoded at once."""
        drafts = [self._draft(*window) for window in windows]
        cuts = [piece_cut for draft in drafts for _, _, piece_cut in draft.cuts]
        texts = [text for piece_cut in cuts for text in (piece_cut.prefix, piece_cut.middle, piece_cut.suffix)]
        encoded = iter(self._vocabulary.encode_batch(texts) if texts else [])
        for draft in drafts:
            for number, unit, piece_cut in draft.cuts:
                prefix, middle, suffix = next(encoded), next(encoded), next(encoded)
                asked = ask(
                    prefix,
                    middle,
                    suffix,
                    suffix_first=piece_cut.suffix_first,
                    room=unit.stop - unit.start,
                    special=self._vocabulary.special,
                )
                if asked is not None:
                    piece = draft.pieces[number]
                    offset = piece.position - unit.start
                    part = asked.part(offset, offset + piece.stop - piece.start)
                    self._place(draft, number, part, "fill_in_the_middle")
        return [
            Sample(draft.index, draft.tokens_L, draft.labels_L, draft.segments_L, tuple(draft.pieces))
            for draft in drafts
        ]

    def _draft(self, index: int, epoch: int, position: int) -> _Draft:
        """A window as next-token rows, cut into pieces; segments of stretches are even, of padding odd."""
        stream = self._reader.tokens[position : position + self._context + 1].astype(np.int64)
        cuts, stretches = self._reader.cuts(position, position + self._context)
        bounds = [0, *(cuts - position).tolist(), self._context]
        segments = np.zeros(self._context, dtype=np.int32)
        segments[stretches - position] = 2
        pieces = [Piece(position + start, start, stop, "next_token") for start, stop in pairwise(bounds)]
        segments_L = np.cumsum(segments, dtype=np.int32)
        draft = _Draft(index, epoch, position, stream[:-1].copy(), stream[1:].copy(), segments_L, pieces)
        for number, document in self._documents(position, pieces):
            self._choose(draft, number, document)
        return draft

    def _documents(self, position: int, pieces: Sequence[Piece]) -> Iterable[tuple[int, int]]:
        """(Number of the piece, its document) of all but headers; 0 for the document where no objective asks for it."""
        if self._reader.pack == "repositories":
            return self._reader.texts_at([piece.position for piece in pieces])
        asked = self._sources is not None or self._by_document
        first = self._reader.document_number(position) if asked else 0
        return enumerate(range(first, first + len(pieces)))

    def _choose(self, draft: _Draft, number: int, document: int) -> None:
        """Draw the piece's objective, and note its cut or lay it out if the piece is long enough for it."""
        middle_rate, ul2_rate = self._rates[0 if self._sources is None else self._sources[document]]
        if middle_rate + ul2_rate == 0.0:
            return
        unit = self._unit(draft, number, document)
        if unit is None:
            return
        drawn = unit.draws.uniform()
        if drawn < middle_rate:
            self._cut(draft, number, unit)
        elif drawn < middle_rate + ul2_rate:
            self._denoise(draft, number, unit)

    def _unit(self, draft: _Draft, number: int, document: int) -> _Unit | None:
        """The piece, or its whole document where that is cut and not too long; None for what is too short."""
        piece = draft.pieces[number]
        start, stop = piece.position, piece.position + piece.stop - piece.start
        if self._by_document:
            whole = self._reader.text_bounds(document)
            if whole[1] - whole[0] <= LONGEST * self._context:
                # A fourth key: never the numbers of a piece.
                draws = Draws(self._seed, draft.epoch, document, LONGEST)
                return _Unit(*whole, draws) if whole[1] - whole[0] >= SHORTEST else None
        return _Unit(start, stop, Draws(self._seed, draft.index, number)) if stop - start >= SHORTEST else None

    def _cut(self, draft: _Draft, number: int, unit: _Unit) -> None:
        settings = self._objectives.fill_in_the_middle
        assert settings is not None
        table, opening = self._vocabulary.token_bytes, self._vocabulary.special.end_of_text
        ids = self._reader.tokens[unit.start : unit.stop].tolist()
        text = whole_characters(b"".join([table[token] for token in ids if token != opening]))
        piece_cut = None if text is None else cut(text, settings, unit.draws)
        if piece_cut is not None:
            draft.cuts.append((number, unit, piece_cut))

    def _denoise(self, draft: _Draft, number: int, unit: _Unit) -> None:
        """Lay out UL2, always piece by piece; a document's piece then has random numbers of its own."""
        settings, piece, special = self._objectives.ul2, draft.pieces[number], self._vocabulary.special
        assert settings is not None
        room = piece.stop - piece.start
        if room < SHORTEST:
            return
        draws = Draws(self._seed, draft.index, number, 0) if self._by_document else unit.draws
        ids = draft.tokens_L[piece.start : piece.stop].tolist()
        opening = 1 if ids[0] == special.end_of_text else 0
        asked = denoise(ids[opening:], settings, draws, room=room, special=special)
        if asked is not None:
            self._place(draft, number, asked, "ul2")

    def _place(self, draft: _Draft, number: int, asked: Asked, objective: Objective) -> None:
        """Write a laid out piece over its stretch of the row; what is left of it becomes padding."""
        piece = draft.pieces[number]
        end = piece.start + len(asked.tokens)
        draft.tokens_L[piece.start : end] = asked.tokens
        draft.labels_L[piece.start : end] = asked.labels
        draft.tokens_L[end : piece.stop] = self._vocabulary.special.fim_pad
        draft.labels_L[end : piece.stop] = IGNORED
        following = draft.segments_L[piece.stop :]
        if end < piece.stop and following.size and following[0] == draft.segments_L[piece.start]:
            following += 2  # the same stretch: attention by runs of a segment must not differ from attention by a mask
        draft.segments_L[end : piece.stop] += 1
        draft.pieces[number] = Piece(piece.position, piece.start, piece.stop, objective, asked.dropped)
