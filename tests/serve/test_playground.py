"""The playground in a real browser. Make a folder `screenshots` at the root to look at what it looks like."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from ownlm.serve.config import ServeConfig
from ownlm.serve.model import ServedModel
from tests.serve import browser as browsers
from tests.serve.browser import CONTROL, ESCAPE, SPACE, TAB, Browser, browser
from tests.serve.running import eventually, serving
from tests.serve.scripted import ScriptedEngine

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(browsers.missing() is not None, reason=browsers.missing() or ""),
]

BODY = "if n < 2:\n        return n\n    return fibonacci(n - 1) + fibonacci(n - 2)"
COMPLETE = CONTROL + SPACE
SCREENSHOTS = Path(__file__).resolve().parents[2] / "screenshots"


@pytest.fixture(scope="module")
def engine(model: ServedModel) -> ScriptedEngine:
    return ScriptedEngine(model.vocabulary)


@pytest.fixture(scope="module")
def url(model: ServedModel, engine: ScriptedEngine) -> Iterator[str]:
    with serving(replace(model, name="ownlm-2.6m", engine=engine), ServeConfig()) as address:
        yield address


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as chromium:
        yield chromium


@pytest.fixture
def page(opened: Browser, url: str, engine: ScriptedEngine) -> Iterator[Browser]:
    engine.gate, engine.error = None, None
    engine.say(BODY + "\n")
    engine.requests.clear()
    opened.open(url)
    opened.eventually(lambda: opened.text("#model") == "ownlm-2.6m")
    yield opened
    unexpected = [line for line in opened.console() if "/v1/completions" not in line]
    assert unexpected == []


def ghost(page: Browser) -> str:
    return str(page.run("return document.querySelector('#shadow ins')?.textContent ?? ''"))


def suggested(page: Browser, text: str) -> None:
    page.eventually(lambda: ghost(page) == text and page.text("#say").startswith("Tab"))


def test_a_suggestion_is_shown_at_the_cursor_and_accepted(page: Browser, engine: ScriptedEngine) -> None:
    before = page.value("#code")
    page.press(COMPLETE)
    suggested(page, BODY)
    assert page.value("#code") == before  # not a part of the text yet
    assert page.text("#shadow") == before + BODY + "\n"
    page.press(TAB)
    assert page.value("#code") == before + BODY
    assert ghost(page) == ""
    assert page.run("return document.activeElement.id") == "code"
    page.press(CONTROL + "z")  # one step back
    assert page.value("#code") == before
    assert engine.requests[0].prompt[0] == 0


def test_esc_dismisses(page: Browser) -> None:
    before = page.value("#code")
    page.press(COMPLETE)
    suggested(page, BODY)
    page.press(ESCAPE)
    assert ghost(page) == ""
    assert page.value("#code") == before


def test_tab_without_a_suggestion_moves_on(page: Browser) -> None:
    page.press(TAB)
    assert page.run("return document.activeElement.id") == "complete"


def test_typing_and_moving_take_the_suggestion_away(page: Browser) -> None:
    for key in ("x", browsers.END):
        page.click("#examples button:nth-child(1)")
        page.press(COMPLETE)
        suggested(page, BODY)
        page.press(key)
        assert ghost(page) == ""


def test_the_text_after_the_cursor_is_the_suffix(page: Browser, engine: ScriptedEngine, model: ServedModel) -> None:
    engine.say("self.items.append(item)")
    page.click("#examples button:nth-child(3)")
    page.run("document.querySelector('#order').value = 'prefix_first'")
    page.click("#complete")
    suggested(page, "self.items.append(item)")
    prompt = model.vocabulary.decode(engine.requests[-1].prompt)
    assert prompt.startswith("<|fim_prefix|>class Stack:")
    assert prompt.endswith("return self.items.pop()\n<|fim_middle|>")
    page.click("#accept")
    assert "        self.items.append(item)\n\n    def pop" in page.value("#code")


def test_the_text_is_what_an_editor_is_given_or_all_the_model_says(page: Browser, engine: ScriptedEngine) -> None:
    said = "return n\n\n\ndef other():\n    return 1\n"
    engine.say(said)
    page.click("#complete")
    suggested(page, "return n")
    page.click("#trim")
    page.click("#complete")
    suggested(page, said)


def test_nothing_but_blanks_is_no_suggestion(page: Browser, engine: ScriptedEngine) -> None:
    engine.say("        \n    ")
    page.press(COMPLETE)
    page.eventually(lambda: "nothing to add" in page.text("#say"))
    assert ghost(page) == ""
    assert page.run("return document.querySelector('#accept').disabled")


def test_settings_are_sent(page: Browser, engine: ScriptedEngine) -> None:
    page.run(
        "for (const [id, value] of [['temperature', 0.5], ['max-tokens', 16]]) {"
        " const field = document.getElementById(id); field.value = value; field.dispatchEvent(new Event('input')); }"
    )
    assert page.text("#temperature-value") == "0.5"
    page.click("#complete")
    page.eventually(lambda: bool(ghost(page)))
    assert (engine.requests[-1].temperature, engine.requests[-1].max_tokens) == (0.5, 16)


def test_one_line_stops_the_generation_there(page: Browser, engine: ScriptedEngine) -> None:
    engine.say("if n < 2:\n" + "    x = 1\n" * 40)
    engine.steps = 0
    page.click("#line")
    page.press(TAB)
    page.click("#complete")
    suggested(page, "if n < 2:")


def test_measurements_are_shown(page: Browser) -> None:
    page.click("#complete")
    suggested(page, BODY)
    assert page.text("#first").endswith("ms")
    assert page.text("#total").endswith("ms")
    assert int(page.text("#tokens")) > 10
    assert page.text("#speed").endswith("tokens/s")


def test_dismissing_stops_the_server(page: Browser, engine: ScriptedEngine, url: str) -> None:
    engine.gate = threading.Event()
    engine.ended.clear()
    page.press(COMPLETE)
    eventually(lambda: "ownlm_jobs_running 1.0" in httpx.get(f"{url}/metrics").text)
    before = engine.steps
    page.press("y")  # typing makes the answer useless
    eventually(lambda: "ownlm_requests_in_flight 1.0" in httpx.get(f"{url}/metrics").text)
    engine.gate.set()
    assert engine.ended.wait(5)
    assert engine.steps <= before + 2


def test_errors_are_shown(page: Browser, engine: ScriptedEngine) -> None:
    engine.error = RuntimeError("boom")
    page.press(COMPLETE)
    page.eventually(lambda: "Internal error" in page.text("#say"))
    assert page.run("return document.querySelector('#say').className") == "bad"


def test_code_is_never_markup(page: Browser, engine: ScriptedEngine) -> None:
    page.click("#trim")  # which takes markers out
    engine.say("<img src=x onerror=alert(1)><|fim_prefix|>")
    page.click("#complete")
    suggested(page, "<img src=x onerror=alert(1)><|fim_prefix|>")
    assert page.run("return document.querySelectorAll('#shadow img').length") == 0


def test_every_control_has_a_name(page: Browser) -> None:
    unnamed = page.run(
        "return [...document.querySelectorAll('button, input, select, textarea')].filter((control) =>"
        " !(control.labels?.length || control.textContent.trim() || control.ariaLabel)).map((control) => control.id)"
    )
    assert unnamed == []


def test_suggestion_and_text_lie_on_top_of_each_other(page: Browser) -> None:
    """The caret is the textarea's, the letters are the shadow's: their metrics must be equal."""
    style = (
        "const of = (id) => { const s = getComputedStyle(document.getElementById(id));"
        " return ['font', 'lineHeight', 'padding', 'tabSize', 'whiteSpace', 'letterSpacing'].map((name) => s[name]); };"
    )
    assert page.run(f"{style} return of('shadow')") == page.run(f"{style} return of('code')")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1280, 900), (480, 1400)], ids=["wide", "narrow"])
def test_nothing_sticks_out(page: Browser, engine: ScriptedEngine, dark: bool, width: int, height: int) -> None:
    page.dark(dark)
    page.resize(width, height)
    page.click("#examples button:nth-child(3)" if dark else "#examples button:nth-child(1)")
    engine.say("self.items.append(item)" if dark else BODY)
    page.click("#complete")
    page.eventually(lambda: page.text("#say").startswith("Tab"))
    if SCREENSHOTS.is_dir():
        name = f"playground-{'dark' if dark else 'light'}-{width}.png"
        (SCREENSHOTS / name).write_bytes(page.screenshot())
    assert page.run("return document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    page.resize(1280, 860)
    page.dark(False)
