"""The order is as well mixed as a full permutation; the same figures find block shuffles out."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest

from ownlm.tokens.objectives.config import ObjectivesConfig
from ownlm.tokens.shards.batches import Batches
from ownlm.tokens.shards.order import Permutation
from ownlm.tokens.shards.reader import ShardReader
from tests.tokens.corpora import small

SHUFFLE = runpy.run_path(str(Path(__file__).parents[3] / "benchmarks/shuffle.py"))
SEEDS = 30
SIZES = [1000, 20_011, 65_536]


def figures(kind: str, size: int) -> dict[str, np.ndarray]:
    found = [SHUFFLE["statistics"](SHUFFLE[kind](size, seed)) for seed in range(SEEDS)]
    return {name: np.array([one[name] for one in found]) for name in found[0]}


@pytest.mark.parametrize("size", SIZES)
def test_every_figure_is_that_of_a_full_permutation(size: int) -> None:
    """Within five standard errors of numpy's, and as little spread. Seeds are fixed: this does not fail by chance."""
    ours, full = figures("ours", size), figures("full", size)
    for name, expected in full.items():
        error = np.hypot(ours[name].std(), expected.std()) / np.sqrt(SEEDS)
        assert abs(ours[name].mean() - expected.mean()) < 5 * error, name
        assert 0.5 < ours[name].std() / expected.std() < 2, name


def test_the_figures_tell_a_block_shuffle_from_it() -> None:
    blocks, full = figures("within_shards", 20_011), figures("full", 20_011)
    for name in ("neighbours", "distance", "close", "batches", "coverage", "fullest"):
        assert abs(blocks[name].mean() - full[name].mean()) > 20 * full[name].std(), name


def test_the_figures_are_one_for_an_ideal_shuffle() -> None:
    for name, values in figures("full", 65_536).items():
        assert values.mean() == pytest.approx(1, abs=0.2 if name == "fullest" else 0.03), name


def test_epochs_do_not_resemble_each_other() -> None:
    """Neither places nor steps from one window to the next are carried over."""
    size = 20_011
    places = np.stack([np.argsort(Permutation(size, 7, epoch)(np.arange(size))) for epoch in range(8)])
    between = np.corrcoef(places)[~np.eye(8, dtype=bool)]
    assert np.abs(between).max() < 5 / np.sqrt(size)
    steps = np.corrcoef(np.diff(places, axis=1))[~np.eye(8, dtype=bool)]
    assert np.abs(steps).max() < 5 / np.sqrt(size)


def test_each_part_of_an_epoch_sees_all_documents_evenly() -> None:
    """Through `Batches`, over the documents of a real split: chi-square of (eighth of the epoch, eighth of the
    documents), summed over epochs, stays where chance puts it."""
    _, vocabulary, shards = small()
    reader = ShardReader(shards / "train")
    made = Batches(reader, ObjectivesConfig(fill_in_the_middle=None), vocabulary, 64, 1, 5)
    total, freedom = 0.0, 0
    for epoch in range(12):
        samples = [made.sample(epoch * made.windows + place) for place in range(made.windows)]
        documents = np.array([reader.document_number(sample.pieces[0].position) for sample in samples])
        table = np.zeros((8, 8))
        np.add.at(table, (np.arange(made.windows) * 8 // made.windows, documents * 8 // reader.documents), 1)
        even = table.sum(axis=1, keepdims=True) * table.sum(axis=0, keepdims=True) / made.windows
        total, freedom = total + ((table - even) ** 2 / even).sum(), freedom + 49
    assert abs(total - freedom) < 4 * np.sqrt(2 * freedom)
