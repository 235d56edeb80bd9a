"""The weights a fresh decoder starts with.

Matrices are drawn from a normal distribution of deviation 0.02, those that write into the residual stream (`o_proj`,
`down_proj`, `out_proj`) from 0.02 / sqrt(2 * layers), as in GPT-2 (Radford et al. 2019, section 2.3); norms start at
one. A Mamba-2 layer starts as its authors' (github.com/state-spaces/mamba, `mamba2.py`): decays A uniform in 1 .. 16,
time steps log-uniform in 0.001 .. 0.1, the skip D at one, the convolution as `nn.Conv1d` does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from ownlm.model.architecture import Architecture
from ownlm.model.mup import initial_scale

INIT_STD = 0.02

_INTO_STREAM = ("o_proj.weight", "down_proj.weight", "out_proj.weight", "experts.down_proj")
_SLOWEST, _FASTEST = 1e-3, 1e-1


def initial_weights(
    architecture: Architecture, weights: Iterable[tuple[str, Tensor]], seed: int
) -> Iterator[tuple[str, Tensor]]:
    """Name by name, on the CPU: the same for every machine and layout.

    Only one is in memory at a time, and of `weights` only shapes are read, so that they may be on the meta device or
    sharded. They are drawn one after another from one generator: take all, in the decoder's order.

    Args:
        architecture: of the decoder.
        weights: `decoder.named_parameters()`.
        seed: of the draws.
    """
    generator = torch.Generator().manual_seed(seed)
    for name, weight in weights:
        yield name, _initial(architecture, name, weight.shape, generator)


def _initial(architecture: Architecture, name: str, shape: torch.Size, generator: torch.Generator) -> Tensor:
    value = torch.ones(shape, device="cpu")
    if name.endswith("conv1d.weight") or name.endswith("conv1d.bias"):
        assert architecture.state_space is not None
        bound = 1.0 / math.sqrt(architecture.state_space.d_conv)
        return value.uniform_(-bound, bound, generator=generator)
    if name.endswith("A_log"):
        return value.uniform_(1, 16, generator=generator).log()
    if name.endswith("dt_bias"):
        steps = value.uniform_(math.log(_SLOWEST), math.log(_FASTEST), generator=generator).exp()
        return steps + torch.log(-torch.expm1(-steps))  # softplus of it is the step
    if value.dim() >= 2:
        narrow = INIT_STD / math.sqrt(2 * architecture.layers)
        std = narrow if name.endswith(_INTO_STREAM) else INIT_STD
        nn.init.normal_(value, std=std * initial_scale(architecture, name), generator=generator)
    return value
