"""Channels as aliases of a model in MLflow's registry, in a SQLite file."""

from __future__ import annotations

import pytest

from ownlm.errors import BusyError, RecipeError
from ownlm.live.rollout.mlflow import MlflowLog, MlflowRegistry
from ownlm.live.rollout.registry import open_registry
from tests.live.rollout.made import overtaken, start, to

KEY = "ab" * 32
pytestmark = [
    pytest.mark.slow,  # MLflow makes its tables
    # of MLflow's own code and of SQLAlchemy's, which it uses
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning"),
    pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Made once: MLflow takes seconds to make its tables."""
    pytest.importorskip("mlflow")
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"


@pytest.fixture
def name(database: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", database)
    monkeypatch.setenv("OWNLM_ROLLOUT_KEY", KEY)
    return request.node.name


def aliases(registry: MlflowRegistry) -> dict[str, str]:
    """Alias -> our name of the version, as MLflow says."""
    client, name = registry.log.client, registry.log.name
    there = client.get_registered_model(name).aliases
    return {alias: client.get_model_version(name, number).tags["ownlm.version"] for alias, number in there.items()}


def test_a_channel_is_an_alias(name):
    registry = MlflowRegistry(name)
    registry.change(to("v1"), why="first")
    registry.change(to("v1", channel="staff"), why="")
    registry.change(to("v2", percent=10), why="a tenth")
    assert aliases(registry) == {"everyone": "v1", "staff": "v1", "everyone-next": "v2"}
    other = open_registry(f"models:/{name}")
    found = other.read()
    assert (found.revision, found.problem, found.warning) == (3, None, "")
    assert found.state.versions["v2"].source == "/models/v2"
    assert [record.why for _, record in other.history()] == ["a tenth", "", "first"]
    assert not other.log.news(found.last)
    registry.change(to("v2"), why="all")
    assert other.log.news(found.last)
    assert aliases(registry) == {"everyone": "v2", "staff": "v1"}
    assert len(registry.log.client.search_model_versions(f"name='{name}'")) == 2, "a version is registered once"


def test_an_alias_that_was_moved_by_hand_wins(name):
    registry = MlflowRegistry(name)
    registry.change(to("v1"), why="")
    registry.change(to("v2"), why="")
    last = registry.read().last
    assert not registry.log.news(last)
    registry.log.client.set_registered_model_alias(name, "everyone", "1")
    assert registry.log.news(last)
    found = registry.read()
    assert found.state.channels["everyone"].version == "v1"
    assert "everyone" in found.warning
    registry.change(start("trial", "v1", "v3"), why="goes on from what holds")
    found = registry.read()
    assert (found.state.channels["everyone"].version, found.warning) == ("v1", "")
    made = registry.log.client.create_model_version(name, source="s3://models/new")
    registry.log.client.set_registered_model_alias(name, "staff", made.version)
    registry.log.client.set_registered_model_alias(name, "champion", made.version)
    found = registry.read().state
    assert found.versions[found.channels["staff"].version].source == "s3://models/new"
    assert "champion" not in found.channels, "an alias of somebody else's"


def test_of_two_changes_from_one_state_the_first_wins_for_everybody(name):
    one, two = MlflowRegistry(name), MlflowRegistry(name)
    one.change(to("v1"), why="")
    assert overtaken(one, two) == [{"everyone"}, {"everyone", "staff"}]
    for registry in (one, two):
        assert set(registry.read().state.channels) == {"everyone", "staff", "dev"}
        assert [record.why for _, record in registry.history()] == ["slower", "faster", ""], "the void one is left out"
    assert one.log.last() == 4


def test_a_record_is_as_long_as_it_needs_to_be(name):
    registry = MlflowRegistry(name)
    log = registry.log
    assert log.append(1, ("é" * 9000).encode()) == 1
    assert log.read(1).decode() == "é" * 9000


def test_the_key_comes_from_the_environment(name, monkeypatch):
    assert MlflowRegistry(name).key() == bytes.fromhex(KEY)
    monkeypatch.setenv("OWNLM_ROLLOUT_KEY", "not hexadecimal")
    with pytest.raises(RecipeError, match="hexadecimal") as error:
        MlflowRegistry(name).key()
    assert "not hexadecimal" not in str(error.value.advice)
    monkeypatch.delenv("OWNLM_ROLLOUT_KEY")
    with pytest.raises(RecipeError, match="not set"):
        MlflowRegistry(name).key()


def test_without_a_server_nothing_is_guessed(monkeypatch):
    for variable in ("MLFLOW_REGISTRY_URI", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(RecipeError, match="which MLflow"):
        MlflowLog("model")


def test_always_slower_is_told(name):
    one, two = MlflowRegistry(name), MlflowRegistry(name)
    one.change(to("v1"), why="")
    number = iter(range(100))

    def slow(state, now):
        two.change(to("v1", channel=f"c{next(number)}"), why="")
        return to("v1", channel="dev")(state, now)

    with pytest.raises(BusyError):
        one.change(slow, why="")
    assert "dev" not in one.read().state.channels
