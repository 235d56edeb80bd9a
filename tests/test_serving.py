"""The end of a run: what is checked before it, what is asked, and how an answer is shown."""

from __future__ import annotations

import io
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console
from typer.testing import CliRunner

from ownlm import serving
from ownlm.cli import app
from ownlm.errors import RecipeError, ServerError
from ownlm.pipeline.store import Store
from ownlm.recipe.schema import Question
from ownlm.runs import read_record
from ownlm.serve.config import ServeConfig
from tests.context import artifact_at
from tests.toy_run import RESULTS, carry_out, toy_recipe, toy_stages


class Gateway(HTTPServer):
    """Answers every POST with the same bytes, and keeps what was asked."""

    def __init__(self, status: int, answer: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status, self.answer = status, answer
        self.asked: list[tuple[str, dict[str, object]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        gateway = self.server
        assert isinstance(gateway, Gateway)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        gateway.asked.append((self.path, json.loads(body)))
        self.send_response(gateway.status)
        self.send_header("Content-Length", str(len(gateway.answer)))
        self.end_headers()
        self.wfile.write(gateway.answer)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def gateway(answer: object, status: int = 200) -> Iterator[Gateway]:
    data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    with Gateway(status, data) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def test_a_question_is_asked_greedily_for_the_rest_of_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # a proxy has no part in asking oneself
    with gateway({"choices": [{"text": "return x"}]}) as server:
        assert serving.ask_completion(server.url, "small", Question(prefix="def f(x): ", suffix="\n")) == "return x"
        assert serving.ask_completion(server.url, "small", Question(prefix="def ")) == "return x"
    (path, filled), (_, plain) = server.asked
    assert path == "/v1/completions"
    expected = {"model": "small", "prompt": "def f(x): ", "suffix": "\n", "temperature": 0, "stop": ["\n"]}
    assert {name: filled[name] for name in expected} == expected
    assert "suffix" not in plain


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        ({"error": {"message": "no fill in the middle"}}, 400, "400 .*no fill in the middle"),
        (b"busy", 503, "503 busy"),
        (b"not json", 200, "did not answer"),
        ({"choices": []}, 200, "did not answer"),
        ({"choices": None}, 200, "did not answer"),
        ([], 200, "did not answer"),
    ],
)
def test_an_answer_that_is_none_is_said(answer: object, status: int, said: str) -> None:
    with gateway(answer, status) as server, pytest.raises(ServerError, match=said) as caught:
        serving.ask_completion(server.url, "small", Question(prefix="x"))
    assert caught.value.where == server.url


def test_a_server_that_is_not_there_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(ServerError, match="did not answer: ConnectError"):
        serving.ask_completion(url, "small", Question(prefix="x"))


def test_hidden_lines_become_questions_with_the_authors_answer(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(json.dumps(RESULTS))
    evaluation = artifact_at(tmp_path, "evaluate")
    first, second = serving.held_out_questions(evaluation, fills=True)
    assert first == (Question(prefix="def f(x):\n    ", suffix="\ny = x\n"), "return x")
    assert second[0].suffix == "\n", "the line ends where its author ended it"
    plain = serving.held_out_questions(evaluation, fills=False)
    assert [question.suffix for question, _ in plain] == ["", ""], "a model without the objective refuses a suffix"
    for nothing in ("{}", '{"examples": null}', '{"examples": []}'):
        (tmp_path / "results.json").write_text(nothing)
        assert serving.held_out_questions(evaluation, fills=True) == []


def shown(question: Question, completion: str, expected: str = "", width: int = 80) -> list[str]:
    stream = io.StringIO()
    serving.show_completion(Console(file=stream, width=width), question, completion, expected)
    return stream.getvalue().splitlines()


def test_a_completion_is_shown_where_it_belongs() -> None:
    question = Question(prefix="a\nb\na\nb\nc\nd\ndef f(x):\n    ", suffix="\n\n\nprint(f(1))\nx\ny\nlast\n")
    assert shown(question, "return [x]", "return x") == [
        "▸ asked to fill in the middle",
        "    a",
        "    b",
        "    c",
        "    d",
        "    def f(x):",
        "        return [x]",
        "    ",
        "    ",
        "    print(f(1))",
        "    x",
        "    y",
        "    its author wrote: return x",
    ]
    assert shown(Question(prefix="x = "), "") == ["▸ asked to go on", "    x = "]


def test_code_that_looks_like_markup_is_shown_as_it_is() -> None:
    lines = shown(Question(prefix="a[red]", suffix="[/x]"), "[bold]b[/]", "[/i]")
    assert lines[1:] == ["    a[red][bold]b[/][/x]", "    its author wrote: [/i]"]


def test_a_long_line_is_not_broken() -> None:
    assert len(shown(Question(prefix="x" * 300), "y" * 300)[1]) == 604


@pytest.mark.parametrize(
    ("overrides", "what"),
    [
        (["export=[huggingface]"], "exports nothing that can be served"),
        (["objectives.fill_in_the_middle=null", "ask=[{prefix: x, suffix: y}]"], "no fill-in-the-middle is trained"),
    ],
)
def test_what_could_not_be_served_is_said_before_anything_runs(tmp_path: Path, overrides: list[str], what: str) -> None:
    with pytest.raises(RecipeError, match=what):
        serving.check(toy_recipe(tmp_path, *overrides))


def test_a_free_port_is_left_free_and_a_taken_one_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServerError, match="in use"):
            serving.check(toy_recipe(tmp_path, f"serve.port={port}"))
    serving.check(toy_recipe(tmp_path, f"serve.port={port}"))
    socket.create_server(("127.0.0.1", port)).close()
    serving.check(toy_recipe(tmp_path, "objectives.fill_in_the_middle=null", "ask=[{prefix: x}]"))


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, ServeConfig]]:
    """Servers that were started: each a gateway that answers at once, and does not wait."""
    kept: list[tuple[Path, ServeConfig]] = []

    @contextmanager
    def running(export: Path, config: ServeConfig, **names: object) -> Iterator[SimpleNamespace]:
        kept.append((export, config))
        with gateway({"choices": [{"text": "ANSWER"}]}) as server:
            yield SimpleNamespace(url=server.url, wait=lambda: kept.append((export, config)))

    monkeypatch.setattr("ownlm.serve.server.running_server", running)
    return kept


