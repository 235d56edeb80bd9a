"""What a block must know of the positions it mixes: made once a forward pass, read by all blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from ownlm.model.cache import DecodingCache


class Attend(Protocol):
    """Softmax attention with its mask built in.

    Heads of keys and values are shared by equal runs of query heads (GQA); scores are scaled by H ** -0.5.
    """

    def __call__(self, q_BNLH: Tensor, k_BKSH: Tensor, v_BKSH: Tensor) -> Tensor:
        """Mix values: [B, N, L, H]."""
        ...


@dataclass(frozen=True)
class View:
    """How positions see each other.

    Attributes:
        turns: cosines and sines of the positions (`ownlm.model.rope.angles`).
        attend: the attention of this pass.
        runs_BL: for state spaces: the document of each position, counted up from that of the positions before, 0.
        cache: of earlier positions, while generating.
    """

    turns: tuple[Tensor, Tensor]
    attend: Attend
    runs_BL: Tensor | None = None
    cache: DecodingCache | None = None
