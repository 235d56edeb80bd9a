from __future__ import annotations

import pytest
import torch

from ownlm.errors import DependencyError, RecipeError
from ownlm.model.config import ModelConfig
from ownlm.model.decoder import Decoder
from ownlm.train import fp8
from ownlm.train.config import TrainConfig
from ownlm.train.execution import choose_execution
from ownlm.train.fp8 import check_fp8, use_fp8

ASKED = TrainConfig(precision="fp8")


@pytest.mark.skipif(torch.cuda.is_available(), reason="about machines without a GPU")
def test_without_a_gpu_it_is_refused() -> None:
    with pytest.raises(RecipeError, match="here is no GPU"):
        choose_execution(ASKED, 1e9)


def test_older_gpus_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"capability 8\.6"):
        check_fp8(ASKED, (8, 6))


def test_tensor_parallel_layouts_are_refused() -> None:
    with pytest.raises(RecipeError, match="tensor"):
        check_fp8(TrainConfig.model_validate({"precision": "fp8", "mesh": {"tensor": 2}}), (9, 0))


def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fp8, "find_spec", lambda name: None)
    with pytest.raises(DependencyError, match="torchao"):
        check_fp8(ASKED, (9, 0))


def test_recent_gpus_are_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fp8, "find_spec", lambda name: name)
    check_fp8(ASKED, (8, 9))
    check_fp8(ASKED, (9, 0))


def test_emulated_it_is_near_bf16() -> None:
    pytest.importorskip("torchao", reason="an extra of its own: ownlm[fp8]")
    model = ModelConfig.model_validate({"size": "1m", "d_model": 32, "layers": 2, "heads": 2, "kv_heads": 1})
    plain, rounded = Decoder(model.architecture(64, 32)), Decoder(model.architecture(64, 32))
    use_fp8(rounded.layers, emulate=True)
    assert list(plain.state_dict()) == list(rounded.state_dict())
    tokens_BL = torch.randint(0, 64, (2, 32), generator=torch.Generator().manual_seed(0))
    losses = []
    for decoder in (plain, rounded):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = decoder.loss(tokens_BL, tokens_BL)
        loss.backward()  # type: ignore[no-untyped-call]
        losses.append(loss.item())
    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], rel=0.02)
    for one, other in zip(plain.parameters(), rounded.parameters(), strict=True):
        assert one.grad is not None
        assert other.grad is not None
        assert torch.nn.functional.cosine_similarity(one.grad.flatten(), other.grad.flatten(), dim=0) > 0.95
