"""Sums of losses by source and by language: exact, over every labelled token of every step.

The loss gives each token's nats anyway (`ownlm.train.loss.token_nats`); here they are added up by the document the
token stands in. The token that closes a document counts with that document.

Shapes: B rows of this process, L positions of a row, N = B x L.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from ownlm.model.decoder import IGNORED
from ownlm.tokens.shards.reader import ShardReader
from ownlm.train.monitor.ranks import Floats, counts
from ownlm.train.parallel.layout import Layout, MeshLayout

Integers = npt.NDArray[np.int64]
KINDS = ("source", "language")


class Groups:
    """The sources and languages of a split.

    Args:
        reader: the split.

    Attributes:
        names: of every group: first the sources, then the languages.
        kinds: each group's kind, of `KINDS`.
    """

    def __init__(self, reader: ShardReader) -> None:
        sources, self._source = reader.sources()
        languages, self._language = reader.languages()
        self._sources = len(sources)
        self.names = [*sources, *languages]
        self.kinds = [KINDS[0]] * len(sources) + [KINDS[1]] * len(languages)

    def of(self, documents: Integers) -> tuple[Integers, Integers]:
        """The groups each document is in."""
        return self._source[documents].astype(np.int64), self._language[documents].astype(np.int64) + self._sources


@dataclass
class Sums:
    """Nats, labels and bytes by group; a plain triple of arrays that can be added and reduced."""

    nats: Floats
    labels: Floats
    bytes: Floats

    @classmethod
    def zero(cls, groups: int) -> Sums:
        """Of nothing."""
        return cls(np.zeros(groups), np.zeros(groups), np.zeros(groups))

    def add(self, groups_N: Integers, nats_N: Floats, labels_N: Integers, token_bytes: Integers) -> None:
        """Add tokens, each to its group; those without a label count for nothing."""
        labelled = labels_N != IGNORED
        groups, size = groups_N[labelled], len(self.nats)
        self.nats += np.bincount(groups, nats_N[labelled], size)
        self.labels += np.bincount(groups, minlength=size)
        self.bytes += np.bincount(groups, token_bytes[labels_N[labelled]], size)

    def vector(self) -> Floats:
        """All in one array, for a sum over processes."""
        return np.concatenate([self.nats, self.labels, self.bytes])

    @classmethod
    def of_vector(cls, values: Floats) -> Sums:
        """The inverse of `vector`."""
        return cls(*np.split(values.astype(np.float64), 3))


def last_rows(kept: Sequence[Tensor], count: int) -> Floats | None:
    """The nats of the last `count` tokens that were measured; None when this process measured none of them.

    Raises:
        ValueError: when passes do not end where the rows do.
    """
    if not kept:
        return None
    found, missing = [], count
    for nats_N in reversed(kept):
        if missing <= 0:
            break
        found.append(nats_N)
        missing -= nats_N.numel()
    if missing != 0:
        raise ValueError(f"{count} tokens were asked for; the last passes have {count - missing}")
    return np.concatenate([nats_N.double().cpu().numpy() for nats_N in reversed(found)])


def own_columns(layout: Layout, length: int) -> npt.NDArray[np.int64] | slice:
    """The columns of whole rows this process computes, in its order: all, unless positions are divided."""
    if not isinstance(layout, MeshLayout) or layout.config.context == 1:
        return slice(None)
    from ownlm.train.parallel.context import stretches

    return stretches(length, layout.config.context)[layout.mesh["context"].get_local_rank()].numpy()


def measured(
    layout: Layout, kept: Sequence[Tensor], groups: Sequence[Integers], labels_BL: Integers, token_bytes: Integers,
    size: int,
) -> Sums:  # fmt: skip
    """This process's part of the sums of the passes that were measured last.

    Args:
        layout: of this process.
        kept: what `token_nats` keeps.
        groups: for each way of grouping, the group of every token, [B, L].
        labels_BL: the labels of the rows.
        token_bytes: bytes each token stands for.
        size: how many groups there are.
    """
    sums, columns = Sums.zero(size), own_columns(layout, labels_BL.shape[1])
    labels_N = labels_BL[:, columns].reshape(-1)
    nats_N = last_rows(kept, labels_N.size)
    if nats_N is not None and counts(layout):
        for groups_BL in groups:
            sums.add(groups_BL[:, columns].reshape(-1), nats_N, labels_N, token_bytes)
    return sums
