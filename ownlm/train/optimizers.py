"""The optimizer a recipe asks for: which weights go where, one learning rate factor, state as named tensors.

                                   adamw       muon
    matrices of the blocks         AdamW       Muon
    routers, convolutions, norms   AdamW       AdamW (`embeddings`)
    embedding, head                AdamW       AdamW (`embeddings`)

A weight's learning rate is the recipe's times the schedule's factor times the decoder's own multiplier (muP).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from ownlm.errors import ArtifactError
from ownlm.model.decoder import Decoder
from ownlm.train.config import AdamWConfig, DecayRule, MuonConfig, OptimizerConfig
from ownlm.train.muon import Muon, Orthogonalize, orthogonal

Weights = Mapping[str, nn.Parameter]


class Optimizer:
    """One or two torch optimizers behind one interface.

    Args:
        decoder: whose weights to train.
        config: AdamW on everything; or Muon on the blocks' matrices and AdamW on the rest.
        orthogonalize: Muon's, where several places share its work (`ownlm.train.parallel.muon`).
    """

    def __init__(self, decoder: Decoder, config: OptimizerConfig, orthogonalize: Orthogonalize = orthogonal) -> None:
        self._weights = dict(decoder.named_parameters())
        self._parts: list[torch.optim.Optimizer]
        if config.muon is not None:
            rates = decoder.lr_multipliers("muon")
            inner = {name: weight for name, weight in self._weights.items() if for_muon(name, weight)}
            rest = {name: weight for name, weight in self._weights.items() if name not in inner}
            self._parts = [_muon(inner, config.muon, rates, orthogonalize), _adamw(rest, config.muon.embeddings, rates)]
            self.peak = config.muon.lr
        else:
            assert config.adamw is not None
            self._parts = [_adamw(self._weights, config.adamw, decoder.lr_multipliers("adamw"))]
            self.peak = config.adamw.lr
        self._peaks = [[group["lr"] for group in part.param_groups] for part in self._parts]

    def step(self, factor: float) -> None:
        """One step at `factor` times the peak learning rates, then forget the gradients."""
        for part, peaks in zip(self._parts, self._peaks, strict=True):
            for group, peak in zip(part.param_groups, peaks, strict=True):
                group["lr"] = peak * factor
            part.step()
        for weight in self._weights.values():
            weight.grad = None

    def state(self) -> dict[str, Tensor]:
        """All state, as `weight name/state name` -> tensor, divided as the weight is."""
        names: dict[Tensor, str] = {weight: name for name, weight in self._weights.items()}
        return {
            f"{names[weight]}/{key}": value.detach()
            for part in self._parts
            for weight, values in part.state.items()
            for key, value in values.items()
        }

    def load(self, state: dict[str, Tensor]) -> None:
        """The inverse of `state`; what is there is forgotten.

        Raises:
            ArtifactError: when a name or shape is not one of this optimizer's.
        """
        for part in self._parts:
            part.state.clear()
        owners = {w: part for part in self._parts for group in part.param_groups for w in group["params"]}
        for path, value in state.items():
            name, _, key = path.rpartition("/")
            weight = self._weights.get(name)
            if weight is None or (value.dim() > 0 and value.shape != weight.shape):
                raise ArtifactError(f"the checkpoint's optimizer state {path} does not belong to this model")
            # A scalar is a step count; AdamW's fused kernel wants it where the weight is, as float32.
            owners[weight].state[weight][key] = value.to(weight.device).clone()


def for_muon(name: str, weight: Tensor) -> bool:
    """Whether Muon may have a weight: a block's matrix, or a stack of experts' matrices; no router, no convolution."""
    return name.startswith("layers.") and weight.dim() >= 2 and not name.endswith(("mlp.gate.weight", "conv1d.weight"))


def decays(rule: DecayRule, name: str, weight: Tensor) -> bool:
    """Whether a weight decays. By default matrices do: norms have nothing to gain from being small."""
    if rule == "all":
        return True
    return weight.dim() >= 2 and (rule == "matrices" or name.startswith("layers."))


def _muon(weights: Weights, config: MuonConfig, rates: Mapping[str, float], orthogonalize: Orthogonalize) -> Muon:
    by_rate: dict[float, list[nn.Parameter]] = defaultdict(list)
    for name, weight in weights.items():
        by_rate[rates[name]].append(weight)
    groups = [{"params": group, "lr": config.lr * rate} for rate, group in by_rate.items()]
    return Muon(groups, config.lr, config.momentum, config.weight_decay, orthogonalize=orthogonalize)


def _adamw(weights: Weights, config: AdamWConfig, rates: Mapping[str, float]) -> torch.optim.AdamW:
    # torch's fused step takes whole or divided weights, not both in one call.
    alike: dict[tuple[float, bool, bool], list[nn.Parameter]] = defaultdict(list)
    for name, weight in weights.items():
        alike[rates[name], decays(config.decay, name, weight), isinstance(weight, DTensor)].append(weight)
    groups = [
        {"params": group, "lr": config.lr * rate, "weight_decay": config.weight_decay if falls else 0.0}
        for (rate, falls, _), group in alike.items()
    ]
    return torch.optim.AdamW(groups, lr=config.lr, betas=(config.beta1, config.beta2), eps=config.eps, fused=True)
