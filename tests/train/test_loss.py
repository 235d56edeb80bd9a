"""The chunked loss against the plain one: every number, every gradient."""

from __future__ import annotations

import threading
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ownlm.model.decoder import IGNORED
from ownlm.train import loss
from ownlm.train.execution import missing_to_compile
from ownlm.train.loss import linear_cross_entropy


def plain(hidden_ND: Tensor, weight_VD: Tensor, labels_N: Tensor, z_loss: float) -> tuple[Tensor, Tensor]:
    """The definition, with all logits at once."""
    logits_NV = (hidden_ND @ weight_VD.T).float()
    nats = F.cross_entropy(logits_NV, labels_N, ignore_index=IGNORED, reduction="sum")
    log_z_N = logits_NV.logsumexp(1)[labels_N != IGNORED]
    return nats + z_loss * (log_z_N**2).sum(), nats


def case(seed: int, tokens: int, width: int, rows: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    hidden_ND = torch.randn(tokens, width, generator=generator).to(dtype).requires_grad_()
    weight_VD = torch.randn(rows, width, generator=generator).to(dtype).requires_grad_()
    labels_N = torch.randint(0, rows, (tokens,), generator=generator)
    labels_N[torch.rand(tokens, generator=generator) < 0.3] = IGNORED
    return hidden_ND, weight_VD, labels_N


def assert_equal_to_plain(
    hidden_ND: Tensor, weight_VD: Tensor, labels_N: Tensor, z_loss: float, compiled: bool = False
) -> None:
    wanted, wanted_nats = plain(hidden_ND, weight_VD, labels_N, z_loss)
    wanted_gradients = torch.autograd.grad(wanted / 7, [hidden_ND, weight_VD])
    found, nats = linear_cross_entropy(hidden_ND, weight_VD, labels_N, z_loss=z_loss, compiled=compiled)
    gradients = torch.autograd.grad(found / 7, [hidden_ND, weight_VD])
    torch.testing.assert_close((found, nats), (wanted, wanted_nats), rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(gradients, wanted_gradients, rtol=1e-4, atol=1e-5)
    assert not nats.requires_grad


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    tokens=st.integers(1, 40),
    width=st.integers(1, 9),
    rows=st.integers(2, 50),
    chunk=st.integers(1, 50),
    z_loss=st.sampled_from([0.0, 1e-4, 0.3]),
)
def test_equal_to_the_plain_form(seed: int, tokens: int, width: int, rows: int, chunk: int, z_loss: float) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loss, "LEAST_ROWS", chunk)
        patch.setattr(loss, "CHUNK_LOGITS", {"cpu": 1})
        assert_equal_to_plain(*case(seed, tokens, width, rows), z_loss)


def test_several_real_chunks() -> None:
    assert_equal_to_plain(*case(0, 700, 16, 4100), 1e-3)


@pytest.mark.slow
@pytest.mark.skipif(missing_to_compile() != "", reason=missing_to_compile())
def test_compiled_it_is_the_same() -> None:
    assert_equal_to_plain(*case(0, 300, 16, 4100), 1e-3, compiled=True)


def test_far_logits_do_not_overflow() -> None:
    hidden_ND, weight_VD, labels_N = case(3, 20, 8, 30)
    with torch.no_grad():
        hidden_ND *= 300
    assert_equal_to_plain(hidden_ND, weight_VD, labels_N, 0.0)


def test_without_labels_nothing_is_learned() -> None:
    hidden_ND, weight_VD, labels_N = case(0, 20, 8, 30)
    found, nats = linear_cross_entropy(hidden_ND, weight_VD, torch.full_like(labels_N, IGNORED), z_loss=0.1)
    found.backward()
    assert (found.item(), nats.item()) == (0, 0)
    assert hidden_ND.grad is not None
    assert weight_VD.grad is not None
    assert not hidden_ND.grad.any()
    assert not weight_VD.grad.any()


def test_bf16_sums_in_float32() -> None:
    """Against float32 of the very same numbers: only the products' rounding is between them."""
    hidden_ND, weight_VD, labels_N = case(1, 600, 16, 3000, torch.bfloat16)
    _, wanted = plain(hidden_ND.float(), weight_VD.float(), labels_N, 0.0)
    found, nats = linear_cross_entropy(hidden_ND, weight_VD, labels_N)
    assert nats.dtype == torch.float32
    assert nats.item() == pytest.approx(wanted.item(), rel=2e-3)
    found.backward()
    assert hidden_ND.grad is not None
    assert hidden_ND.grad.dtype == torch.bfloat16


