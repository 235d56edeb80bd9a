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


class Relay(Protocol):
    """What state spaces hand on where a row's positions are in several places (`ownlm.train.parallel.relay`).

    A place has stretches of each row; here each of them is a row of its own.
    """

    def runs(self) -> Tensor:
        """The document of each position, [B, L], counted up from that of the position before the stretch, 0."""
        ...

    def inputs_before(self, last_BKC: Tensor) -> Tensor:
        """The K inputs before each stretch, 0 where they are another document's than the last of them.

        Args:
            last_BKC: the last K inputs of each stretch.
        """
        ...

    def state_before(self, made_BEPN: Tensor, decay_BE: Tensor) -> Tensor:
        """The state before each stretch.

        Args:
            made_BEPN: the state at each stretch's end, had there been none before it.
            decay_BE: logarithm of what a whole stretch leaves of a state.
        """
        ...


@dataclass(frozen=True)
class View:
    """How positions see each other.

    Attributes:
        turns: cosines and sines of the positions (`ownlm.model.rope.angles`).
        attend: the attention of this pass.
        runs_BL: for state spaces: the document of each position, counted up from that of the positions before, 0.
        cache: of earlier positions, while generating.
        relay: where positions of a row are in several places.
    """

    turns: tuple[Tensor, Tensor]
    attend: Attend
    runs_BL: Tensor | None = None
    cache: DecodingCache | None = None
    relay: Relay | None = None
