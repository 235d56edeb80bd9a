"""The decoder as serving computes it: new tokens of many texts in one flat row, in few and large operations.

    T tokens of all texts ─► embedding ─► layers * [ norm ─► q, k, v in one product ─► rotary positions
        ─► keys and values into each text's own room ─► attention, text by text ─► o
        ─► norm ─► gate and up in one product, or experts ─► down ] ─► norm ─► head, where logits are wanted

The same function as `Decoder`, which the tests hold it against. What depends on the other texts is the number of rows T
of the products, and with it, in floating point, the last bits of a sum; `ownlm.serve.engines.torch.engine` says what
follows from that.

Shapes: T tokens, D d_model, K key/value heads, H head width, R rotated numbers of a head, S positions of a text,
V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ownlm.errors import ServerError
from ownlm.model.architecture import Architecture
from ownlm.model.block import Block
from ownlm.model.decoder import Decoder
from ownlm.model.mup import output_scale
from ownlm.model.rope import angles
from ownlm.serve.engines.torch.attention import Attention, Part
from ownlm.serve.engines.torch.int8 import Int8Projection
from ownlm.serve.engines.torch.layer import Layer, Projection, Turns

Precision = Literal["float64", "float32", "bfloat16", "int8"]

_TYPES = {"float64": torch.float64, "float32": torch.float32, "bfloat16": torch.bfloat16, "int8": torch.float32}


class Network:
    """A decoder's weights, laid out for serving.

    Args:
        decoder: left as it is; weights are copied.
        precision: what products are computed in. int8: weights and inputs of products in 8 bits (`int8`), all else in
            float32; experts stay in float32.
        device: where to compute; int8 is for CPUs.

    Attributes:
        architecture: of the decoder.
        dtype: of keys and values.

    Raises:
        ServerError: for a model with state spaces, or int8 elsewhere than on a CPU.
    """

    def __init__(self, decoder: Decoder, precision: Precision = "float32", device: str = "cpu") -> None:
        self.architecture: Architecture = decoder.architecture
        self.dtype, self.device = _TYPES[precision], torch.device(device)
        if self.architecture.state_space is not None:
            raise ServerError(
                "the torch engine keeps keys and values of texts, and this model has state-space layers, too",
                advice="serve a model of another family; `ownlm evaluate` and transformers compute this one",
            )
        if precision == "int8" and self.device.type != "cpu":
            raise ServerError("the torch engine computes int8 on CPUs only", advice="set serve.compute_type=bfloat16")
        self._precision = precision
        self._embedding_VD = self.moved(decoder.embed_tokens.weight)
        self._layers = [Layer(block, self) for block in decoder.layers if isinstance(block, Block)]
        self._norm_D = self.moved(decoder.norm.weight)
        self._head = self.projection(decoder.lm_head.weight)
        self._output_scale = output_scale(self.architecture)

    def projection(self, *weights: Tensor) -> Projection:
        """One product for all of some weights, [F, D] each, whose outputs lie side by side."""
        weight_FD = weights[0] if len(weights) == 1 else torch.cat(weights)
        if self._precision == "int8":
            return Int8Projection(weight_FD.detach())
        weight_FD = self.moved(weight_FD)
        return lambda x_TD: F.linear(x_TD, weight_FD)

    def room(self, positions: int) -> Tensor:
        """Uninitialized room for keys and values of a text."""
        shape = (len(self._layers), 2, positions, self.architecture.kv_heads, self.architecture.head_width)
        return torch.empty(shape, dtype=self.dtype, device=self.device)

    @torch.inference_mode()
    def forward(self, parts: Sequence[Part]) -> Tensor:
        """Compute new tokens of texts; their keys and values are put into the rooms.

        Returns:
            Logits of the positions wanted, text after text, [positions, V]; float64 with float64, else float32.
        """
        tokens_T = torch.tensor([token for part in parts for token in part.tokens], device=self.device)
        places = [place for part in parts for place in range(part.start, part.start + len(part.tokens))]
        turns = self._turns(torch.tensor(places, device=self.device))
        attention = Attention(parts, self.architecture)
        x_TD = self._embedding_VD[tokens_T]
        for number, layer in enumerate(self._layers):
            x_TD = layer(x_TD, number, turns, attention)
        x_TD = F.rms_norm(x_TD[_wanted(parts, self.device)], (x_TD.shape[1],), self._norm_D, self.architecture.norm_eps)
        if self._output_scale != 1.0:
            x_TD = x_TD * self._output_scale
        logits = self._head(x_TD)
        return logits if logits.dtype == torch.float64 else logits.float()

    def _turns(self, positions_T: Tensor) -> Turns:
        """Cosines and sines of positions, [T, 1, R] each; the sines of a head's first half are negative."""
        shape = self.architecture
        cos, sin = angles(positions_T[None], shape.rotary_width, shape.rope_theta, shape.rope_scaling)
        sin[..., : shape.rotary_width // 2].neg_()
        return cos[0, 0][:, None].to(self.dtype), sin[0, 0][:, None].to(self.dtype)

    def moved(self, weight: Tensor) -> Tensor:
        """A weight on the device, in the type of what is not int8."""
        return weight.detach().to(self.device, self.dtype).contiguous()


def _wanted(parts: Sequence[Part], device: torch.device) -> Tensor:
    """Rows whose logits are wanted."""
    rows: list[int] = []
    end = 0
    for part in parts:
        end += len(part.tokens)
        rows += range(end - part.wanted, end)
    return torch.tensor(rows, dtype=torch.int64, device=device)
