"""`Stage`: a decoder, or a pipeline's part of one, with its loss: the module whose forward pass is distributed.

tokens_BL (or, behind the first stage, x_BLD) ─► its layers ─► x_BLD, or from the last stage: summed nats [1]
"""

from __future__ import annotations

import copy
from typing import Any

from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from ownlm.model.decoder import Decoder
from ownlm.train.parallel.vocabulary import divided_loss_sum


class Elsewhere(nn.Module):
    """A part of the model that another stage has: hands on what it is given."""

    def forward(self, x: Tensor, *others: Any, **named: Any) -> Tensor:
        """`x` as it is."""
        return x


class Stage(nn.Module):
    """The layers of one stage.

    Args:
        decoder: all of it, or from `cut` one part.
        is_last: it has the head, and gives the loss.
    """

    def __init__(self, decoder: Decoder, is_last: bool = True) -> None:
        super().__init__()
        self.decoder, self.is_last = decoder, is_last

    def forward(self, x: Tensor, labels_BL: Tensor, segments_BL: Tensor) -> Tensor:
        """Hand on, or measure.

        Args:
            x: tokens_BL in the first stage, else x_BLD of the stage before.
            labels_BL: tokens to predict; -100: none.
            segments_BL: equal numbers see each other.

        Returns:
            x_BLD; in the last stage the sum of the cross-entropies, [1].
        """
        if not self.is_last:
            return self.decoder.hidden(x, segments_BL)
        head = self.decoder.head_weight
        if isinstance(head, DTensor):
            return divided_loss_sum(self.decoder.hidden(x, segments_BL), head, labels_BL)[None].clone()
        return self.decoder.loss_sum(x, labels_BL, segments_BL)[None].clone()


def cut(decoder: Decoder, stages: int) -> list[Decoder]:
    """Divide a decoder into consecutive stages; the parts share its weights.

    Stages get equally many layers; where that is not possible the first ones have one more, and not the last, which
    computes the head.
    """
    count = len(decoder.layers)
    bounds = [-(-count * stage // stages) for stage in range(stages + 1)]
    return [_part(decoder, range(*bounds[index : index + 2]), index, stages) for index in range(stages)]


def _part(decoder: Decoder, layers: range, stage: int, stages: int) -> Decoder:
    part = copy.copy(decoder)
    part._modules = dict(decoder._modules)
    part.layers = nn.ModuleList(block if index in layers else Elsewhere() for index, block in enumerate(decoder.layers))
    if stage > 0:
        part.embed_tokens = Elsewhere()  # type: ignore[assignment]
    if stage < stages - 1:
        part.norm = part.lm_head = Elsewhere()  # type: ignore[assignment]
    return part


def merged(parts: list[Decoder]) -> Decoder:
    """The stages of one process as one decoder, whose weights have the names they have in the whole one."""
    if len(parts) == 1:
        return parts[0]
    whole = copy.copy(parts[0])
    whole._modules = dict(parts[0]._modules)
    whole.layers = nn.ModuleList(
        next((block for block in same if not isinstance(block, Elsewhere)), same[0])
        for same in zip(*(part.layers for part in parts), strict=True)
    )
    for name in ("embed_tokens", "norm", "lm_head"):
        present = [getattr(part, name) for part in parts]
        setattr(whole, name, next((module for module in present if not isinstance(module, Elsewhere)), present[0]))
    return whole
