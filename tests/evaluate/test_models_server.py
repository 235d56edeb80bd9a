from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from ownlm.errors import EvaluationError, OwnlmError, ServerError
from ownlm.evaluate.models import patience
from ownlm.evaluate.models.base import Answer, Model, Request
from ownlm.evaluate.models.open import open_model
from ownlm.evaluate.models.patience import asked_wait, message_of
from ownlm.pipeline.progress import SilentProgress
from ownlm.serve.config import ServeConfig
from ownlm.serve.model import ServedModel
from tests.serve.conftest import export_dir, model  # noqa: F401
from tests.serve.running import serving

Reply = tuple[int, dict[str, str], bytes]
SECRET = "sk-very-secret-0123456789"


def said(value: object, status: int = 200, **headers: str) -> Reply:
    return status, {name.replace("_", "-"): text for name, text in headers.items()}, json.dumps(value).encode()


def completion(text: str = "ok", finish: str = "stop") -> Reply:
    return said({"choices": [{"index": 0, "text": text, "finish_reason": finish, "logprobs": None}]})


class Misbehaving(ThreadingHTTPServer):
    """Says what a test tells it to, and keeps what it was asked."""

    daemon_threads = True

    def __init__(self, reply: Callable[[str, dict[str, Any], int], Reply]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.reply, self.asked, self.headers = reply, list[tuple[str, dict[str, Any]]](), list[dict[str, str]]()
        self.lock, self.ended = threading.Lock(), threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: Misbehaving

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer({})

    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers["content-length"]))))

    def _answer(self, body: dict[str, Any]) -> None:
        with self.server.lock:
            self.server.asked.append((self.path, body))
            self.server.headers.append(dict(self.headers))
            count = sum(path == self.path for path, _ in self.server.asked)
        status, headers, raw = self.server.reply(self.path, body, count)
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)


