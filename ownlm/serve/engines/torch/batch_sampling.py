"""Sampling for many rows at once, each with a random stream and settings of its own: `sampling.py`, vectorized.

The same steps in the same order as `sampling.filtered_probabilities` and `SeededSampler`, on float64 tensors; the tests
compare the two token by token. A row's numbers are drawn beforehand, so nothing here depends on what other rows do.

B rows, V vocabulary, T tokens to come.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ownlm.serve.engines.base import GenerationRequest


class BatchSampler:
    """Draws the next token of every row.

    Args:
        requests: one a row. Without a seed and with a temperature, tokens are drawn anew each time.
        device: where the logits are.
    """

    def __init__(self, requests: Sequence[GenerationRequest], device: torch.device) -> None:
        def column(values: Sequence[float], dtype: torch.dtype = torch.float64) -> Tensor:
            return torch.tensor(values, dtype=dtype, device=device)[:, None]

        sampled = [request.temperature > 0 for request in requests]
        self._sampled_B1 = column(sampled, torch.bool)
        self._temperature_B1 = column([r.temperature if r.temperature > 0 else 1.0 for r in requests])
        self._top_p_B1 = column([request.top_p for request in requests])
        self._top_k_B1 = column([request.top_k for request in requests], torch.int64)
        self._any_sampled = any(sampled)
        self._any_filtered = any(r.temperature > 0 and (r.top_p < 1 or r.top_k > 0) for r in requests)
        longest = max(request.max_tokens for request in requests)
        drawn_BT = np.stack([_stream(request, longest) for request in requests])
        self._drawn_BT = torch.from_numpy(drawn_BT).to(device)

    def keep_rows(self, rows: Tensor) -> None:
        """Forget every row whose index is not in `rows`."""
        self._sampled_B1, self._temperature_B1 = self._sampled_B1[rows], self._temperature_B1[rows]
        self._top_p_B1, self._top_k_B1 = self._top_p_B1[rows], self._top_k_B1[rows]
        self._drawn_BT = self._drawn_BT[rows]

    def choose(self, logits_BV: Tensor, step: int) -> Tensor:
        """The tokens of all rows, [B]; `step` counts from 0."""
        greedy_B = logits_BV.argmax(dim=-1)
        if not self._any_sampled:
            return greedy_B
        probabilities_BV = torch.softmax(logits_BV.double() / self._temperature_B1, dim=-1)
        if self._any_filtered:
            probabilities_BV = self._filtered(probabilities_BV)
        cumulative_BV = probabilities_BV.cumsum(dim=-1)
        drawn_B1 = self._drawn_BT[:, step : step + 1] * cumulative_BV[:, -1:]
        sampled_B = torch.searchsorted(cumulative_BV, drawn_B1, right=True)[:, 0].clamp(max=logits_BV.shape[1] - 1)
        return torch.where(self._sampled_B1[:, 0], sampled_B, greedy_B)

    def _filtered(self, probabilities_BV: Tensor) -> Tensor:
        """top_k, then top_p of what is left, then made to sum to 1."""
        sorted_BV, order_BV = probabilities_BV.sort(dim=-1, descending=True, stable=True)
        ranks_V = torch.arange(sorted_BV.shape[1], device=sorted_BV.device)
        cut_BV = (self._top_k_B1 > 0) & (ranks_V >= self._top_k_B1)
        sorted_BV = sorted_BV.masked_fill(cut_BV, 0.0)
        sums_BV = sorted_BV.cumsum(dim=-1)
        below_B1 = (sums_BV / sums_BV[:, -1:] < self._top_p_B1).sum(dim=-1, keepdim=True)
        cut_BV = (self._top_p_B1 < 1) & (ranks_V > below_B1)
        sorted_BV = sorted_BV.masked_fill(cut_BV, 0.0)
        sorted_BV = sorted_BV / sorted_BV.sum(dim=-1, keepdim=True)
        return torch.zeros_like(sorted_BV).scatter_(1, order_BV, sorted_BV)


def _stream(request: GenerationRequest, longest: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The numbers of a row: those `SeededSampler` draws one after the other for choice 0."""
    if request.temperature <= 0:
        return np.zeros(longest)
    if request.seed is None:
        return np.random.default_rng().random(longest)
    key = np.array([request.seed % 2**64, 0], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key)).random(longest)
