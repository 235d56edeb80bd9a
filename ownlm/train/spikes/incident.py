"""An incident: all there is to know of one step, in one JSON file and one page.

    report/incidents/step-00001234/incident.json  index.html

Documents are ranked by `ownlm.train.spikes.documents`; the first of them also have their own gradient and their text,
token by token with its loss. Text is what the tokens of the shards stand for: secrets were taken out when the corpus
was cleaned. Nothing depends on the clock: a run that is killed and continued writes the same bytes again.
"""

from __future__ import annotations

import codecs
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import JsonValue

from ownlm.errors import StorageError
from ownlm.model.decoder import IGNORED
from ownlm.tokens.shards.batches import Batch
from ownlm.tokens.shards.provenance import Stretch
from ownlm.tokens.vocabulary.load import Vocabulary
from ownlm.train.observer import Parts
from ownlm.train.schedule import learning_rate
from ownlm.train.spikes.config import SpikesConfig
from ownlm.train.spikes.detector import Seen, Verdict
from ownlm.train.spikes.documents import Suspect, documents_in, mask_of, ranked, reference, usual_losses
from ownlm.train.spikes.measure import Pull, aside, current, layer_norms, pulls, token_losses
from ownlm.train.spikes.records import Record

FILE = "incident.json"


@dataclass(frozen=True)
class Text:
    """A part of a document's text: what one or a few tokens stand for, and what they cost.

    Attributes:
        text: decoded.
        nats: the cross-entropy of predicting it; None where it was given, not asked.
    """

    text: str
    nats: float | None


@dataclass(frozen=True)
class Blamed:
    """A suspect with what was looked into.

    Attributes:
        suspect: the document, its loss, what is usual.
        pull: its own gradient; None where it was not computed.
        texts: what each of its stretches says, the first bytes of them; empty where it was not looked up.
    """

    suspect: Suspect
    pull: Pull | None = None
    texts: tuple[tuple[Text, ...], ...] = ()


@dataclass(frozen=True)
class Incident:
    """One step, taken apart.

    Attributes:
        record: its losses.
        verdict: how far outside it stands; None: nobody asked.
        action: what was done about it, in words.
        lr: its learning rate.
        layers: the gradient's length in each layer, before clipping.
        history: losses and gradients of the steps before, oldest first.
        usual: the losses of the steps before, by language.
        blamed: its documents, ranked.
    """

    record: Record
    verdict: Verdict | None
    action: str
    lr: float
    layers: Mapping[str, float]
    history: Sequence[Seen]
    usual: Mapping[str, Any]
    blamed: Sequence[Blamed] = field(default_factory=tuple)

    @property
    def excess(self) -> float:
        """Of all documents that raise the loss: nats above usual."""
        return math.fsum(max(0.0, one.suspect.excess) for one in self.blamed if math.isfinite(one.suspect.excess))

    def to_json(self) -> dict[str, JsonValue]:
        """Plain values; what is not finite is its name."""
        first = self.record.step - len(self.history)
        values: dict[str, Any] = {
            "format": 1,
            "step": self.record.step,
            "data_step": self.record.data_step,
            "action": self.action,
            "loss": _plain(self.record.loss),
            "labels": self.record.labels,
            "grad_norm": _plain(self.record.grad_norm),
            "lr": self.lr,
            "layers": {name: _plain(length) for name, length in self.layers.items()},
            "usual": {name or "all": vars(one) for name, one in self.usual.items()},
            "documents": [self._document(place, one) for place, one in enumerate(self.blamed, start=1)],
            "history": [[first + n, _plain(loss), _plain(norm)] for n, (loss, norm) in enumerate(self.history)],
        }
        if self.verdict is not None:
            values["verdict"] = {name: _plain(value) for name, value in vars(self.verdict).items()}
        return values

    def _document(self, place: int, one: Blamed) -> dict[str, JsonValue]:
        suspect, span = one.suspect, one.suspect.document.span
        values: dict[str, Any] = {
            "rank": place,
            "id": span.id,
            "source": span.source,
            "repo": span.repo,
            "path": span.path,
            "language": span.language,
            "labels": suspect.document.labels,
            "loss": _plain(suspect.document.loss),
            "usual": suspect.usual.loss,
            "z_score": _plain(suspect.z_score),
            "excess": _plain(suspect.excess),
            "share": _plain(share(suspect.excess, self.excess)),
            "stretches": [_stretch(stretch) for stretch in suspect.document.stretches],
        }
        if one.pull is not None:
            values |= {"grad_norm": _plain(one.pull.norm), "grad_share": _plain(one.pull.share)}
        if one.texts:
            values["text"] = ["".join(part.text for part in parts) for parts in one.texts]
        return values

    def write(self, folder: Path) -> None:
        """Write the JSON file and the page.

        Raises:
            StorageError: the disk is full or the folder cannot be written.
        """
        from ownlm.train.spikes.page import incident_page

        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / FILE).write_text(json.dumps(self.to_json(), indent=1, allow_nan=False) + "\n", encoding="utf-8")
        except OSError as error:
            raise StorageError(
                f"An incident cannot be written: {error.strerror}.",
                where=folder,
                advice="Free disk space, then run the same command again.",
            ) from error
        incident_page(self).write(folder / "index.html")


