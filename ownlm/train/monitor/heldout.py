"""Held-out text, looked at more closely than by one number: bits per byte by language, and filling in the middle.

By language costs nothing: the small held-out measurement has been made, and its tokens' nats were kept. Filling in the
middle is one pass more over the same windows, laid out as the recipe lays it out, every piece of a document cut:

    heldout_fim_loss      nats a token of the middles, both sides seen

Nothing is drawn at random, so the training goes on as if it had not been looked at.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ownlm.tokens.objectives.config import ObjectivesConfig
from ownlm.tokens.shards.batches import Batch
from ownlm.tokens.vocabulary.special import SpecialTokens
from ownlm.train.config import TrainStage
from ownlm.train.heldout import heldout_batches, heldout_data, heldout_reader
from ownlm.train.monitor.losses import Groups, Integers, Sums, measured
from ownlm.train.monitor.ranks import summed
from ownlm.train.observer import Parts

BITS = float(np.log2(np.e))


class HeldOut:
    """Measures this run's held-out windows; every process calls its methods alike.

    Args:
        parts: of the run.
        token_bytes: bytes each token stands for.
    """

    def __init__(self, parts: Parts, token_bytes: Integers) -> None:
        self._parts, self._token_bytes = parts, token_bytes
        config = parts.context.config
        assert isinstance(config, TrainStage)
        self._rows, self._numbers = config.train.batch, np.empty((0, 0), np.int64)
        self._groups: Groups | None = None
        data = heldout_data(parts.context, parts.vocabulary)
        reader = heldout_reader(parts.context)
        if data is not None and reader is not None and parts.heldout:
            batches, count = data
            self._groups = Groups(reader)
            numbers = [batches.document_numbers(step, range(batches.size)) for step in range(count)]
            self._numbers = np.concatenate([self._part(one) for one in numbers])
        self._middles = self._middle_batches(config)

    def by_language(self, kept: Sequence[Tensor]) -> dict[str, float]:
        """Bits per byte by language of the measurement that was made last.

        Args:
            kept: what `token_nats` keeps, that measurement's at the end.
        """
        if self._groups is None:
            return {}
        labels_BL = np.concatenate([batch.labels_BL for batch in self._parts.heldout])
        groups = [self._groups.of(self._numbers)[1]]
        size = len(self._groups.names)
        found = measured(self._parts.layout, kept, groups, labels_BL, self._token_bytes, size)
        sums = Sums.of_vector(summed(self._parts.layout, found.vector()))
        return {
            f"heldout_by_language/{name}": float(sums.nats[number] * BITS / sums.bytes[number])
            for number, name in enumerate(self._groups.names)
            if self._groups.kinds[number] == "language" and sums.bytes[number] > 0
        }

    def middle(self, kept: list[Tensor]) -> dict[str, float]:
        """The loss of filling in the middle; nothing when the recipe does not train it."""
        if not self._middles:
            return {}
        kept.clear()
        device, layout = self._parts.execution.device, self._parts.layout
        for batch in self._middles:
            tokens_BL, labels_BL = torch.from_numpy(batch.tokens_BL), torch.from_numpy(batch.labels_BL)
            segments_BL = torch.from_numpy(batch.segments_BL)
            self._parts.computation.measure((tokens_BL.to(device), labels_BL.to(device), segments_BL.to(device)))
        labels = np.concatenate([batch.labels_BL for batch in self._middles])
        groups = np.concatenate([middles(batch, self._parts.vocabulary.special) for batch in self._middles])
        found = measured(layout, kept, [groups.astype(np.int64)], labels, self._token_bytes, 2)
        sums = Sums.of_vector(summed(layout, found.vector()))
        return {"heldout_fim_loss": float(sums.nats[1] / sums.labels[1])} if sums.labels[1] else {}

    def _middle_batches(self, config: TrainStage) -> list[Batch]:
        settings = config.objectives.fill_in_the_middle
        if settings is None or config.objectives.fill_in_the_middle_rate == 0 or not self._parts.heldout:
            return []
        always = ObjectivesConfig(fill_in_the_middle=settings.model_copy(update={"rate": 1.0, "sources": {}}))
        made = heldout_batches(self._parts.context, self._parts.vocabulary, always)
        return [self._parts.layout.part(batch, self._rows) for batch in made]

    def _part(self, numbers_BL: Integers) -> Integers:
        """This process's rows, as its held-out batches have them."""
        nothing = np.zeros(numbers_BL.shape, np.int64)
        return self._parts.layout.part(Batch(numbers_BL, nothing, nothing.astype(np.int32)), self._rows).tokens_BL


def middles(batch: Batch, special: SpecialTokens) -> npt.NDArray[np.bool_]:
    """Which labels are of a middle: from the marker that asks for it to the next special token, [B, L]."""
    tokens_BL = batch.tokens_BL
    places = np.arange(tokens_BL.shape[1])[None]
    newest = np.maximum.accumulate(np.where(tokens_BL < special.count, places, -1), axis=1)
    marker = np.take_along_axis(tokens_BL, np.maximum(newest, 0), axis=1)
    found: npt.NDArray[np.bool_] = (newest >= 0) & (marker == special.fim_middle)
    return found
