"""A state-space layer whose positions lie in several places does what it does with whole rows, there and back."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ownlm.model.counting import SCAN_CHUNK
from ownlm.model.mamba import Mamba2, runs_of
from ownlm.model.view import View
from ownlm.train.parallel.context import stretches
from ownlm.train.parallel.relay import StretchRelay
from tests.model.strategies import lively, random_segments
from tests.model.test_mamba import SMALL

ROWS = 2


class Meeting:
    """Threads in place of processes: everybody gets what all brought."""

    def __init__(self, places: int) -> None:
        self._brought: list[Tensor] = [torch.empty(0)] * places
        self._barrier = threading.Barrier(places, timeout=60)

    def all(self, place: int, tensor: Tensor) -> list[Tensor]:
        self._brought[place] = tensor
        self._barrier.wait()
        found = list(self._brought)
        self._barrier.wait()
        return found


@dataclass(frozen=True)
class Met(StretchRelay):
    """Gathers at a meeting; all else is the real one's."""

    meeting: Meeting | None = None

    def _everywhere(self, mine: Tensor) -> Tensor:
        assert self.meeting is not None
        pairs = mine.reshape(-1, 2, *mine.shape[1:])
        return torch.cat(self.meeting.all(self.mesh.get_local_rank(), pairs), dim=1)[:, self.order_T]


def relay(segments_BL: Tensor, places: int, place: int, meeting: Meeting) -> Met:
    mesh = cast("Any", SimpleNamespace(size=lambda: places, get_local_rank=lambda: place))
    real = StretchRelay.of(segments_BL, mesh)
    return Met(real.runs_BTX, real.mine_2, real.order_T, mesh, meeting)


def divided(layer: Mamba2, x_BLD: Tensor, segments_BL: Tensor, places: int) -> Tensor:
    """What `places` places make of it together, in order."""
    positions_PL, meeting = stretches(x_BLD.shape[1], places), Meeting(places)

    def one(place: int) -> Tensor:
        handed = relay(segments_BL, places, place, meeting)
        view = View(cast("Any", None), cast("Any", None), handed.runs(), relay=handed)
        return layer(x_BLD[:, positions_PL[place]], view)

    with ThreadPoolExecutor(places) as threads:
        found = list(threads.map(one, range(places)))
    return torch.cat(found, dim=1)[:, positions_PL.flatten().argsort()]


def gradients(out_BLD: Tensor, layer: Mamba2, x_BLD: Tensor) -> list[Tensor]:
    weight = torch.linspace(-1, 1, out_BLD.numel()).view_as(out_BLD)
    return list(torch.autograd.grad((out_BLD * weight).sum(), [x_BLD, *layer.parameters()]))


@settings(max_examples=12, deadline=None)
@given(
    st.integers(1, 3),
    st.sampled_from([3, 5, SCAN_CHUNK, SCAN_CHUNK + 3, 2 * SCAN_CHUNK + 1]),
    st.integers(0, 1000),
    st.booleans(),
)
def test_places_together_are_the_layer(places: int, stretch: int, seed: int, in_documents: bool) -> None:
    layer = cast("Mamba2", lively(SMALL, seed).layers[0].mamba)
    length = 2 * places * stretch
    x_BLD = torch.randn(ROWS, length, SMALL.d_model, generator=torch.Generator().manual_seed(seed)).requires_grad_()
    segments_BL = random_segments(ROWS, length, seed) if in_documents else torch.zeros(ROWS, length, dtype=torch.int64)
    whole = layer(x_BLD, View(cast("Any", None), cast("Any", None), runs_of(segments_BL, None)))
    together = divided(layer, x_BLD, segments_BL, places)
    torch.testing.assert_close(together, whole, atol=2e-5, rtol=1e-4)
    for found, expected in zip(gradients(together, layer, x_BLD), gradients(whole, layer, x_BLD), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-5 * float(expected.abs().max()) + 1e-6, rtol=1e-3)


def test_nothing_passes_the_end_of_a_document() -> None:
    """Also where it is the end of a stretch, or inside of the convolution's reach of it."""
    layer = cast("Mamba2", lively(SMALL, 0).layers[0].mamba)
    for end in (7, 8, 9):
        segments_1L = (torch.arange(16) >= end).long()[None]
        x_1LD = torch.randn(1, 16, SMALL.d_model).requires_grad_()
        divided(layer, x_1LD, segments_1L, 2)[:, end:].sum().backward()
        assert x_1LD.grad is not None
        assert x_1LD.grad[:, :end].abs().max() < 1e-6 * x_1LD.grad[:, end:].abs().max()
