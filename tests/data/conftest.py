"""What tests of the data engine share.

engine_setting    each engine there is, as a recipe names it: "embedded" (Sail) and a classic Spark of this machine
engine            the same, open: every relational step is tested with it, so that both give the same values
spark             the classic Spark alone; tests that ask for it are skipped where scripts/test cannot provide it

def test_a_step(engine: Engine, tmp_path: Path) -> None:
    found = engine.collect(step(engine.read(tmp_path / "keys.parquet")))
    assert found.to_pylist() == reference(...)
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ownlm.data.lake.config import EngineConfig, EngineSetting
from ownlm.data.lake.engine import Engine, open_engine
from ownlm.data.lake.engines.address import TOKEN_VARIABLE
from tests.data.spark import SparkServer


@pytest.fixture(scope="package")
def spark(classic_spark: SparkServer) -> Iterator[SparkServer]:
    """A running classic Spark, whose token is in the environment of the tests of tests/data."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(TOKEN_VARIABLE, classic_spark.token)
        yield classic_spark


@pytest.fixture(scope="module", params=["sail", "spark"])
def engine_setting(request: pytest.FixtureRequest) -> EngineSetting:
    """Each engine, as a recipe names it."""
    if request.param == "sail":
        return "embedded"
    server: SparkServer = request.getfixturevalue("spark")
    return EngineConfig(spark=server.address)


@pytest.fixture(scope="module")
def engine(engine_setting: EngineSetting) -> Iterator[Engine]:
    """Each engine, open for the tests of a module."""
    with open_engine(engine_setting) as opened:
        yield opened
