"""What one layout saved, every other one loads: parameters and optimizer state to the bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import distributed

from ownlm.train.checkpoint import CheckpointFolder
from ownlm.train.checkpoint.parts import without_tied_head
from ownlm.train.parallel.layout import Layout
from ownlm.train.parallel.state import whole
from tests.train.parallel.curves import Run, architecture
from tests.train.parallel.kept import loaded, named, opened, saved
from tests.train.parallel.layouts import ADAMW, EXPERTS, MUON, Case
from tests.train.parallel.places import together

pytestmark = pytest.mark.slow
STEPS = 2
UNTIED = {"tied": False}
TWO = [
    (Case({"data": 2}, settings={"optimizer": MUON}), [{"shard": 2}, {"tensor": 2}]),
    (Case({"shard": 2}, settings={"optimizer": ADAMW}), [{"data": 2}, {"pipeline": 2}]),
    (Case({"tensor": 2}, UNTIED, {"optimizer": ADAMW}), [{"pipeline": 2}, {"context": 2}]),
    (Case({"pipeline": 2}, settings={"optimizer": MUON}), [{"tensor": 2}, {"shard": 2}]),
    (Case({"context": 2}, settings={"optimizer": MUON}), [{"shard": 2}, {"context": 2}]),
    (Case({"shard": 2, "expert": 2}, EXPERTS, {"optimizer": MUON}), [{"data": 2, "expert": 2}, {"pipeline": 2}]),
]
FOUR = [
    (Case({"shard": 2, "tensor": 2}, settings={"optimizer": MUON}), [{"shard": 4}, {"pipeline": 2, "data": 2}]),
    (Case({"pipeline": 2, "shard": 2}, settings={"optimizer": ADAMW}), [{"data": 2, "tensor": 2}]),
    (Case({"data": 2, "shard": 2, "expert": 2}, EXPERTS, {"optimizer": ADAMW}), [{"shard": 4, "expert": 4}]),
]


def travel(folder: Path, ways: list[tuple[Case, list[dict[str, int]]]]) -> None:
    """Each case's state is saved, loaded in other layouts and saved again by each."""
    for number, (case, others) in enumerate(ways):
        run = opened(case)
        for step in range(STEPS):
            run.step(step)
        home = folder / f"{number}"
        saved(run, home, STEPS)
        expected = whole(run.decoder, named(run), run.layout)
        if distributed.get_rank() == 0:
            torch.save(expected, folder / f"{number}.whole")
        for which, mesh in enumerate(others):
            other = opened(case, mesh)
            loaded(other, home)
            saved(other, folder / f"{number}-{which}", STEPS)


def check(folder: Path, ways: list[tuple[Case, list[dict[str, int]]]], world: int) -> None:
    for number, (case, others) in enumerate(ways):
        expected = torch.load(folder / f"{number}.whole", weights_only=True)
        for name in [str(number), *(f"{number}-{which}" for which in range(len(others)))]:
            found = CheckpointFolder(folder / name, "f").newest()
            assert found is not None
            tensors = found.whole().tensors
            assert tensors.keys() == expected.keys(), name
            for key, tensor in tensors.items():
                assert torch.equal(tensor, expected[key]), (name, key)
            files = sorted((folder / name / f"step-{STEPS:08d}").glob("rank-*"))
            assert len(files) == world
            sizes = [file.stat().st_size for file in files]
            assert sum(sizes) < 1.2 * sum(t.numel() * t.element_size() for t in tensors.values()) + 40_000
        run = Run(Layout(), architecture(**case.model), **case.settings)  # and one process
        loaded(run, folder / str(number))
        for key, tensor in without_tied_head(run.decoder, named(run)).items():
            assert torch.equal(tensor.detach(), expected[key]), key


def test_two_processes(tmp_path: Path) -> None:
    together(2, tmp_path, travel, TWO)
    check(tmp_path, TWO, 2)


def test_four_processes(tmp_path: Path) -> None:
    together(4, tmp_path, travel, FOUR)
    check(tmp_path, FOUR, 4)


def from_one(folder: Path, case: Case) -> None:
    run = opened(case)
    loaded(run, folder / "one")
    saved(run, folder / "two", STEPS)


def test_one_process_to_two(tmp_path: Path) -> None:
    case = Case({"shard": 2}, settings={"optimizer": MUON})
    run = Run(Layout(), architecture(**case.model), **case.settings)
    run.step(0)
    saved(run, tmp_path / "one", STEPS)
    together(2, tmp_path, from_one, case)
    one, two = (CheckpointFolder(tmp_path / name, "f").newest() for name in ("one", "two"))
    assert one is not None
    assert two is not None
    for key, tensor in one.whole().tensors.items():
        assert torch.equal(two.box(key, [range(size) for size in tensor.shape]), tensor)
