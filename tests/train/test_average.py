from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ownlm.errors import ArtifactError
from ownlm.train.average import Average
from ownlm.train.config import AverageConfig


def model(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))


def move(layers: nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in layers.parameters():
            weight += torch.randn(weight.shape, generator=generator)


@settings(max_examples=20, deadline=None)
@given(st.floats(0.01, 0.99), st.integers(1, 30))
def test_it_is_the_recurrence(decay: float, steps: int) -> None:
    layers = model()
    average = Average(layers, AverageConfig(decay=decay))
    wanted = {name: weight.detach().double().clone() for name, weight in layers.named_parameters()}
    for step in range(1, steps + 1):
        move(layers, step)
        average.update(step)
        memory = min(decay, (1 + step) / (10 + step))
        for name, weight in layers.named_parameters():
            wanted[name] = memory * wanted[name] + (1 - memory) * weight.detach().double()
    for name, mean in average.state().items():
        torch.testing.assert_close(mean.double(), wanted[name], rtol=1e-4, atol=1e-5)


def test_the_mean_is_lent_to_the_model_and_taken_back() -> None:
    layers = model()
    average = Average(layers, AverageConfig(decay=0.9))
    move(layers, 1)
    average.update(1)
    own = {name: weight.detach().clone() for name, weight in layers.named_parameters()}
    mean = {name: value.clone() for name, value in average.state().items()}

    def fail() -> None:
        with average.applied():
            assert all(torch.equal(weight, mean[name]) for name, weight in layers.named_parameters())
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert all(torch.equal(weight, own[name]) for name, weight in layers.named_parameters())
    assert all(torch.equal(value, mean[name]) for name, value in average.state().items())
    assert not all(torch.equal(own[name], mean[name]) for name in own)


def test_state_of_another_model_is_refused() -> None:
    average = Average(model(), AverageConfig())
    with pytest.raises(ArtifactError, match="does not belong"):
        average.load({"0.weight": torch.zeros(4, 3)})
