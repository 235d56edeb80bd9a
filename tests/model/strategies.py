"""Small random architectures and token batches, shared by the model's tests."""

from __future__ import annotations

import torch
from hypothesis import strategies as st

from ownlm.model.architecture import EXPERTS, Architecture, Experts, Family, RopeKind, RopeScaling, StateSpace
from ownlm.model.decoder import Decoder

torch.set_num_threads(1)


FAMILIES: tuple[Family, ...] = ("llama", "qwen3", "mixtral", "qwen3_moe", "dots1", "bamba")


@st.composite
def rope_scalings(draw: st.DrawFn) -> RopeScaling:
    kind: RopeKind = draw(st.sampled_from(["linear", "llama3", "yarn"]))
    factor = draw(st.sampled_from([2.0, 8.0]))
    return RopeScaling(kind, factor, None if kind == "linear" else draw(st.sampled_from([8, 64])))


@st.composite
def mixtures(draw: st.DrawFn, family: Family, layers: int) -> Experts:
    count = draw(st.integers(2, 6))
    return Experts(
        count=count,
        per_token=draw(st.integers(1, min(3, count))),
        d_ff=draw(st.sampled_from([4, 8, 20])),  # rows of whole 16 bytes, or transformers fails
        shared=draw(st.integers(1, 2)) if family == "dots1" else 0,
        dense_layers=0 if family == "mixtral" else draw(st.integers(0, layers - 1)),
        balance="bias" if family == "dots1" else "loss",
    )


@st.composite
def state_spaces(draw: st.DrawFn, d_model: int, layers: int) -> StateSpace:
    groups = draw(st.sampled_from([1, 2]))
    width = draw(st.sampled_from([2, 4]))
    return StateSpace(
        heads=2 * d_model // width,
        head_width=width,
        d_state=draw(st.sampled_from([3, 8])),
        groups=groups,
        d_conv=draw(st.sampled_from([2, 4])),
        attention_layers=tuple(sorted(draw(st.sets(st.integers(0, layers - 1), min_size=1)))),
    )


@st.composite
def architectures(draw: st.DrawFn, families: tuple[Family, ...] = ("llama",)) -> Architecture:
    family = draw(st.sampled_from(families))
    kv_heads = draw(st.sampled_from([1, 2, 3]))
    heads = kv_heads * draw(st.sampled_from([1, 2, 3]))
    width, layers = draw(st.sampled_from([4, 8, 16])), draw(st.integers(1, 3))
    head_dim = draw(st.sampled_from([None, 4, 12])) if family != "bamba" else None
    experts = draw(mixtures(family, layers)) if family in EXPERTS else None
    return Architecture(
        vocab_size=draw(st.integers(130, 200)),
        d_model=heads * width,
        layers=layers,
        heads=heads,
        kv_heads=kv_heads,
        d_ff=experts.d_ff if experts and family == "mixtral" else draw(st.integers(8, 40)),
        context=draw(st.sampled_from([16, 32])),
        rope_theta=draw(st.sampled_from([100.0, 10_000.0, 500_000.0])),
        norm_eps=draw(st.sampled_from([1e-6, 1e-5])),
        tied=draw(st.booleans()),
        family=family,
        head_dim=None if head_dim == width else head_dim,
        rope_scaling=draw(st.none() | rope_scalings()),
        experts=experts,
        state_space=draw(state_spaces(heads * width, layers)) if family == "bamba" else None,
    )


def lively(architecture: Architecture, seed: int) -> Decoder:
    """A decoder whose attention matters: at the usual small initial weights it hardly does."""
    decoder = Decoder(architecture, seed)
    with torch.no_grad():
        for name, weight in decoder.named_parameters():
            if "mamba" not in name or name.endswith("_proj.weight"):
                weight.mul_(10.0 if weight.dim() >= 2 and name.startswith("layers.") else 1.5)
        for router in decoder.routers():
            if router.e_score_correction_bias is not None:
                router.e_score_correction_bias.copy_(torch.arange(len(router.weight)).sin() * 0.1)
    return decoder.eval()


def tokens(architecture: Architecture, rows: int, length: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, architecture.vocab_size, (rows, length), generator=generator)


def random_segments(rows: int, length: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(rows, length, generator=generator) < 0.2).cumsum(1).int()
