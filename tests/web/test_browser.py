"""Reports in headless Chromium: they draw, say nothing on the console, and ask nobody for anything."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ownlm.web.page import Page
from tests.web.pages import full_page, page_of
from tests.web.test_run_page import written

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")]
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--hide-scrollbars",
]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, str, list[str]]]:
    """A folder, its address, and the paths asked for."""
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(tmp_path / "site"))

        def log_message(self, *_: Any) -> None:
            asked.append(self.path)

    (tmp_path / "site").mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield tmp_path / "site", f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()
    thread.join()


def browse(address: str, profile: Path, *more: str) -> tuple[str, str]:
    """The page's elements after loading, and what it said on the console."""
    assert CHROMIUM is not None
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", *more, address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


def test_a_report_renders_without_a_word_on_the_console(site: tuple[Path, str, list[str]], tmp_path: Path) -> None:
    folder, address, asked = site
    full_page().write(folder / "report.html")
    dom, console = browse(f"{address}/report.html", tmp_path / "profile", "--dump-dom")
    assert console == ""
    assert asked == ["/report.html"]
    assert len(re.findall(r"<svg class=\"chart\"", dom)) == 6
    assert "<polyline" in dom
    assert "Largest files" in dom


def test_hostile_text_runs_nothing(site: tuple[Path, str, list[str]], tmp_path: Path) -> None:
    folder, address, asked = site
    hostile = (
        "<script>document.title='owned'</script><img src=/stolen onerror=document.title='owned'></style></title>"
        "</svg></pre>\"'><iframe src=/stolen>"
    )
    page_of(hostile, 2.0).write(folder / "report.html")
    dom, console = browse(f"{address}/report.html", tmp_path / "profile", "--dump-dom")
    assert console == ""
    assert asked == ["/report.html"]
    assert "<title>owned" not in dom
    assert not re.search(r"<(script|img|iframe)", dom)


def test_light_and_dark_differ(site: tuple[Path, str, list[str]], tmp_path: Path) -> None:
    folder, address, _ = site
    Page("Colours", "in both").write(folder / "report.html")
    shots = []
    for name, scheme in (("dark", "0"), ("light", "1")):
        shot = tmp_path / f"{name}.png"
        scheme_flag = f"--blink-settings=preferredColorScheme={scheme}"
        browse(f"{address}/report.html", tmp_path / name, scheme_flag, "--window-size=400,300", f"--screenshot={shot}")
        shots.append(shot.read_bytes())
    assert shots[0] != shots[1]


def test_the_index_of_a_run_renders(site: tuple[Path, str, list[str]], tmp_path: Path) -> None:
    folder, address, asked = site
    (folder / "run.html").write_text(written(tmp_path), encoding="utf-8")
    dom, console = browse(f"{address}/run.html", tmp_path / "profile", "--dump-dom")
    assert console == ""
    assert asked == ["/run.html"]
    assert dom.count('class="step') == 5
