from __future__ import annotations

from pathlib import Path

import pytest

from tests.train.spikes.poison import make_poisoned


@pytest.fixture(scope="session")
def poisoned_inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A vocabulary and shards with poisoned files, made once."""
    return make_poisoned(tmp_path_factory.mktemp("poisoned"))
