"""Which experts a token goes to, and what keeps their use even.

    softmax   probabilities of the logits; the best k, made to sum to one            mixtral, qwen3_moe
    sigmoid   scores of each expert alone; the best k of score + bias, likewise      dots1 (DeepSeek-V3's)

Two terms go into the loss: the balance loss E * sum_e f_e P_e (Switch Transformers, arXiv 2101.03961, as transformers
computes it: f_e is the share of tokens sent to expert e, all k choices summed, P_e its mean probability) and the z-loss
mean(logsumexp(logits)^2) (ST-MoE, arXiv 2202.08906). Both are means over tokens times the number of tokens, and the
balance loss is taken row by row: sums over rows are then the same however rows are divided over batches and processes.

The bias needs no loss (arXiv 2408.15664): after a step it goes up by a fixed rate for experts that got less than their
share and down for the others. It moves choices, never weights.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ownlm.model.architecture import Architecture, Experts

_TINY = 1e-20


def _computing_again() -> bool:
    """Whether a backward pass computes activations again: losses kept then would keep all of the block's.

    They are computed all the same, since checkpointing wants the same tensors as the first time.
    """
    return not torch.compiler.is_compiling() and torch._C._current_graph_task_id() != -1


class Router(nn.Module):
    """The gate in front of the experts of one block. Shapes: B rows, L positions, E experts, k of them a token.

    Attributes:
        auxiliary: of the last forward pass with gradients: its weighted losses, summed over tokens; else None.
        load_BE: of the last forward pass: choices of each expert, by row.
        over_rows: where positions of the same rows lie in several places: sums counts over them.
    """

    e_score_correction_bias: Tensor | None

    def __init__(self, architecture: Architecture, experts: Experts) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(experts.count, architecture.d_model))
        self.experts = experts
        self.sigmoid = architecture.family == "dots1"
        self.register_buffer("e_score_correction_bias", torch.zeros(experts.count) if self.sigmoid else None)
        self.auxiliary: Tensor | None = None
        self.load_BE: Tensor | None = None
        self.over_rows: Callable[[Tensor], Tensor] | None = None

    def forward(self, x_BLD: Tensor) -> tuple[Tensor, Tensor]:
        """Choose, in float32 whatever the precision around.

        Returns:
            Indices and weights of the chosen experts, [B, L, k] each; weights of a token sum to one.
        """
        with torch.autocast(x_BLD.device.type, enabled=False):
            wide = torch.promote_types(x_BLD.dtype, torch.float32)
            logits_BLE = F.linear(x_BLD.to(wide), self.weight.to(wide))
            scores_BLE = logits_BLE.sigmoid() if self.sigmoid else logits_BLE.softmax(-1)
            for_choice = (
                scores_BLE if self.e_score_correction_bias is None else scores_BLE + self.e_score_correction_bias
            )
            chosen_BLk = for_choice.topk(self.experts.per_token, dim=-1).indices
            weights_BLk = scores_BLE.gather(-1, chosen_BLk)
            weights_BLk = weights_BLk / (weights_BLk.sum(-1, keepdim=True) + (_TINY if self.sigmoid else 0.0))
            counts = torch.zeros(x_BLD.shape[0], self.experts.count, dtype=torch.int64, device=x_BLD.device)
            flat = chosen_BLk.flatten(1)
            self.load_BE = counts.scatter_add(1, flat, torch.ones_like(flat))
            losses = self._losses(logits_BLE, scores_BLE) if torch.is_grad_enabled() else None
            self.auxiliary = None if _computing_again() else losses
        return chosen_BLk, weights_BLk

    def _losses(self, logits_BLE: Tensor, scores_BLE: Tensor) -> Tensor:
        assert self.load_BE is not None
        length = logits_BLE.shape[1]
        total = self.experts.z_weight * logits_BLE.logsumexp(-1).pow(2).sum()
        if self.experts.balance == "loss":
            probabilities = scores_BLE / scores_BLE.sum(-1, keepdim=True) if self.sigmoid else scores_BLE
            shares_BE, means_BE = self.load_BE / length, probabilities.mean(1)
            if self.over_rows is not None:
                counts_BE = self.over_rows(self.load_BE)
                shares_BE = self.experts.per_token * counts_BE / counts_BE.sum(-1, keepdim=True)
            balance_B = self.experts.count * (shares_BE * means_BE).sum(-1)
            total = total + self.experts.balance_weight * length * balance_B.sum()
        return total

    @torch.no_grad()
    def balance(self, load_E: Tensor) -> None:
        """Move the bias by what a whole step's tokens chose, all processes together."""
        if self.e_score_correction_bias is None or self.experts.balance != "bias":
            return
        load = load_E.to(self.e_score_correction_bias)
        self.e_score_correction_bias += self.experts.bias_rate * (load.mean() - load).sign()
