from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import grpc
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ownlm.data.lake.config import EngineConfig, EngineSetting
from ownlm.data.lake.engine import Engine, open_engine
from ownlm.data.lake.engines import connect
from ownlm.data.lake.engines.address import TOKEN_VARIABLE
from ownlm.data.lake.engines.connect import spark_session
from ownlm.errors import ArtifactError, DependencyError, OwnlmError, RecipeError, ServerError
from tests.certificates import self_signed
from tests.data.documents import a_document, read_rows, write_table
from tests.data.lake.connect_server import Service, connect_server
from tests.data.spark import SparkServer

ROOT = Path(__file__).resolve().parents[3]


def run_script(folder: Path, code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """pyspark refuses to run under `python -c`: it takes that for its own doctests."""
    script = folder / "script.py"
    script.write_text(code)
    surroundings = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run([sys.executable, script], capture_output=True, text=True, env=surroundings, check=False)


def test_it_reads_parquet_and_starts_again(engine_setting: EngineSetting, tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": [1, 2, 3]}), tmp_path / "n.parquet")
    for _ in range(2):
        with open_engine(engine_setting) as engine:
            found = engine.collect(engine.read(tmp_path / "n.parquet").where("n > 1").orderBy("n"))
            assert found.to_pydict() == {"n": [2, 3]}


@pytest.mark.parametrize("name", ["two words", "a%20b", "ä", "x=1", "[ab]", "{a,b}", "what?", "a*", "a\\b", "x[1"])
def test_a_path_is_taken_as_it_is(engine: Engine, tmp_path: Path, name: str) -> None:
    file = tmp_path / name / "n.parquet"
    file.parent.mkdir()
    pq.write_table(pa.table({"n": [1]}), file)
    assert engine.collect(engine.read(file)).column("n").to_pylist() == [1]


def test_a_whole_table_is_read_with_all_its_columns(engine: Engine, tmp_path: Path) -> None:
    documents = [
        a_document(
            f"x = {n}\n", path=f"{n}.py", language=language, licenses=("MIT",) * n, attributes=(("tags", "a b"),)
        )
        for n, language in enumerate(["C#", "Python", "Jupyter Notebook", "C"])
    ]
    table = write_table(tmp_path / "table [1]", [*documents, a_document(scores=(("quality", 0.5),))])
    found = engine.collect(engine.read(table).orderBy("language", "path")).to_pylist()
    assert found == read_rows(table)


def test_a_failing_query_is_one_clear_error(engine: Engine, tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": [1]}), tmp_path / "n.parquet")
    with pytest.raises(OwnlmError, match="data engine failed") as caught:
        engine.collect(engine.read(tmp_path / "n.parquet").select("missing"))
    assert "\n" not in caught.value.what
    assert "missing" in caught.value.what


def test_a_file_that_is_missing_is_named(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="is missing") as caught:
        engine.read(tmp_path / "elsewhere.parquet")
    assert caught.value.where == str(tmp_path / "elsewhere.parquet")
    with pytest.raises(ArtifactError, match="is missing"):
        engine.read(tmp_path)


def test_a_file_that_a_cluster_does_not_see_is_named(spark: SparkServer) -> None:
    with open_engine(EngineConfig(spark=spark.address)) as engine:
        with pytest.raises(ArtifactError, match="does not see") as caught:
            engine.collect(engine.session.read.parquet("file:///home of this machine only/n.parquet"))
        assert "--home" in (caught.value.advice or "")
        assert caught.value.where == "/home of this machine only/n.parquet"


def test_a_query_that_fails_before_it_is_collected_is_clear_too(engine_setting: EngineSetting) -> None:
    with pytest.raises(OwnlmError, match="data engine failed"), open_engine(engine_setting) as engine:
        _ = engine.session.range(3).select("missing").columns


def test_an_error_of_the_caller_stays_as_it_is() -> None:
    with pytest.raises(KeyError, match="mine"), open_engine():
        raise KeyError("mine")


def test_the_embedded_engine_says_nothing_on_the_terminal(tmp_path: Path) -> None:
    code = (
        "from ownlm.data.lake.engine import open_engine\n"
        "with open_engine() as engine:\n    engine.collect(engine.session.range(3))\n"
    )
    # Neither a proxy nor the token of another server stands between a process and itself.
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        proxy = f"http://127.0.0.1:{closed.getsockname()[1]}"
        done = run_script(
            tmp_path, code, http_proxy=proxy, SPARK_CONNECT_AUTHENTICATE_TOKEN="x", **{TOKEN_VARIABLE: "y"}
        )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("module", ["pysail.spark", "pyspark.sql.connect.session"])
def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(DependencyError, match="not installed") as caught, open_engine():
        pass
    assert caught.value.advice == "pip install 'ownlm[lake]'"


def test_a_real_server_wants_its_token(spark: SparkServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for token in ("wrong", None):
        if token is None:
            monkeypatch.delenv(TOKEN_VARIABLE)
        else:
            monkeypatch.setenv(TOKEN_VARIABLE, token)
        with pytest.raises(ServerError, match="does not accept the token") as caught, spark_session(spark.address):
            pass
        assert caught.value.where == spark.address
        assert TOKEN_VARIABLE in (caught.value.advice or "")
        assert "wrong" not in str(caught.value)


def test_the_token_goes_with_the_request_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, "s3cret")
    service = Service()
    with connect_server(service, grpc.local_server_credentials()) as address, spark_session(address) as session:
        assert set(service.tokens) == {"Bearer s3cret"}
        assert "s3cret" not in str(vars(session.client._builder))


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (grpc.StatusCode.UNAUTHENTICATED, "does not accept the token"),
        (grpc.StatusCode.PERMISSION_DENIED, "refuses"),
        (grpc.StatusCode.UNAVAILABLE, r"cannot be reached \(said no\)"),
        (grpc.StatusCode.UNIMPLEMENTED, r"data engine failed: said no"),
    ],
)
def test_what_a_server_answers_first_is_told(
    status: grpc.StatusCode, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect, "_FIRST_RETRIES", 1)
    with (
        connect_server(Service(status=status)) as address,
        pytest.raises(OwnlmError, match=message) as caught,
        spark_session(address),
    ):
        pass
    assert caught.value.where == address


@pytest.mark.parametrize("version", ["3.5.9", "5.0.0"])
def test_another_version_is_refused(version: str) -> None:
    with (
        connect_server(Service(version)) as address,
        pytest.raises(ServerError, match=f"is Spark {version}; ownlm needs a Spark 4"),
        spark_session(address),
    ):
        pass


def test_nobody_at_an_address_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:  # bound, so that nobody else takes it, but not listening
        closed.bind(("127.0.0.1", 0))
        address = f"sc://127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(ServerError, match="cannot be reached") as caught, spark_session(address):
            pass
    assert caught.value.where == address
    assert "Start a Spark Connect server" in (caught.value.advice or "")


def test_a_name_that_does_not_resolve_is_told() -> None:
    with pytest.raises(ServerError, match="cannot be reached"), spark_session("sc://nowhere.invalid:15002"):
        pass


def test_tls_on_one_side_only_is_told() -> None:
    private, certificate = self_signed("localhost")
    tls = grpc.ssl_server_credentials([(private, certificate)])
    with connect_server(Service(), tls) as address:
        for wanted in (address, f"{address}/;use_ssl=true"):  # no TLS at all, then a certificate nobody knows
            with pytest.raises(ServerError) as caught, spark_session(wanted):
                pass
            assert "use_ssl=true" in (caught.value.advice or ""), wanted
    with (
        connect_server(Service()) as address,
        pytest.raises(ServerError, match="TLS") as caught,
        spark_session(f"{address}/;use_ssl=true"),
    ):
        pass
    assert "leave it out" in (caught.value.advice or "")


def test_an_own_certificate_is_trusted_as_advised(tmp_path: Path) -> None:
    private, certificate = self_signed("localhost")
    (tmp_path / "root.pem").write_bytes(certificate)
    code = (
        "import sys\nfrom ownlm.data.lake.engines.connect import spark_session\n"
        "with spark_session(ADDRESS) as session:\n    print(session.version)\n"
    )
    service = Service()
    with connect_server(service, grpc.ssl_server_credentials([(private, certificate)])) as address:
        done = run_script(
            tmp_path,
            code.replace("ADDRESS", repr(f"{address}/;use_ssl=true")),
            GRPC_DEFAULT_SSL_ROOTS_FILE_PATH=str(tmp_path / "root.pem"),
            **{TOKEN_VARIABLE: "s3cret"},
        )
    assert (done.stdout, done.stderr) == ("4.2.0\n", "")
    assert set(service.tokens) == {"Bearer s3cret"}


def test_a_lost_connection_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from pysail.spark import SparkConnectServer

    monkeypatch.setattr(connect, "_RETRIES", 1)
    server = SparkConnectServer("127.0.0.1", 0)
    server.start()
    host, port = server.listening_address
    with connect.connected(f"sc://{host}:{port}") as session:
        engine = Engine(session, "there")
        assert engine.collect(session.range(2)).num_rows == 2
        server.stop()
        with pytest.raises(ServerError, match="was lost") as caught:
            engine.collect(session.range(2))
    assert caught.value.where == "there"
    assert "Run the same command again" in (caught.value.advice or "")


@pytest.mark.parametrize("address", ["http://host", "sc://ann:pw@host", "sc://host/;token=s3cret"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(RecipeError) as caught, spark_session(address):
        pass
    assert "s3cret" not in str(caught.value)
    assert "ann" not in str(caught.value)


def test_a_setting_opens_its_engine(spark: SparkServer) -> None:
    with open_engine(EngineConfig(spark=spark.address)) as engine:
        assert engine.session.version.startswith("4.")
        assert engine.where == spark.address
        assert engine.collect(engine.session.sql("select java_method('java.lang.Math', 'abs', -1) as n")).num_rows == 1
