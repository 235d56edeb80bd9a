"""The page that shows two versions side by side, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from ownlm.live.feedback.event import CompletionEvent, ServedCompletion
from ownlm.serve.app import app_for
from ownlm.serve.call import Caller
from ownlm.serve.config import ServeConfig
from ownlm.serve.model import ServedModel
from ownlm.serve.routing import Route
from tests.serve import browser as browsers
from tests.serve.browser import Browser, browser
from tests.serve.running import running_app
from tests.serve.scripted import ScriptedEngine

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(browsers.missing() is not None, reason=browsers.missing() or ""),
]
TEXTS = {"export-old": "old = []", "export-new": "new = list(</script>)"}


class ByVersion:
    """Everybody gets the version asked for."""

    def route(self, caller: Caller, asked: str) -> Route:
        return Route(asked)

    def names(self, caller: Caller) -> Sequence[str]:
        return list(TEXTS)


class Kept:
    def __init__(self) -> None:
        self.completions: dict[str, ServedCompletion] = {}
        self.events: list[CompletionEvent] = []

    def lost(self) -> int:
        return 0

    def served(self, completion: ServedCompletion) -> None:
        self.completions[completion.id] = completion

    def event(self, event: CompletionEvent) -> None:
        self.events.append(event)


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def page(model: ServedModel, kept: Kept, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    models = []
    for version, text in TEXTS.items():
        engine = ScriptedEngine(model.vocabulary)
        engine.say(text)
        models.append(replace(model, version=version, engine=engine))
    app = app_for(models[0], ServeConfig(), router=ByVersion(), feedback=kept)
    app.state.gateway.versions.add(models[1])
    with running_app(app) as url, browser(tmp_path_factory.mktemp("profile")) as chromium:
        chromium.open(f"{url}/compare")
        chromium.eventually(lambda: chromium.run("return document.querySelectorAll('#one option').length") == 2)
        yield chromium
        assert chromium.console() == []


def test_a_blind_vote_becomes_the_events_an_editor_would_send(page: Browser, kept: Kept) -> None:
    page.click("#ask")
    page.eventually(lambda: page.text("#say").startswith("Which one"))
    shown = {side: page.text(f"#{side} ins") for side in ("left", "right")}
    assert sorted(shown.values()) == sorted(TEXTS.values())
    assert [page.text("#left-name"), page.text("#right-name")] == ["Left", "Right"]  # blind
    better = "left" if shown["left"] == TEXTS["export-new"] else "right"
    page.click(f"#{better}-vote")
    page.eventually(lambda: page.text("#say").startswith("Kept"))
    assert page.text(f"#{better}-name") == "export-new"
    told = [(event.kind, kept.completions[event.completion].origin.version) for event in kept.events]
    assert sorted(told) == [
        ("dismiss", "export-old"),
        ("select", "export-new"),
        ("view", "export-new"),
        ("view", "export-old"),
    ]
    assert page.text("#tally") == "export-new 1 : 0 export-old, no difference 0"


def test_no_difference_is_two_views_and_no_preference(page: Browser, kept: Kept) -> None:
    page.click("#ask")
    page.eventually(lambda: page.text("#say").startswith("Which one"))
    page.click("#tie-vote")
    page.eventually(lambda: page.text("#say").startswith("Kept"))
    assert [event.kind for event in kept.events] == ["view", "view"]
