"""Batches: a pure function of the settings and the step.

The stream of tokens is cut into windows of `context` inputs. An epoch visits every window once, in an order computed
from (seed, epoch); each epoch moves the cuts by an offset of its own, so that no document is cut at the same place
every time. Sample i is window `order(i mod windows)` of epoch `i div windows`; a step's batch is the next samples, as
many as its size says (`ownlm.tokens.shards.sizes`). Nothing is remembered between calls: resuming is calling with a
later step, and any division of a batch's rows among ranks sees the same batch.

    batches = Batches(ShardReader(path), ObjectivesConfig(), vocabulary, context=256, batch=16, seed=0)
    batches.batch(1000).tokens_BL
    batches.rows(1000, range(4, 8)).tokens_BL    # the same as batch(1000).tokens_BL[4:8], at a quarter of the work

Shapes: B samples of a batch, L = context.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from ownlm.errors import ArtifactError, CorpusError
from ownlm.tokens.objectives.asked import SHORTEST
from ownlm.tokens.objectives.config import ObjectivesConfig
from ownlm.tokens.objectives.draws import Draws
from ownlm.tokens.shards.order import BlockedPermutation, Permutation
from ownlm.tokens.shards.reader import DocumentSpan, ShardReader
from ownlm.tokens.shards.rows import Piece, Rows, Sample
from ownlm.tokens.shards.sizes import BatchSizes
from ownlm.tokens.vocabulary.load import Vocabulary

FEWEST_WINDOWS = 8
_AHEAD = 4096


@dataclass(frozen=True)
class Batch:
    """What a training step reads. See docs/architecture.md.

    Attributes:
        tokens_BL: int64 inputs.
        labels_BL: int64 tokens to predict; -100 where there is no loss.
        segments_BL: int32; equal numbers may attend to each other, causally.
    """

    tokens_BL: npt.NDArray[np.int64]
    labels_BL: npt.NDArray[np.int64]
    segments_BL: npt.NDArray[np.int32]


class Batches:
    """All batches of a training run.

    Args:
        reader: the split to train on.
        objectives: the mix of objectives.
        vocabulary: the one the shards were made with.
        context: input tokens of a sample.
        batch: samples of a step's batch; or how many each step has.
        seed: of order, offsets and objectives.

    Attributes:
        windows: samples of an epoch.
        sizes: samples of each step's batch.
        size: samples of a step's batch; of the largest, where they differ.

    Raises:
        CorpusError: when the split has fewer than FEWEST_WINDOWS windows.
        ArtifactError: when the shards were made with another vocabulary.
    """

    def __init__(
        self,
        reader: ShardReader,
        objectives: ObjectivesConfig,
        vocabulary: Vocabulary,
        context: int,
        batch: int | BatchSizes,
        seed: int,
    ) -> None:
        if reader.vocabulary != vocabulary.content:
            raise ArtifactError(
                "these shards were made with another vocabulary",
                where=reader.where,
                advice="read shards and vocabulary of the same run",
            )
        self.windows = count_windows(reader.total_tokens, context)
        if self.windows < FEWEST_WINDOWS:
            raise too_few_tokens(reader, context)
        self._reader = reader
        self._rows = Rows(reader, objectives, vocabulary, context, seed)
        self._plain = not any(any(objectives.rates(source)) for source in (None, *objectives.named_sources))
        self.sizes = BatchSizes(batch) if isinstance(batch, int) else batch
        self.context, self.size, self._seed = context, self.sizes.largest(), seed
        self._epoch = lru_cache(maxsize=4)(self._make_epoch)
        self._made_of = (reader, objectives, vocabulary, context, self.sizes, seed)

    def __reduce__(self) -> tuple[type[Batches], tuple[object, ...]]:
        """For worker processes: the settings travel, shards are opened again."""
        return Batches, self._made_of

    def batch(self, step: int) -> Batch:
        """The batch of `step`, from 0."""
        return self._stacked(self.samples_of(step))

    def rows(self, step: int, rows: Sequence[int]) -> Batch:
        """Some rows of a step's batch, in the order asked for; the others are not made.

        Raises:
            IndexError: when the step has no such row.
        """
        samples = self.samples_of(step)
        for row in rows:
            if not 0 <= row < len(samples):
                raise IndexError(f"row {row} of step {step}, which has {len(samples)}")
        return self._stacked([samples[row] for row in rows])

    def samples_of(self, step: int) -> range:
        """The numbers of the samples that are the rows of a step's batch, counted from 0 through all epochs."""
        return self.sizes.samples(step)

    def sample(self, index: int) -> Sample:
        """Sample number `index` of the run, counted from 0 through all epochs."""
        return self._samples([index])[0]

    def documents_of(self, step: int) -> list[list[tuple[DocumentSpan, Piece]]]:
        """For each row of a step's batch, the documents in it and which stretch of them."""
        return [self.documents_in(index) for index in self.samples_of(step)]

    def documents_in(self, index: int) -> list[tuple[DocumentSpan, Piece]]:
        """The documents in sample number `index`, and which stretch of them."""
        return [(self._reader.document_at(piece.position), piece) for piece in self.sample(index).pieces]

    def document_numbers(self, step: int, rows: Sequence[int]) -> npt.NDArray[np.int64]:
        """For each input token of some rows of a step's batch the number of its document in the split, [rows, L].

        Objectives move tokens inside their piece of a document only, so this needs none of them.
        """
        samples = self.samples_of(step)
        positions = self._windows([samples[row] for row in rows])[1]
        numbers_BL = np.empty((len(positions), self.context), np.int64)
        for row, position in enumerate(positions):
            numbers_BL[row] = self._reader.document_index(position, position + self.context)
        return numbers_BL

    def fetched_ahead(self, step: int) -> AbstractContextManager[None]:
        """While the block runs, fetch the shards that the batches from `step` on read, in that order."""
        return self._reader.fetched_ahead(self._positions(self.samples_of(step).start))

    def _positions(self, first: int) -> Iterator[npt.NDArray[np.int64]]:
        """Where the windows of an epoch's worth of samples from `first` on begin, some at a time."""
        for sample in range(first, first + self.windows, _AHEAD):
            epoch, place = divmod(sample, self.windows)
            places = np.arange(place, min(place + _AHEAD, self.windows))
            order, offset = Permutation(self.windows, self._seed, epoch), Draws(self._seed, epoch).below(self.context)
            yield order(places) * self.context + offset

    def _make_epoch(self, epoch: int) -> tuple[BlockedPermutation, int]:
        order = BlockedPermutation(Permutation(self.windows, self._seed, epoch))
        return order, Draws(self._seed, epoch).below(self.context)

    def _stacked(self, indices: Sequence[int]) -> Batch:
        shape = (len(indices), self.context)
        made = Batch(np.empty(shape, np.int64), np.empty(shape, np.int64), np.zeros(shape, np.int32))
        if self._plain:
            for row, position in enumerate(self._windows(indices)[1]):
                self._copy(position, made, row)
            return made
        for row, sample in enumerate(self._samples(indices)):
            made.tokens_BL[row], made.labels_BL[row] = sample.tokens_L, sample.labels_L
            made.segments_BL[row] = sample.segments_L
        return made

    def _copy(self, position: int, made: Batch, row: int) -> None:
        """A window as next-token has it, straight into its row: what `Rows` makes of it where no objective is drawn."""
        stop = position + self.context
        stream = self._reader.tokens[position : stop + 1]
        made.tokens_BL[row], made.labels_BL[row] = stream[:-1], stream[1:]
        for start in self._reader.cuts(position, stop)[1].tolist():
            made.segments_BL[row, start - position :] += 2

    def _samples(self, indices: Sequence[int]) -> list[Sample]:
        return self._rows.make(list(zip(indices, *self._windows(indices), strict=True)))

    def _windows(self, indices: Sequence[int]) -> tuple[list[int], list[int]]:
        """Each sample's epoch, and where in the stream its window begins."""
        epochs, places = np.divmod(np.asarray(indices, dtype=np.int64), self.windows)
        positions = np.empty_like(places)
        for epoch in set(epochs.tolist()):
            order, offset = self._epoch(epoch)
            chosen = epochs == epoch
            positions[chosen] = order(places[chosen]) * self.context + offset
        return epochs.tolist(), positions.tolist()


def count_windows(tokens: int, context: int) -> int:
    """Windows of an epoch: as many as fit behind the largest offset, each reading context + 1 tokens."""
    return max(0, (tokens - context) // context)


def too_few_tokens(reader: ShardReader, context: int) -> CorpusError:
    """The error for a split that is too small to be trained on."""
    needed, possible = (FEWEST_WINDOWS + 1) * context, reader.total_tokens // (FEWEST_WINDOWS + 1)
    smaller = f", or set shards.context to {possible} or less" if possible >= SHORTEST else ""
    return CorpusError(
        f"the {reader.documents} training documents have {reader.total_tokens} tokens; "
        f"a context of {context} needs at least {needed}",
        where=reader.where,
        advice=f"add sources, hold out less (split) or filter less (clean){smaller}",
    )
