"""What is kept of the tokens already seen, so that generating a token costs one position, not all of them.

Attention keeps keys and values of every position; a state-space layer keeps its state and the last few inputs of its
convolution, however long the text.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ownlm.model.architecture import Architecture


class DecodingCache:
    """Room for `capacity` positions of every layer.

    Args:
        architecture: of the decoder that fills it.
        batch: rows.
        capacity: most positions it will hold.
        device: where the decoder is.
        dtype: of the keys and values.
    """

    def __init__(
        self, architecture: Architecture, batch: int, capacity: int, device: torch.device, dtype: torch.dtype
    ) -> None:
        attention = [layer for layer in range(architecture.layers) if architecture.has_attention(layer)]
        shape = (batch, architecture.kv_heads, capacity, architecture.head_width)
        self._keys = {layer: torch.empty(shape, device=device, dtype=dtype) for layer in attention}
        self._values = {layer: torch.empty(shape, device=device, dtype=dtype) for layer in attention}
        self._filled = dict.fromkeys(attention, 0)
        self._segments_BS = torch.empty((batch, capacity), device=device, dtype=torch.int64)
        self._length = 0
        self._states: dict[int, tuple[Tensor, Tensor]] = {}

    @property
    def length(self) -> int:
        """Positions seen so far."""
        return self._length

    def see(self, segments_BL: Tensor) -> Tensor:
        """Note the documents of new positions, before the layers see them; returns those of all so far, [B, S]."""
        start, self._length = self._length, self._length + segments_BL.shape[1]
        self._segments_BS[:, start : self._length] = segments_BL
        return self._segments_BS[:, : self._length]

    def last_segment(self, new: int) -> Tensor | None:
        """The document of the position before the `new` last ones, [B, 1]; None: there is none."""
        before = self._length - new
        return self._segments_BS[:, before - 1 : before] if before > 0 else None

    def extend(self, layer: int, k_BKLH: Tensor, v_BKLH: Tensor) -> tuple[Tensor, Tensor]:
        """Append new positions to a layer; returns all its keys and values so far, [B, K, S, H] each."""
        start = self._filled[layer]
        stop = self._filled[layer] = start + k_BKLH.shape[2]
        self._keys[layer][:, :, start:stop] = k_BKLH
        self._values[layer][:, :, start:stop] = v_BKLH
        return self._keys[layer][:, :, :stop], self._values[layer][:, :, :stop]

    def state(self, layer: int) -> tuple[Tensor, Tensor] | None:
        """A state-space layer's last convolution inputs and state; None before the first position."""
        return self._states.get(layer)

    def keep_state(self, layer: int, conv_BCK: Tensor, state_BEPN: Tensor) -> None:
        """Put a state-space layer's new convolution inputs and state."""
        self._states[layer] = (conv_BCK, state_BEPN)

    def keep_rows(self, rows: Tensor) -> None:
        """Drop every row whose index is not in `rows`: finished sequences cost nothing more."""
        self._keys = {layer: keys[rows] for layer, keys in self._keys.items()}
        self._values = {layer: values[rows] for layer, values in self._values.items()}
        self._segments_BS = self._segments_BS[rows]
        self._states = {layer: (conv[rows], state[rows]) for layer, (conv, state) in self._states.items()}
