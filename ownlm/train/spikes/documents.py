"""The documents of a step, ranked by how much each of them raises its loss above what is usual in its language.

    excess of a document = its nats - its labels * usual loss of a label in its language

"Usual" is measured with the very same weights, on the documents of a few steps before. Excesses add up: together they
are what lifts the step's loss above the usual one, and a document's share of them is its share of the spike.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ownlm.model.decoder import IGNORED
from ownlm.tokens.shards.provenance import StepOrigins, Stretch
from ownlm.tokens.shards.reader import DocumentSpan
from ownlm.train.config import TrainStage
from ownlm.train.observer import Parts
from ownlm.train.spikes.measure import token_losses

FEWEST_LABELS = 8
"""Labels a document must have to say something of what is usual."""

FEWEST_DOCUMENTS = 4
"""Documents of a language, with fewer the usual loss is that of all languages."""


@dataclass(frozen=True)
class InStep:
    """One document in a step.

    Attributes:
        span: which.
        stretches: what the step's rows hold of it.
        nats: sum of its labels' cross-entropies.
        labels: how many.
    """

    span: DocumentSpan
    stretches: tuple[Stretch, ...]
    nats: float
    labels: int

    @property
    def loss(self) -> float:
        """Nats per label."""
        return self.nats / max(1, self.labels)


@dataclass(frozen=True)
class Usual:
    """The losses of a language's documents.

    Attributes:
        loss: nats per label, over all labels.
        deviation: between documents.
        documents: how many were looked at.
    """

    loss: float
    deviation: float
    documents: int


@dataclass(frozen=True)
class Suspect:
    """A document of a step beside what is usual.

    Attributes:
        document: the document.
        usual: of its language; `ALL` of all, where it has too few documents.
        excess: its nats above usual; not a number where its own are none.
    """

    document: InStep
    usual: Usual
    excess: float

    @property
    def z_score(self) -> float:
        """Its loss, in deviations above usual."""
        return (self.document.loss - self.usual.loss) / self.usual.deviation


ALL = ""


def documents_in(parts: Parts, data_step: int, nats_RL: npt.NDArray[np.float32]) -> list[InStep]:
    """Each labelled document of a step, in the order of its rows.

    Args:
        parts: of the run.
        data_step: which data, from 0.
        nats_RL: of the step's tokens.
    """
    stage = parts.context.config
    assert isinstance(stage, TrainStage)
    origins = StepOrigins(parts.reader, parts.batches, parts.vocabulary, stage.objectives, data_step + 1)
    labelled_RL = parts.batches.batch(data_step).labels_BL != IGNORED
    by_document: dict[int, list[Stretch]] = defaultdict(list)
    for stretch in origins.stretches(data_step + 1):
        by_document[stretch.document.index].append(stretch)
    found = []
    for stretches in by_document.values():
        places = [(stretch.row, slice(*stretch.columns)) for stretch in stretches]
        labels = sum(int(labelled_RL[place].sum()) for place in places)
        if labels:
            nats = math.fsum(float(nats_RL[place].sum(dtype=np.float64)) for place in places)
            found.append(InStep(stretches[0].document, tuple(stretches), nats, labels))
    return found


def mask_of(document: InStep, labels_RL: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """A document's labels among the step's, [R, L]."""
    mask_RL = np.zeros(labels_RL.shape, dtype=np.bool_)
    for stretch in document.stretches:
        mask_RL[stretch.row, slice(*stretch.columns)] = True
    mask_RL &= labels_RL != IGNORED
    return mask_RL


def reference(parts: Parts, data_step: int, steps: int) -> list[InStep]:
    """The documents of the data steps before one, measured with the weights as they are now."""
    before = range(max(0, data_step - steps), data_step)
    return [one for earlier in before for one in documents_in(parts, earlier, token_losses(parts, earlier))]


def usual_losses(documents: Sequence[InStep]) -> dict[str, Usual]:
    """By language, and under `ALL` of all together. Documents that are not finite are passed over."""
    groups: dict[str, list[InStep]] = defaultdict(list)
    for one in documents:
        if one.labels >= FEWEST_LABELS and math.isfinite(one.nats):
            groups[one.span.language].append(one)
            groups[ALL].append(one)
    return {name: _usual(group) for name, group in groups.items() if name == ALL or len(group) >= FEWEST_DOCUMENTS}


def _usual(group: Sequence[InStep]) -> Usual:
    loss = math.fsum(one.nats for one in group) / sum(one.labels for one in group)
    deviation = math.sqrt(math.fsum((one.loss - loss) ** 2 for one in group) / len(group))
    return Usual(loss, max(deviation, 1e-3 * loss, 1e-9), len(group))


def ranked(documents: Sequence[InStep], usual: Mapping[str, Usual]) -> list[Suspect]:
    """The documents, those first that raise the loss most; before them those whose loss is not a number.

    Args:
        documents: of the step.
        usual: of a reference; empty: the middle of the documents' own losses is called usual.
    """
    if ALL not in usual:
        usual = {ALL: _middle(documents)}
    suspects = []
    for one in documents:
        here = usual.get(one.span.language, usual[ALL])
        suspects.append(Suspect(one, here, one.nats - one.labels * here.loss))
    return sorted(suspects, key=lambda it: (math.isfinite(it.excess), -it.excess if math.isfinite(it.excess) else 0.0))


def _middle(documents: Sequence[InStep]) -> Usual:
    losses = np.array([one.loss for one in documents if math.isfinite(one.nats)] or [0.0])
    middle = float(np.median(losses))
    spread = 1.4826 * float(np.median(np.abs(losses - middle)))
    return Usual(middle, max(spread, 1e-3 * middle, 1e-9), len(losses))
