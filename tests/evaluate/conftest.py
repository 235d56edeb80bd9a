"""The sandbox of this machine, opened once."""

from __future__ import annotations

import pytest

from ownlm.errors import SandboxError
from ownlm.evaluate.sandbox.bubblewrap import BubblewrapSandbox
from ownlm.evaluate.sandbox.open import open_sandbox
from ownlm.evaluate.sandbox.program import Sandbox


@pytest.fixture(name="sandbox", scope="session")
def _sandbox() -> Sandbox:
    try:
        return open_sandbox()
    except SandboxError as error:
        pytest.skip(f"this machine cannot contain programs: {error}")


@pytest.fixture(scope="session")
def bubblewrap(sandbox: Sandbox) -> BubblewrapSandbox:
    """What keeps interpreters and compilers warm works in bubblewrap only."""
    if not isinstance(sandbox, BubblewrapSandbox):
        pytest.skip("this machine cannot contain programs")
    return sandbox
