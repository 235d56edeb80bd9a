from __future__ import annotations

import pytest

from ownlm.evaluate.runners.registry import runner
from ownlm.evaluate.sandbox.open import open_sandbox
from ownlm.evaluate.sandbox.program import Sandbox


@pytest.fixture(scope="session")
def sandbox() -> Sandbox:
    # The programs are the tests' own: where nothing can contain them they may run all the same.
    return open_sandbox(unsafe=True)


def installed(language: str) -> None:
    """Skip where a language's tools are not."""
    one = runner(language)
    if one.version() is None:
        pytest.skip(f"{language} needs: apt-get install {' '.join(one.packages)}")
