"""Computing activations again: the same loss and gradients, less memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch._dynamo.utils import counters
from torch.utils._python_dispatch import TorchDispatchMode

from ownlm.model.config import ModelConfig
from ownlm.model.decoder import Decoder
from ownlm.train.activations import KEPT, checkpoint_activations
from ownlm.train.config import ActivationCheckpointing
from ownlm.train.execution import missing_to_compile
from ownlm.train.loss import linear_cross_entropy

MODES: list[ActivationCheckpointing] = ["none", "selective", "full"]
TOKENS_BL = torch.randint(0, 64, (3, 40), generator=torch.Generator().manual_seed(0))
SEGMENTS_BL = (torch.arange(40) // 15)[None].expand(3, -1).contiguous()
MODEL = ModelConfig.model_validate({"size": "1m", "d_model": 32, "layers": 3, "heads": 2, "kv_heads": 1, "d_ff": 48})


def gradients(which: ActivationCheckpointing, compiled: bool = False, mode: Any = None) -> list[torch.Tensor]:
    """The loss and all gradients."""
    decoder = Decoder(MODEL.architecture(64, 40))
    names = list(decoder.state_dict())
    checkpoint_activations(decoder.layers, which)
    if compiled:
        for block in decoder.layers:
            block.compile(dynamic=False)
    hidden_BLD = decoder.hidden(TOKENS_BL, SEGMENTS_BL)
    loss, _ = linear_cross_entropy(hidden_BLD.flatten(0, 1), decoder.head_weight, TOKENS_BL.flatten())
    loss.backward()  # type: ignore[no-untyped-call]
    assert list(decoder.state_dict()) == names
    return [loss.detach(), *(weight.grad for weight in decoder.parameters() if weight.grad is not None)]


@pytest.mark.parametrize("which", MODES[1:])
def test_gradients_are_equal_to_the_bit(which: ActivationCheckpointing) -> None:
    wanted, found = gradients("none"), gradients(which)
    assert len(wanted) == len(found)
    assert all(torch.equal(one, other) for one, other in zip(wanted, found, strict=True))


@pytest.mark.slow
@pytest.mark.skipif(missing_to_compile() != "", reason=missing_to_compile())
@pytest.mark.parametrize("which", MODES[1:])
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # dynamo looks at every input
def test_compiled_they_are_close(which: ActivationCheckpointing) -> None:
    for one, other in zip(gradients("none"), gradients(which, compiled=True), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("which", MODES)
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # dynamo looks at every input
def test_blocks_share_one_compiled_graph(which: ActivationCheckpointing) -> None:
    """Start-up must not grow with the layers, and no block may be left uncompiled."""
    torch.compiler.reset()
    counters.clear()
    decoder = Decoder(MODEL.architecture(64, 40))
    checkpoint_activations(decoder.layers, which)
    for block in decoder.layers:
        block.compile(dynamic=False, backend="eager")
    decoder.hidden(TOKENS_BL, SEGMENTS_BL).sum().backward()
    assert counters["stats"]["unique_graphs"] == 1
    assert not counters["graph_break"]


class _Counter(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.products = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.products += func in KEPT
        return func(*args, **(kwargs or {}))


def counted(run: Callable[[], object]) -> int:
    with _Counter() as counter:
        run()
    return counter.products


def saved_bytes(which: ActivationCheckpointing) -> int:
    """Bytes autograd keeps between forward and backward, each storage once."""
    decoder = Decoder(MODEL.architecture(64, 40))
    checkpoint_activations(decoder.layers, which)
    weights = {weight.untyped_storage().data_ptr() for weight in decoder.parameters()}
    kept: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        hidden_BLD = decoder.hidden(TOKENS_BL, SEGMENTS_BL)
    assert hidden_BLD.requires_grad
    return sum(kept.values())


def test_full_keeps_less() -> None:
    assert saved_bytes("full") < 0.35 * saved_bytes("none")


def test_selective_computes_no_product_twice_and_full_does() -> None:
    once = counted(lambda: gradients("none"))
    assert counted(lambda: gradients("selective")) == once
    assert counted(lambda: gradients("full")) > 1.2 * once