def take_apart(
    parts: Parts, record: Record, verdict: Verdict | None, action: str, history: Sequence[Seen], config: SpikesConfig
) -> Incident:
    """Look into a step whose gradient, clipped, stands in `weight.grad`. Every process of a layout calls it.

    It costs a step's time for the step, one for each step of the reference, and one (less in a single process) for each
    document whose gradient is computed.
    """
    gradient = current(parts)
    scale = min(1.0, parts.settings.clip / (record.grad_norm + 1e-6)) if math.isfinite(record.grad_norm) else 1.0
    layers = layer_norms(parts, gradient, scale)
    with aside(parts):
        nats_RL = token_losses(parts, record.data_step)
        usual = usual_losses(reference(parts, record.data_step, config.reference))
    suspects = ranked(documents_in(parts, record.data_step, nats_RL), usual)
    first, batch = suspects[: config.documents], parts.batches.batch(record.data_step)
    masks = [mask_of(one.document, batch.labels_BL) for one in first]
    found = pulls(parts, record.data_step, masks, record.labels, gradient, scale)
    blamed = []
    for suspect, pull in zip(first, found, strict=True):
        texts = [
            quoted(parts.vocabulary, batch, nats_RL, stretch, config.text_bytes)
            for stretch in suspect.document.stretches
        ]
        blamed.append(Blamed(suspect, pull, tuple(texts)))
    blamed += [Blamed(suspect) for suspect in suspects[len(first) :]]
    steps = parts.settings.steps
    lr = parts.optimizer.peak * learning_rate(parts.settings.schedule, record.step - 1, steps)
    return Incident(record, verdict, action, lr, layers, tuple(history), dict(usual), blamed)


def quoted(
    vocabulary: Vocabulary, batch: Batch, nats_RL: npt.NDArray[np.float32], stretch: Stretch, most: int
) -> tuple[Text, ...]:
    """A stretch as the model reads it, in the objective's order, with the loss of every token.

    Args:
        vocabulary: of the tokens.
        batch: the whole step.
        nats_RL: of its tokens.
        stretch: which.
        most: bytes, about.
    """
    special, table = vocabulary.special, vocabulary.token_bytes
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    start, stop = stretch.columns
    found: list[Text] = []
    waiting: float | None = None
    size = 0
    for column in range(start, stop):
        token = int(batch.tokens_BL[stretch.row, column])
        asked = column > start and batch.labels_BL[stretch.row, column - 1] != IGNORED
        nats = float(nats_RL[stretch.row, column - 1]) if asked else None
        raw = special.names[token].encode() if token < special.count else table[token]
        text, size = decoder.decode(raw), size + len(raw)
        if nats is not None:
            waiting = nats if waiting is None else waiting + nats
        if text:
            found.append(Text(text, waiting))
            waiting = None
        if size >= most:
            break
    return tuple(found)


def share(excess: float, total: float) -> float:
    """A document's part of what lifts the loss."""
    return max(0.0, excess) / total if total > 0 else 0.0


def _stretch(stretch: Stretch) -> dict[str, JsonValue]:
    return {
        "row": stretch.row,
        "columns": list(stretch.columns),
        "objective": stretch.objective,
        "tokens": list(stretch.tokens),
        "bytes": None if stretch.bytes is None else list(stretch.bytes),
    }


def _plain(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
