"""What every answer of the application keeps to: methods, sizes, hosts, origins, policies, reports, metrics."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from ownlm.serve.app import app_for
from ownlm.serve.config import ServeConfig
from ownlm.serve.guard import host_name
from ownlm.serve.model import ServedModel

BODY = {"model": "tiny", "prompt": "x"}


def ask(model: ServedModel, method: str, path: str, *, reports: Path | None = None, **more: object) -> httpx.Response:
    config = more.pop("config", ServeConfig())
    base = more.pop("base_url", "http://localhost:8080")

    async def send() -> httpx.Response:
        app = app_for(model, config, reports=reports)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=str(base)) as client:
            return await client.request(method, path, **more)  # type: ignore[arg-type]

    return asyncio.run(send())


def refused(answer: httpx.Response, status: int) -> dict:
    assert answer.status_code == status
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    return error


def test_health_says_who_is_there(scripted: ServedModel) -> None:
    answer = ask(scripted, "GET", "/health").json()
    assert answer["status"] == "ok"
    assert (answer["model"], answer["context"]) == ("tiny", 256)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/completions", 405),
        ("DELETE", "/v1/completions", 405),
        ("POST", "/v1/models", 405),
        ("GET", "/nothing", 404),
        ("GET", "/v1/models/other", 404),
        ("GET", "/report/", 404),
    ],
)
def test_wrong_places_and_methods(scripted: ServedModel, method: str, path: str, status: int) -> None:
    answer = ask(scripted, method, path)
    refused(answer, status)
    if status == 405:
        assert answer.headers["allow"]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_what_a_foreign_page_may_send_without_asking_is_refused(scripted: ServedModel, kind: str) -> None:
    answer = ask(scripted, "POST", "/v1/completions", content=json.dumps(BODY), headers={"content-type": kind})
    refused(answer, 415)


def test_large_bodies_are_refused_before_they_are_read(scripted: ServedModel) -> None:
    config = ServeConfig(max_body_mb=0.01)
    big = {**BODY, "prompt": "x" * 20_000}
    assert refused(ask(scripted, "POST", "/v1/completions", json=big, config=config), 413)["code"] == "body_too_large"

    async def parts():  # no Content-Length
        yield b'{"prompt": "'
        for _ in range(30):
            yield b"x" * 1000

    kind = {"content-type": "application/json"}
    refused(ask(scripted, "POST", "/v1/completions", content=parts(), headers=kind, config=config), 413)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8080", "[::1]:8080", "LOCALHOST:1", "localhost."])
def test_loopback_names_are_ours(scripted: ServedModel, host: str) -> None:
    assert ask(scripted, "GET", "/health", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "localhost.evil.example", "", "[", "192.168.0.9"])
def test_foreign_names_are_refused(scripted: ServedModel, host: str) -> None:
    assert refused(ask(scripted, "GET", "/health", headers={"host": host}), 403)["code"] == "unknown_host"


def test_names_and_addresses_can_be_allowed(scripted: ServedModel) -> None:
    named = ServeConfig(allowed_hosts=["Box.example"])
    assert ask(scripted, "GET", "/health", headers={"host": "box.example:80"}, config=named).status_code == 200
    everywhere = ServeConfig(host="0.0.0.0")
    assert ask(scripted, "GET", "/health", headers={"host": "192.168.0.9:80"}, config=everywhere).status_code == 200
    assert ask(scripted, "GET", "/health", headers={"host": "evil.example"}, config=everywhere).status_code == 403


def test_only_our_own_origin_may_ask(scripted: ServedModel) -> None:
    foreign = {"origin": "https://evil.example"}
    answer = ask(scripted, "POST", "/v1/completions", json=BODY, headers=foreign)
    assert refused(answer, 403)["code"] == "foreign_origin"
    assert refused(ask(scripted, "GET", "/health", headers={"origin": "null"}), 403)
    own = {"origin": "http://localhost:8080"}
    answer = ask(scripted, "POST", "/v1/completions", json=BODY, headers=own)
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    ("header", "name"), [("a:1", "a"), ("[::1]:1", "::1"), ("A.B", "a.b"), ("", ""), ("[", ""), ("a:b:c", "a")]
)
def test_host_names(header: str, name: str) -> None:
    assert host_name(header) == name


def test_the_playground_is_whole_and_loads_nothing_from_elsewhere(scripted: ServedModel) -> None:
    page = ask(scripted, "GET", "/")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert page.headers["x-content-type-options"] == "nosniff"
    linked = re.findall(r'(?:src|href)="(/[^"]+\.(?:js|css))"', page.text)
    assert linked
    for path in [*linked, "/editor.js"]:
        file = ask(scripted, "GET", path)
        assert file.status_code == 200
        assert "http://" not in file.text
        assert "https://" not in file.text
    assert "http" not in page.text
    assert "style=" not in page.text
    assert "onclick" not in page.text


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    folder = tmp_path / "reports"
    (folder / "train").mkdir(parents=True)
    (folder / "index.html").write_text("<style>p{color:red}</style><p>run</p>")
    (folder / "train" / "index.html").write_text("<p>train</p>")
    (folder / "metrics.jsonl").write_text("{}")
    (folder / ".hidden.html").write_text("no")
    (tmp_path / "outside.html").write_text("no")
    (folder / "link.html").symlink_to(tmp_path / "outside.html")
    return folder


@pytest.mark.parametrize(
    ("path", "text"), [("/report/", "run"), ("/report/train/", "train"), ("/report/train/index.html", "train")]
)
def test_reports_are_shown(scripted: ServedModel, reports: Path, path: str, text: str) -> None:
    answer = ask(scripted, "GET", path, reports=reports)
    assert answer.status_code == 200
    assert text in answer.text
    assert "script-src" not in answer.headers["content-security-policy"]
    assert "default-src 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    "path",
    [
        "metrics.jsonl",
        ".hidden.html",
        "link.html",
        "../outside.html",
        "%2e%2e/outside.html",
        "..%2foutside.html",
        "none",
    ],
)
def test_nothing_else_of_the_folder_is(scripted: ServedModel, reports: Path, path: str) -> None:
    answer = ask(scripted, "GET", f"/report/{path}", reports=reports)
    assert answer.status_code == 404
    assert answer.text != "no"


def test_reports_are_read_only(scripted: ServedModel, reports: Path) -> None:
    assert ask(scripted, "PUT", "/report/index.html", reports=reports).status_code == 405


def test_metrics_count(scripted: ServedModel) -> None:
    async def use() -> str:
        app = app_for(scripted, ServeConfig())
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            await client.post("/v1/completions", json={**BODY, "prompt": "ab", "max_tokens": 3})
            await client.post("/v1/completions", json={**BODY, "n": "two"})
            await client.get("/secret/path")
            return (await client.get("/metrics")).text

    text = asyncio.run(use())
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    path = ("path", "/v1/completions")
    assert samples["ownlm_requests_total", path, ("status", "200")] == 1
    assert samples["ownlm_requests_total", path, ("status", "400")] == 1
    assert samples["ownlm_requests_total", ("path", "other"), ("status", "404")] == 1
    assert samples["ownlm_request_seconds_count", path] == 2
    assert samples["ownlm_first_token_seconds_count",] == 1
    assert samples["ownlm_generated_tokens_total",] == len(scripted.engine.ids[:3])  # type: ignore[attr-defined]
    assert samples["ownlm_prompt_tokens_total",] >= 2
    assert samples["ownlm_requests_in_flight",] == 1  # the one that asks
    assert "secret" not in text
