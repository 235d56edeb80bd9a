"""The attacks of the sandbox, on the warm interpreters, one after another in the same ones; none leads to the next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest

from ownlm.evaluate.runners.toolchain import path_of
from ownlm.evaluate.sandbox.bubblewrap import BubblewrapSandbox
from ownlm.evaluate.sandbox.program import MIB, Ended, Limits, Program, Sandbox
from ownlm.evaluate.sandbox.python_pool import PythonPool
from tests.evaluate.sandbox.attacks import ATTACKS, Attack
from tests.evaluate.sandbox.scene import Scene, carry_out, scene, verdict

NONCE = "f00dfacecafe"
WORKER_BYTES = 36 * MIB
"""What a group may hold on top of a program's limit: the warm interpreter's own 32, and what pages are counted in."""


@dataclass
class Warm:
    """Python programs in warm interpreters, a pool for each of the limits; neighbours in the sandbox."""

    sandbox: BubblewrapSandbox
    closing: ExitStack
    pools: dict[Limits, PythonPool] = field(default_factory=dict)

    def run(self, program: Program) -> list[Ended]:
        if "attack" not in program.files:
            return self.sandbox.run(program)
        return [self.pool(program.steps[-1].limits).run(program.files["attack"], NONCE)]

    def pool(self, limits: Limits) -> PythonPool:
        if limits not in self.pools:
            opened = PythonPool(self.sandbox, lambda: path_of("python3"), limits)
            self.pools[limits] = self.closing.enter_context(opened)
        return self.pools[limits]

    def describe(self) -> dict[str, str]:
        return self.sandbox.describe()


@pytest.fixture(name="warm", scope="module")
def _warm(sandbox: Sandbox) -> Iterator[Warm]:
    assert isinstance(sandbox, BubblewrapSandbox)
    with ExitStack() as closing:
        yield Warm(sandbox, closing)


@pytest.fixture(name="stage")
def _stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(tmp_path_factory.mktemp("scene")) as made:
        yield made


@pytest.mark.parametrize("attack", [one for one in ATTACKS if not one.shell], ids=lambda attack: attack.name)
def test_contained(attack: Attack, warm: Warm, stage: Scene) -> None:
    ended = carry_out(attack, warm, stage)
    assert verdict(attack, ended, stage, room=WORKER_BYTES) == "contained", ended
    after = warm.pool(attack.limits).run(b"print('good')", NONCE)
    assert (after.how, after.code, after.stdout) == ("exit", 0, f"good\n\n{NONCE}\n".encode())
