"""Every way to compute attention against the definition: softmax over the keys a query may see, one query at a time."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ownlm.model.architecture import Architecture
from ownlm.model.attention.choose import DOCUMENTS_PAY_FROM, Backend, choose
from ownlm.model.attention.documents import documents, lengths_of
from ownlm.model.attention.flex import flex
from ownlm.model.attention.sdpa import sdpa
from ownlm.model.attention.varlen import starts_of, varlen
from ownlm.model.decoder import Decoder
from ownlm.model.view import Attend
from tests.model.strategies import lively, random_segments, tokens


def by_definition(segments_BL: Tensor, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    out = torch.zeros_like(q)
    share = q.shape[1] // k.shape[1]
    for row in range(q.shape[0]):
        for head in range(q.shape[1]):
            for place in range(q.shape[2]):
                seen = [s for s in range(place + 1) if segments_BL[row, s] == segments_BL[row, place]]
                scores = k[row, head // share, seen] @ q[row, head, place] * q.shape[-1] ** -0.5
                out[row, head, place] = scores.softmax(0) @ v[row, head // share, seen]
    return out


def slow_kernel(q: Tensor, k: Tensor, v: Tensor, starts: Tensor, longest: int) -> Tensor:
    """What FlashAttention computes for documents laid end to end."""
    out = torch.zeros_like(q)
    for start, stop in zip(starts.tolist(), starts.tolist()[1:], strict=False):
        assert 0 < stop - start <= longest
        q_1NLH, k_1KLH, v_1KLH = (x[start:stop].transpose(0, 1)[None] for x in (q, k, v))
        out[start:stop] = sdpa(None)(q_1NLH, k_1KLH, v_1KLH)[0].transpose(0, 1)
    return out


BACKENDS: dict[str, Callable[[Tensor], Attend]] = {
    "sdpa": sdpa,
    "documents": documents,
    "flex": flex,
    "varlen": lambda segments_BL: varlen(segments_BL, slow_kernel),
}


def drawn(heads: int, kv_heads: int, length: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    q, k, v = (torch.randn(2, count, length, 8, generator=generator) for count in (heads, kv_heads, kv_heads))
    return q, k, v


@pytest.mark.parametrize("name", list(BACKENDS))
@settings(max_examples=15, deadline=None)
@given(st.sampled_from([(2, 2), (4, 2), (3, 1)]), st.integers(1, 20), st.integers(0, 1000))
def test_equal_to_the_definition(name: str, heads: tuple[int, int], length: int, seed: int) -> None:
    q, k, v = drawn(*heads, length, seed)
    segments_BL = random_segments(2, length, seed)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore", UserWarning)  # flex says that it is not compiled
        mixed = BACKENDS[name](segments_BL)(q, k, v)
    torch.testing.assert_close(mixed, by_definition(segments_BL, q, k, v), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["documents", "varlen"])
@settings(max_examples=15, deadline=None)
@given(st.integers(1, 20), st.integers(0, 1000))
def test_gradients_are_the_references(name: str, length: int, seed: int) -> None:
    segments_BL = random_segments(2, length, seed)
    found = []
    for backend in (BACKENDS[name], sdpa):
        inputs = [x.requires_grad_() for x in drawn(4, 2, length, seed)]
        out = backend(segments_BL)(*inputs)
        found.append(torch.autograd.grad((out * torch.arange(out.numel()).view_as(out)).sum(), inputs))
    rounding = 1e-6 * out.numel()  # of the weights above: where a query sees itself alone, its gradient is that
    for ours, reference in zip(*found, strict=True):
        torch.testing.assert_close(ours, reference, atol=max(rounding, 1e-4 * float(reference.abs().max())), rtol=1e-4)


def test_a_row_of_one_document_gives_the_references_bits() -> None:
    q, k, v = drawn(4, 4, 64, 0)
    one = torch.zeros(2, 64, dtype=torch.int64)
    assert torch.equal(documents(one)(q, k, v), sdpa(one)(q, k, v))


@given(st.integers(1, 30), st.integers(0, 1000))
def test_documents_are_found(length: int, seed: int) -> None:
    segments_BL = random_segments(3, length, seed)
    expected = [[int((row == segment).sum()) for segment in row.unique()] for row in segments_BL]
    assert lengths_of(segments_BL) == expected
    assert starts_of(segments_BL).diff().tolist() == [size for row in expected for size in row]


@pytest.mark.parametrize("length", [DOCUMENTS_PAY_FROM - 1, DOCUMENTS_PAY_FROM])
def test_what_is_chosen_on_a_cpu(length: int) -> None:
    segments_BL = torch.zeros(1, length, dtype=torch.int64)
    expected: Backend = "sdpa" if length < DOCUMENTS_PAY_FROM else "documents"
    assert choose(segments_BL, torch.float32) == choose(segments_BL, torch.bfloat16) == expected


def test_a_decoder_gives_the_same_logits_with_each() -> None:
    architecture = Architecture(vocab_size=150, d_model=32, layers=2, heads=4, kv_heads=2, d_ff=48, context=32)
    decoder: Decoder = lively(architecture, 1)
    tokens_BL, segments_BL = tokens(architecture, 2, 32, 0), random_segments(2, 32, 0)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore", UserWarning)
        reference = decoder(tokens_BL, segments_BL)
        for name in ("sdpa", "documents", "flex"):
            decoder.attention = name
            torch.testing.assert_close(decoder(tokens_BL, segments_BL), reference, atol=1e-4, rtol=1e-4)