def test_autocast_makes_the_products_bf16_and_the_gradients_float32() -> None:
    hidden_ND, weight_VD, labels_N = case(1, 50, 16, 300)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, _ = linear_cross_entropy(hidden_ND, weight_VD, labels_N)
    bf16 = linear_cross_entropy(hidden_ND.bfloat16(), weight_VD.bfloat16(), labels_N)[0]
    assert torch.equal(found, bf16)
    found.backward()
    assert weight_VD.grad is not None
    assert weight_VD.grad.dtype == torch.float32


def test_without_gradients_none_are_made() -> None:
    hidden_ND, weight_VD, labels_N = case(1, 50, 16, 300)
    with torch.no_grad():
        found, nats = linear_cross_entropy(hidden_ND, weight_VD, labels_N)
    wanted, _ = plain(hidden_ND, weight_VD, labels_N, 0.0)
    torch.testing.assert_close(found, wanted)
    assert torch.equal(found, nats)


class _Place:
    """One of several threads that each hold some rows of the head."""

    def __init__(
        self, first: int, most: int, meeting: threading.Barrier, table: list[Tensor | None], index: int
    ) -> None:
        self.first, self.most = first, most
        self._meeting, self._table, self._index = meeting, table, index

    def _all(self, values: Tensor) -> Tensor:
        self._meeting.wait()
        self._table[self._index] = values.clone()
        self._meeting.wait()
        found = torch.stack([value for value in self._table if value is not None])
        self._meeting.wait()
        return found

    def max(self, values: Tensor) -> Tensor:
        return self._all(values).amax(0)

    def sum(self, values: Tensor) -> Tensor:
        return self._all(values).sum(0)


@pytest.mark.parametrize("cuts", [[0, 300, 700], [0, 1, 350, 700]])
def test_rows_of_the_head_may_lie_in_several_places(cuts: list[int]) -> None:
    """Unequal parts, too: each place gets the whole loss and gradient of the hidden states, and its rows' gradient."""
    hidden_ND, weight_VD, labels_N = case(5, 300, 12, 700)
    wanted, wanted_nats = plain(hidden_ND, weight_VD, labels_N, 1e-3)
    d_hidden, d_weight = torch.autograd.grad(wanted, [hidden_ND, weight_VD])
    count = len(cuts) - 1
    most = max(end - first for first, end in pairwise(cuts))
    meeting, table = threading.Barrier(count, timeout=20), [None] * count
    results: dict[int, tuple[Tensor, Tensor, Tensor, Tensor]] = {}

    def work(index: int) -> None:
        mine = weight_VD.detach()[cuts[index] : cuts[index + 1]].clone().requires_grad_()
        theirs = hidden_ND.detach().clone().requires_grad_()
        place = _Place(cuts[index], most, meeting, table, index)  # type: ignore[arg-type]
        found, nats = linear_cross_entropy(theirs, mine, labels_N, z_loss=1e-3, parts=place)
        results[index] = (found.detach(), nats, *torch.autograd.grad(found, [theirs, mine]))

    threads = [threading.Thread(target=work, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for found, nats, theirs, _ in results.values():
        torch.testing.assert_close((found, nats), (wanted.detach(), wanted_nats.detach()), rtol=1e-5, atol=1e-4)
        torch.testing.assert_close(theirs, d_hidden, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(torch.cat([results[i][3] for i in range(count)]), d_weight, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("z_loss", [0.0, 1e-2])
def test_single_tokens_cross_entropies_are_kept(z_loss: float) -> None:
    hidden_ND, weight_VD, labels_N = case(3, tokens=300, width=8, rows=20)
    logits_NV = (hidden_ND @ weight_VD.T).float()
    expected_N = F.cross_entropy(logits_NV, labels_N, ignore_index=IGNORED, reduction="none")
    with loss.token_nats() as kept:
        for part in (slice(0, 200), slice(200, 300)):
            linear_cross_entropy(hidden_ND[part], weight_VD, labels_N[part], z_loss=z_loss)
    linear_cross_entropy(hidden_ND, weight_VD, labels_N)
    assert [len(nats_N) for nats_N in kept] == [200, 100]
    assert torch.allclose(torch.cat(kept), expected_N, atol=1e-5)
    assert not torch.cat(kept)[labels_N == IGNORED].any()
