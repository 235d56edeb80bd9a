"""The same surroundings for every test: no settings from outside, no network look-ups, no time limits per example."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
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

SHARED = {"finished": "run", "classic_spark": "spark", "spark": "spark", "engine_setting": "spark"}
"""Fixtures of a session that take some 15 s of CPU, and whose tests therefore run in one process: its group."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A process a core (`--dist loadgroup`): a file's tests stay together, and what takes long comes first.

    Otherwise a long file that comes last leaves the other cores idle.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return
    groups: dict[Path, str] = {}
    for item in items:
        group = next((SHARED[name] for name in getattr(item, "fixturenames", ()) if name in SHARED), None)
        if group is not None or item.path not in groups:
            groups[item.path] = group or str(len(groups))
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (groups[item.path] not in SHARED.values(), item.path not in slow))
    for item in items:
        item.add_marker(pytest.mark.xdist_group(groups[item.path]))


@pytest.fixture(scope="session")
def classic_spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkServer]:
    """A running classic Spark, started once: a start takes some 15 s of CPU. Tests are skipped where there is none."""
    home = spark_home()
    if home is None:
        pytest.skip("classic Spark is not there: scripts/test sets up .venv-spark where there is Java")
    with spark_server(home, tmp_path_factory.mktemp("spark")) as server:
        yield server
