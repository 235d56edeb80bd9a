"""The dashboard: its data, and the page in a real browser."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from ownlm.errors import StorageError
from ownlm.serve.app import app_for
from ownlm.serve.config import ServeConfig
from ownlm.serve.dashboard import Bar, Dashboard, Panel
from ownlm.serve.keys import Key, new_secret, write_keys
from ownlm.serve.machine import Machine
from ownlm.serve.model import ServedModel
from ownlm.serve.watch import FolderRouter
from tests.serve import browser as browsers
from tests.serve.browser import browser
from tests.serve.running import running_app
from tests.serve.scripted import ScriptedEngine

HOSTILE = "<img src=x onerror=alert(1)>"


class Acceptance:
    def __init__(self) -> None:
        self.asked = 0

    def panels(self) -> Sequence[Panel]:
        self.asked += 1
        return [
            Panel("Acceptance", ("12 shown.",), (Bar("Python", 0.5, 0.25, 0.75, "8 shown"), Bar(HOSTILE, None))),
        ]


class Broken:
    def panels(self) -> Sequence[Panel]:
        raise StorageError("the store does not answer")


@pytest.fixture
def url(model: ServedModel) -> Iterator[str]:
    served = replace(model, name="dash", engine=ScriptedEngine(model.vocabulary))
    with running_app(app_for(served, ServeConfig(), panels=[Acceptance(), Broken()])) as address:
        yield address


def test_the_data_counts_answers_and_shows_panels(url: str) -> None:
    with httpx.Client(base_url=url, timeout=20) as client:
        for _ in range(3):
            client.post("/v1/completions", json={"model": "dash", "prompt": "x", "max_tokens": 4}).raise_for_status()
        data = client.get("/dashboard/data").json()
    assert data["history"]["minute"]["outcomes"] == {"done": 3, "deadline": 0, "cancelled": 0, "error": 0}
    assert data["history"]["series"]["memory_gb"][-1] > 0
    assert [panel["title"] for panel in data["panels"]] == ["Acceptance", "Not to be had now"]
    assert data["panels"][1]["lines"] == ["the store does not answer"]


def test_stores_are_asked_once_however_many_look(model: ServedModel) -> None:
    source = Acceptance()
    app = app_for(model, ServeConfig())
    dashboard = Dashboard(app.state.gateway, [source])

    async def look() -> None:
        await asyncio.gather(*(dashboard.json() for _ in range(8)))

    asyncio.run(look())
    assert source.asked == 1


def test_the_machine_is_read() -> None:
    times = iter([0.0, 1.0, 2.0])
    machine = Machine(lambda: next(times))
    sum(range(10**6))
    found = machine.read()
    assert found["memory_gb"] > 0.01
    assert found["cores"] >= 0


@pytest.mark.browser
@pytest.mark.skipif(browsers.missing() is not None, reason=browsers.missing() or "")
def test_the_page_draws_it(url: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    httpx.post(f"{url}/v1/completions", json={"model": "dash", "prompt": "x"}).raise_for_status()
    with browser(tmp_path_factory.mktemp("profile")) as page:
        page.open(f"{url}/dashboard")
        page.eventually(lambda: page.run("return document.querySelectorAll('#charts figure').length") >= 8)
        assert page.text("#model") == "dash"
        assert page.run("return document.querySelector('#minute dd').textContent") == "1"
        page.eventually(lambda: page.run("return document.querySelectorAll('.panel').length") == 2)
        label = page.run("return document.querySelectorAll('.panel th')[1].textContent")
        assert label == HOSTILE  # text, not an element
        assert page.run("return document.querySelector('.panel svg').getAttribute('aria-label')") == (
            "Python: 50 %, from 25 % to 75 %"
        )
        assert page.console() == []


@pytest.mark.browser
@pytest.mark.skipif(browsers.missing() is not None, reason=browsers.missing() or "")
def test_the_page_says_what_stands_in_the_way(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    (tmp_path / "ownlm.json").write_text("{")
    app = app_for(None, ServeConfig(), router=FolderRouter(tmp_path, "broken"))
    with running_app(app) as url, browser(tmp_path_factory.mktemp("profile")) as page:
        page.open(f"{url}/dashboard")
        page.eventually(lambda: "description cannot be read" in page.text("#say"))


@pytest.mark.browser
@pytest.mark.skipif(browsers.missing() is not None, reason=browsers.missing() or "")
def test_the_page_asks_once_for_a_key(
    model: ServedModel, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    token, secret = new_secret()
    file = tmp_path / "keys.json"
    write_keys(file, (Key(name="ops", scopes=("metrics",), created=0.0, secrets=(secret,)),))
    served = replace(model, name="dash", engine=ScriptedEngine(model.vocabulary))
    asks = "return document.querySelectorAll('dialog.key').length"
    with (
        running_app(app_for(served, ServeConfig(keys=str(file)))) as url,
        browser(tmp_path_factory.mktemp("profile")) as page,
    ):
        page.open(f"{url}/dashboard")
        page.eventually(lambda: page.run(asks) == 1)
        page.press(browsers.ESCAPE)
        page.eventually(lambda: page.text("#say").endswith("Reload the page to give one."))
        assert page.run(asks) == 0
        page.open(f"{url}/dashboard")
        page.eventually(lambda: page.run(asks) == 1)
        page.press(*token, browsers.ENTER)
        page.eventually(lambda: page.text("#model") == "dash")
        assert page.run("return Object.keys(localStorage).length") == 0