@contextmanager
def misbehaving(reply: Callable[[str, dict[str, Any], int], Reply]) -> Iterator[Misbehaving]:
    def listing(path: str, body: dict[str, Any], count: int) -> Reply:
        return said({"data": [{"id": "m"}]}) if path == "/v1/models" else reply(path, body, count)

    server = Misbehaving(listing)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Waits that were asked for; time stands still but for them."""
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(patience, "_sleep", sleep)
    monkeypatch.setattr(patience, "_now", lambda: sum(waits))
    return waits


def answers(asked: Model, *requests: Request) -> list[Answer]:
    with SilentProgress().task("ask") as task:
        return asked.answer(requests, task)


def likelihoods(asked: Model, *pairs: tuple[str, str]) -> list[float]:
    with SilentProgress().task("score") as task:
        return asked.log_likelihoods(pairs, task)


def test_our_own_gateway_answers_as_the_model_does_here(model: ServedModel, export_dir: Any) -> None:  # noqa: F811
    here = open_model(str(export_dir / "ctranslate2"), threads=1)
    requests = [
        Request("def fib(n):\n", max_tokens=9),
        Request("def fib(n):\n    ", "\n    return n\n", ("\n", " ", "a", "e", "("), 9),
        Request("class Stack", max_tokens=9, temperature=0.8, top_p=0.9, seed=5),
    ]
    pairs = [("def fib(n):", "\n    return n\n"), ("for index,", " größer")]  # tokens end where the first ends
    with serving(model, ServeConfig(port=0, parallel=2)) as url:
        there = open_model(f"{url}/v1")
        assert (there.name, there.identity["kind"]) == (model.name, "server")
        assert answers(there, *requests) == answers(here, *requests)
        assert likelihoods(there, *pairs, ("x", "")) == pytest.approx([*likelihoods(here, *pairs), 0.0], rel=1e-4)
        with pytest.raises(EvaluationError, match="context"):
            likelihoods(there, ("x = 1\n", "y = 2\n" * 400))


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_what_may_pass_is_asked_again(status: int, clock: list[float]) -> None:
    def reply(path: str, body: dict[str, Any], count: int) -> Reply:
        return said({"error": {"message": "later"}}, status) if count < 4 else completion()

    with misbehaving(reply) as server:
        assert answers(open_model(server.url, concurrency=1), Request("x")) == [Answer("ok", "stop")]
    assert clock == [1, 2, 4]


def test_retry_after_is_obeyed_by_all(clock: list[float]) -> None:
    def reply(path: str, body: dict[str, Any], count: int) -> Reply:
        return said({}, 429, Retry_After="17") if count == 1 else completion()

    with misbehaving(reply) as server:
        assert len(answers(open_model(server.url, concurrency=1), Request("x"), Request("y"))) == 2
    assert clock == [17]


def test_a_wait_that_is_too_long_is_told() -> None:
    with misbehaving(lambda *_: said({}, 429, Retry_After="4000")) as server:
        with pytest.raises(ServerError, match="asks to wait 4,000 s") as caught:
            answers(open_model(server.url), Request("x"))
        assert server.url in str(caught.value)


@pytest.mark.parametrize("raw", [b"{broken", b"", b"[" * 100_000])
def test_what_is_no_json_is_asked_again_then_given_up(raw: bytes) -> None:
    with misbehaving(lambda *_: (200, {}, raw)) as server:
        with pytest.raises(ServerError, match=r"asked 3 times \(its answer is not JSON\)") as caught:
            answers(open_model(server.url, attempts=3), Request("x"))
        assert server.url in str(caught.value)
        assert len(server.asked) == 1 + 3


def test_a_server_that_hangs_is_given_up() -> None:
    with misbehaving(lambda path, body, count: (server.ended.wait(20), completion())[1]) as server:
        opened = open_model(server.url, attempts=2, timeout_s=0.2)
        with pytest.raises(ServerError, match="asked 2 times"):
            answers(opened, Request("x"))


def test_nobody_there_is_told() -> None:
    with misbehaving(lambda *_: completion()) as server:
        url = server.url
    with pytest.raises(ServerError, match="does not answer") as caught:
        open_model(url, attempts=2)
    assert url in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        {"choices": []},
        {"choices": [{"text": "a"}, {"text": "b"}]},
        {"choices": [{"text": 3}]},
        {"choices": ["a"]},
        {"choices": None},
        [],
        "text",
    ],
)
def test_an_answer_of_another_shape_is_no_answer(value: object) -> None:
    with misbehaving(lambda *_: said(value)) as server:
        with pytest.raises(ServerError, match="not one of the completions protocol") as caught:
            answers(open_model(server.url), Request("x"))
        assert server.url in str(caught.value)


def test_all_stops_count_though_four_are_sent() -> None:
    with misbehaving(lambda *_: completion("one two three")) as server:
        asked = Request("x", stops=("1", "2", "3", "4", " three", ""))
        assert answers(open_model(server.url), asked) == [Answer("one two", "stop")]
        assert server.asked[-1][1]["stop"] == ["1", "2", "3", "4"]


@pytest.mark.parametrize(("told", "finish"), [("length", "length"), ("stop", "stop"), ("eos", "stop")])
def test_how_an_answer_ended(told: str, finish: str) -> None:
    with misbehaving(lambda *_: completion("text", told)) as server:
        assert answers(open_model(server.url), Request("x"))[0].finish == finish


def test_seeds_and_sampling_are_sent_only_where_they_mean_something() -> None:
    with misbehaving(lambda *_: completion()) as server:
        answers(open_model(server.url, concurrency=1), Request("x"), Request("x", temperature=0.5, top_p=0.9, seed=4))
        greedy, sampled = (body for path, body in server.asked if path.endswith("/completions"))
    assert greedy == {"model": "m", "prompt": "x", "max_tokens": 512, "temperature": 0.0}
    assert sampled == {**greedy, "temperature": 0.5, "top_p": 0.9, "seed": 4}


def test_a_template_lays_out_the_models_own_markers() -> None:
    with misbehaving(lambda *_: completion()) as server:
        template = "<P>{prefix}<S>{suffix}<M>"
        answers(open_model(server.url, fim_template=template), Request("a{suffix}", "{prefix}b"))
        assert server.asked[-1][1]["prompt"] == "<P>a{suffix}<S>{prefix}b<M>"
        assert "suffix" not in server.asked[-1][1]


@pytest.mark.parametrize(
    ("status", "request_", "advice"),
    [
        (404, Request("x"), "chat alone cannot be measured"),
        (401, Request("x"), "api_key_env, now not set"),
        (400, Request("x", "y"), "fim_template"),
    ],
)
def test_a_refusal_is_told_in_the_servers_words(status: int, request_: Request, advice: str) -> None:
    with misbehaving(lambda *_: said({"error": {"message": "not here"}}, status)) as server:
        with pytest.raises(EvaluationError, match=f"refuses to complete this \\({status}: not here\\)") as caught:
            answers(open_model(server.url), request_)
        assert server.url in str(caught.value)
        assert advice in str(caught.value)
        assert len(server.asked) == 2


def test_the_key_is_sent_and_never_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", SECRET)
    for status in (403, 500):
        with misbehaving(lambda *_, status=status: said({"error": f"key {SECRET} is bad"}, status)) as server:
            opened = open_model(server.url, api_key_env="TEST_KEY", attempts=2)
            with pytest.raises(OwnlmError) as caught:
                answers(opened, Request("x"))
            assert server.headers[-1]["Authorization"] == f"Bearer {SECRET}"
        assert SECRET not in str(caught.value) + repr(opened.identity)
        assert "***" in str(caught.value)
    monkeypatch.setenv("TEST_KEY", "")
    with pytest.raises(EvaluationError, match="TEST_KEY holds no key"):
        open_model("http://127.0.0.1:9/v1", api_key_env="TEST_KEY")
    with pytest.raises(EvaluationError, match="without user, password") as refused:
        open_model(f"http://ann:{SECRET}@127.0.0.1:9/v1")
    assert SECRET not in str(refused.value)


def test_a_model_the_server_does_not_have() -> None:
    with misbehaving(lambda *_: completion()) as server:
        with pytest.raises(EvaluationError, match="has no model 'n'") as caught:
            open_model(server.url, model="n")
        assert "m" in (caught.value.advice or "")


@pytest.mark.parametrize(
    ("choice", "why"),
    [
        ({"text": "c", "logprobs": {}}, "echo"),
        ({"text": "abc", "logprobs": None}, "echo"),
        ({"text": "abc", "logprobs": {"token_logprobs": [1], "text_offset": []}}, "laid out"),
        ({"text": "abc", "logprobs": {"token_logprobs": [-1.0], "text_offset": [2]}}, "longer than its context"),
        ({"text": "abc", "logprobs": {"token_logprobs": [None], "text_offset": [0]}}, "first token"),
    ],
)
def test_a_server_that_tells_no_probabilities(choice: dict[str, object], why: str) -> None:
    with misbehaving(lambda *_: said({"choices": [choice]})) as server:
        opened = open_model(server.url)
        with pytest.raises(EvaluationError, match=f"does not tell the probability of a text: .*{why}"):
            likelihoods(opened, ("a", "bc"))


def test_a_server_that_must_generate_a_token_is_asked_for_one_that_does_not_count() -> None:
    def reply(path: str, body: dict[str, Any], count: int) -> Reply:
        if body["max_tokens"] == 0:
            return said({"message": "max_tokens must be at least 1"}, 400)
        told = {"token_logprobs": [None, -2.0, -4.0, -9.0], "text_offset": [0, 1, 2, 3]}
        return said({"choices": [{"text": "abcd", "logprobs": told}]})

    with misbehaving(reply) as server:
        assert likelihoods(open_model(server.url), ("a", "bc")) == pytest.approx([-6.0 / 0.6931471805599453])


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b'{"error": {"message": "no\\nway"}}', "no way"),
        (b'{"detail": "gone"}', "gone"),
        (b"<html>bad  gateway</html>", "<html>bad gateway</html>"),
        (b"\xff", "\ufffd"),
        (b"[1]", "[1]"),
        (b"", ""),
    ],
)
def test_what_an_error_says(raw: bytes, text: str) -> None:
    assert message_of(raw) == text


def test_waits_that_servers_ask_for() -> None:
    assert asked_wait({"retry-after": "2.5"}) == 2.5
    assert asked_wait({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0
    assert asked_wait({"retry-after": "soon"}) is None
    assert asked_wait({"retry-after": "-3"}) is None
    assert asked_wait({}) is None
