from __future__ import annotations

import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ownlm.errors import ServerError
from ownlm.model.architecture import Architecture
from ownlm.serve.engines.torch.attention import Part
from ownlm.serve.engines.torch.int8 import Int8Projection
from ownlm.serve.engines.torch.network import Network
from tests.model.strategies import architectures, lively
from tests.serve.engines.torch.reference import TINY, decoder_of

FAMILIES = ("llama", "qwen3", "mixtral", "qwen3_moe", "dots1")


@settings(max_examples=25, deadline=None)
@given(architecture=architectures(FAMILIES), seed=st.integers(0, 2**16))
def test_logits_are_the_decoders_in_pieces_of_any_size_beside_any_others(architecture: Architecture, seed: int) -> None:
    """float32 norms in the decoder, float64 ones here: 1e-4 of the logits' size is far below what a fault makes."""
    draw = random.Random(seed)
    decoder = lively(architecture, seed).double()
    network = Network(decoder, "float64")
    texts = [[draw.randrange(architecture.vocab_size) for _ in range(draw.randrange(1, 20))] for _ in range(3)]
    rooms = [network.room(20) for _ in texts]
    found: list[list[torch.Tensor]] = [[] for _ in texts]
    read = [0] * len(texts)
    while going := [index for index in range(len(texts)) if read[index] < len(texts[index])]:
        chosen = draw.sample(going, draw.randrange(1, len(going) + 1))
        parts = []
        for index in chosen:
            tokens = texts[index][read[index] : read[index] + draw.randrange(1, 9)]
            parts.append(Part(tokens, read[index], rooms[index], len(tokens)))
            read[index] += len(tokens)
        logits = network.forward(parts)
        for index, part in zip(chosen, parts, strict=True):
            found[index].append(logits[: part.wanted])
            logits = logits[part.wanted :]
        assert len(logits) == 0
    for text, pieces in zip(texts, found, strict=True):
        with torch.inference_mode():
            expected = decoder(torch.tensor([text]))[0]
        torch.testing.assert_close(torch.cat(pieces), expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


def test_only_logits_that_are_wanted() -> None:
    network = Network(decoder_of(), "float64")
    parts = [Part([5, 6, 7], 0, network.room(8), wanted) for wanted in (0, 1, 3)]
    assert network.forward(parts).shape == (4, TINY.vocab_size)


def test_state_spaces_are_refused_before_anything_is_asked() -> None:
    from tests.serve.engines.torch.test_batches import FAMILIES as OTHERS

    with pytest.raises(ServerError, match="state-space"):
        Network(lively(OTHERS["bamba"], 0))


@given(rows=st.integers(1, 9), seed=st.integers(0, 2**16))
def test_an_int8_row_does_not_feel_the_others(rows: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    project = Int8Projection(torch.randn(24, 16, generator=generator))
    x_TD = torch.randn(rows, 16, generator=generator) * 10 ** torch.randn(rows, 1, generator=generator)
    assert torch.equal(project(x_TD), torch.cat([project(row[None]) for row in x_TD]))


@given(seed=st.integers(0, 2**16))
def test_int8_is_the_rounded_integer_product(seed: int) -> None:
    """The obvious way: both sides rounded to steps, multiplied as whole numbers."""
    generator = torch.Generator().manual_seed(seed)
    weight_FD, x_TD = torch.randn(24, 16, generator=generator), torch.randn(3, 16, generator=generator)
    step_F1 = weight_FD.abs().amax(1, keepdim=True) / 127
    whole_FD = (weight_FD / step_F1).round().double()
    largest_T1 = x_TD.abs().amax(1, keepdim=True)
    expected = (x_TD / largest_T1).double() @ whole_FD.T * step_F1.T * largest_T1
    slack = 24 * float(largest_T1.max()) * float((whole_FD.abs() * step_F1).sum(1).max()) / 255 / 16
    torch.testing.assert_close(Int8Projection(weight_FD)(x_TD).double(), expected, atol=slack, rtol=0)


def test_zeros_stay_zeros_in_int8() -> None:
    assert (Int8Projection(torch.randn(4, 8))(torch.zeros(2, 8)) == 0).all()


@pytest.mark.parametrize(("precision", "most"), [("float32", 1e-4), ("bfloat16", 0.2), ("int8", 0.1)])
def test_other_precisions_are_near(precision: str, most: float) -> None:
    decoder = lively(TINY, 0)
    network = Network(decoder, precision)  # type: ignore[arg-type]
    text = [20 + 3 * place for place in range(30)]
    logits = network.forward([Part(text, 0, network.room(30), 30)])
    with torch.inference_mode():
        expected = decoder(torch.tensor([text]))[0]
    assert float((logits - expected).norm() / expected.norm()) < most
