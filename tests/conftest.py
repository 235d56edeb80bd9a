"""The same surroundings for every test: no settings from outside, no network look-ups, no time limits per example."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, settings

from tests.data.spark import SparkServer, spark_home, spark_server

# How long an example takes says something about the machine, not about the code.
settings.register_profile("ownlm", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ownlm")

for name in list(os.environ):
    if name.startswith(("OWNLM_", "WANDB_", "MLFLOW_", "OPENAI_")):
        del os.environ[name]
os.environ["HF_HUB_OFFLINE"] = "1"
if "PYTEST_XDIST_WORKER" in os.environ:
    # One test process a core: threads that wait for each other's cores make both slow.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # Such a process has no main file, which PySpark takes for its own doctests, and exits. A nameless one does.
    sys.modules["__main__"].__spec__ = SimpleNamespace(name=None)  # type: ignore[assignment]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A process a core: files with slow tests come first. A long one that comes last leaves the other cores idle."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        slow = {item.path for item in items if item.get_closest_marker("slow")}
        items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def classic_spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkServer]:
    """A running classic Spark, started once: a start takes some 15 s of CPU. Tests are skipped where there is none."""
    home = spark_home()
    if home is None:
        pytest.skip("classic Spark is not there: scripts/test sets up .venv-spark where there is Java")
    with spark_server(home, tmp_path_factory.mktemp("spark")) as server:
        yield server
