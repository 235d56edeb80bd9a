"""The live page over HTTP: a run that grows, is finished, or was killed."""

from __future__ import annotations

import http.client
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ownlm.errors import InputError, ServerError
from ownlm.pipeline.tracking.log import MetricLog
from ownlm.train.monitor.watch import WatchServer
from ownlm.train.monitor.watched import Watched, folder_of
from ownlm.train.monitor.written import FILE, Completion, line_of

Ask = Callable[..., tuple[int, str, dict[str, str]]]


@contextmanager
def served(folder: Path) -> Iterator[Ask]:
    with WatchServer(Watched(folder)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()

        def ask(path: str = "/", host: str | None = None) -> tuple[int, str, dict[str, str]]:
            connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
            connection.request("GET", path, headers={} if host is None else {"Host": host})
            answer = connection.getresponse()
            found = answer.status, answer.read().decode(), dict(answer.getheaders())
            connection.close()
            return found

        try:
            yield ask
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A train stage's folder under way, in a home folder."""
    path = tmp_path / "work/train-abc"
    (path / "log").mkdir(parents=True)
    (tmp_path / "locks").mkdir()
    (path / "log/run.json").write_text(json.dumps({"config": {"train": {"steps": 90, "currency": "EUR"}}}))
    return path


def lock(folder: Path, pid: int) -> None:
    (folder.parent.parent / "locks" / f"{folder.name}.lock").write_text(str(pid))


def test_the_page_follows_a_run_as_it_grows(folder: Path) -> None:
    lock(folder, os.getpid())
    log = MetricLog(folder / "metrics.jsonl")
    with served(folder) as ask:
        status, page, headers = ask()
        assert status == 200
        assert "Nothing was logged yet" in page
        assert "running" in page
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        log.log(10, {"loss": 3.5, "bits_per_byte": 2.0, "lr": 0.1, "run/cost": 1.5})
        status, part, headers = ask("/part?seen=")
        assert status == 200
        assert "10 of 90" in part
        assert "1.50 EUR" in part
        assert ask(f"/part?seen={headers['ETag']}")[:2] == (204, "")
        (folder / FILE).write_text(line_of(Completion(10, "r", "<script>x</script>", "a\n", "b", "c")))
        part = ask(f"/part?seen={headers['ETag']}")[1]
        assert "&lt;script&gt;x" in part
        assert "<script" not in part


def test_a_run_that_ends_is_followed_to_where_it_goes(folder: Path) -> None:
    MetricLog(folder / "metrics.jsonl").log(10, {"loss": 3.5, "bits_per_byte": 2.0})
    with served(folder) as ask:
        seen = ask("/part?seen=")[2]["ETag"]
        (folder / "manifest.json").write_text(json.dumps({"config": {"train": {"steps": 10}}}))
        artifacts = folder.parent.parent / "artifacts"
        artifacts.mkdir()
        folder.rename(artifacts / folder.name)
        status, part, _ = ask(f"/part?seen={seen}")
        assert status == 200
        assert "finished" in part


def test_a_killed_run_is_called_stopped(folder: Path) -> None:
    MetricLog(folder / "metrics.jsonl").log(10, {"loss": 3.5, "bits_per_byte": 2.0})
    lock(folder, 2**22 + 1)
    assert Watched(folder).state().startswith("stopped")
    (folder.parent.parent / "locks" / f"{folder.name}.lock").unlink()
    assert Watched(folder).state() == "not finished"


def test_damaged_metrics_are_told_not_raised(folder: Path) -> None:
    (folder / "metrics.jsonl").write_text("nonsense\n")
    with served(folder) as ask:
        status, page, _ = ask()
    assert status == 200
    assert "damaged" in page


def test_only_this_machine_is_answered(folder: Path) -> None:
    with served(folder) as ask:
        assert ask("/", "evil.example:80")[0] == 403
        assert ask("/other")[0] == 404
        assert ask("/", "localhost:1")[0] == 200


def test_a_port_that_is_taken_is_an_error_in_words(folder: Path) -> None:
    with (
        WatchServer(Watched(folder)) as server,
        pytest.raises(ServerError, match="cannot be served"),
        WatchServer(Watched(folder), server.server_port),
    ):
        pass


def test_a_folder_without_numbers_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="no numbers of a training"):
        folder_of(folder)
    MetricLog(folder / "metrics.jsonl").log(1, {"loss": 1.0})
    assert folder_of(folder) == folder_of(folder / "metrics.jsonl") == folder