@pytest.mark.parametrize(
    ("overrides", "asked", "authors"),
    [
        ([], ["fill in the middle"] * 2, 2),
        (["objectives.fill_in_the_middle=null"], ["go on"] * 2, 2),
        (["ask=[{prefix: a}, {prefix: b, suffix: c}, {prefix: d}, {prefix: e}]"], ["go on", "fill", "go on"], 0),
    ],
)
def test_a_run_ends_by_asking_its_model(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    started: list[tuple[Path, ServeConfig]],
    overrides: list[str],
    asked: list[str],
    authors: int,
) -> None:
    toy_stages(monkeypatch)
    store = Store(tmp_path / "home")
    recipe = toy_recipe(tmp_path, *overrides)
    results = carry_out(recipe, store)
    stream = io.StringIO()
    serving.serve_run(Console(file=stream, width=80), store, read_record(store, None), recipe)
    text = stream.getvalue()
    assert [line.startswith(f"▸ asked to {what}") for line, what in zip(questions(text), asked, strict=True)]
    assert all(f"asked to {what}" in line for line, what in zip(questions(text), asked, strict=True))
    assert text.count("ANSWER") == len(asked)
    assert text.count("its author wrote") == authors
    assert "playground" in text
    assert text.rstrip().endswith("`ownlm serve` starts it again.")
    assert started == [(results["export"].artifact.path, recipe.serve)] * 2, "served, and waited"


def questions(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("▸ asked")]


def test_a_finished_run_is_served_with_its_own_settings_but_for_those_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: list[tuple[Path, ServeConfig]]
) -> None:
    toy_stages(monkeypatch)
    store = Store(tmp_path / "home")
    carry_out(toy_recipe(tmp_path, "serve.max_choices=3", "serve.port=9"), store)
    said = CliRunner().invoke(app, ["serve", "--port", "0", "--home", str(store.home)])
    assert said.exit_code == 0, said.output
    assert started[0][1] == ServeConfig(max_choices=3, port=0)
    assert "▸ asked" not in said.output
    assert (store.home / "feedback" / "events.sqlite3").exists()


def test_a_setting_after_the_run_changes_it_for_this_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: list[tuple[Path, ServeConfig]]
) -> None:
    toy_stages(monkeypatch)
    store = Store(tmp_path / "home")
    carry_out(toy_recipe(tmp_path, "serve.max_choices=3", "serve.port=9"), store)
    name = read_record(store, None).name
    said = CliRunner().invoke(app, ["serve", name, "serve.queue=7", "--port", "0", "--home", str(store.home)])
    assert said.exit_code == 0, said.output
    assert started[0][1] == ServeConfig(max_choices=3, port=0, queue=7)


def test_a_folder_without_an_export_is_served_and_said(tmp_path: Path, started: list[tuple[Path, ServeConfig]]) -> None:
    stream = io.StringIO()
    (tmp_path / "models").mkdir()
    out = Console(file=stream, width=200)
    serving.serve_folder(out, Store(tmp_path / "home"), tmp_path / "models", "", ServeConfig(port=0))
    assert "No export is in" in stream.getvalue()
    assert len(started) == 2, "served, and waited"
