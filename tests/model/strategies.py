"""Small random architectures and token batches, shared by the model's tests."""

from __future__ import annotations

import torch
from hypothesis import strategies as st

from ownlm.model.architecture import Architecture, Family, RopeKind, RopeScaling
from ownlm.model.decoder import Decoder

torch.set_num_threads(1)


FAMILIES: tuple[Family, ...] = ("llama", "qwen3")


@st.composite
def rope_scalings(draw: st.DrawFn) -> RopeScaling:
    kind: RopeKind = draw(st.sampled_from(["linear", "llama3", "yarn"]))
    factor = draw(st.sampled_from([2.0, 8.0]))
    return RopeScaling(kind, factor, None if kind == "linear" else draw(st.sampled_from([8, 64])))


@st.composite
def architectures(draw: st.DrawFn, families: tuple[Family, ...] = ("llama",)) -> Architecture:
    family = draw(st.sampled_from(families))
    kv_heads = draw(st.sampled_from([1, 2, 3]))
    heads = kv_heads * draw(st.sampled_from([1, 2, 3]))
    width, layers = draw(st.sampled_from([4, 8, 16])), draw(st.integers(1, 3))
    head_dim = draw(st.sampled_from([None, 4, 12])) if family != "bamba" else None
    return Architecture(
        vocab_size=draw(st.integers(130, 200)),
        d_model=heads * width,
        layers=layers,
        heads=heads,
        kv_heads=kv_heads,
        d_ff=draw(st.integers(8, 40)),
        context=draw(st.sampled_from([16, 32])),
        rope_theta=draw(st.sampled_from([100.0, 10_000.0, 500_000.0])),
        norm_eps=draw(st.sampled_from([1e-6, 1e-5])),
        tied=draw(st.booleans()),
        family=family,
        head_dim=None if head_dim == width else head_dim,
        rope_scaling=draw(st.none() | rope_scalings()),
    )


def lively(architecture: Architecture, seed: int) -> Decoder:
    """A decoder whose attention matters: at the usual small initial weights it hardly does."""
    decoder = Decoder(architecture, seed)
    with torch.no_grad():
        for name, weight in decoder.named_parameters():
            weight.mul_(10.0 if weight.dim() == 2 and "embed" not in name and "lm_head" not in name else 1.5)
    return decoder.eval()


def tokens(architecture: Architecture, rows: int, length: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, architecture.vocab_size, (rows, length), generator=generator)


def random_segments(rows: int, length: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(rows, length, generator=generator) < 0.2).cumsum(1).int()
