"""Every attack is contained; the same program comes through where nothing contains it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from ownlm.evaluate.sandbox.cgroup import find_hierarchy
from ownlm.evaluate.sandbox.plain import PlainSandbox
from ownlm.evaluate.sandbox.program import MIB, Limits, Sandbox
from tests.evaluate.sandbox.attacks import ATTACKS, Attack
from tests.evaluate.sandbox.scene import Scene, carry_out, scene, verdict

CONTROLLED = [attack for attack in ATTACKS if attack.control]


@pytest.fixture(name="stage")
def _stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(tmp_path_factory.mktemp("scene")) as made:
        yield made


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_contained(attack: Attack, sandbox: Sandbox, stage: Scene) -> None:
    ended = carry_out(attack, sandbox, stage)
    assert verdict(attack, ended, stage) == "contained", ended


@pytest.mark.parametrize("attack", CONTROLLED, ids=lambda attack: attack.name)
def test_comes_through_where_nothing_contains_it(attack: Attack, sandbox: Sandbox, stage: Scene) -> None:
    if attack.control == "root" and os.getuid() != 0:
        pytest.skip("only root's processes can do it")
    freer = replace(attack, limits=Limits(cpu_seconds=30, wall_seconds=60, memory_bytes=2048 * MIB, processes=1000))
    ended = carry_out(freer, PlainSandbox(find_hierarchy()), stage)
    assert b"ESCAPED" in ended.stdout, ended
