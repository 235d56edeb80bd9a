"""Tabby's published agent (npm tabby-agent), the program behind its editor plugins, against the gateway.

As a library it completes and tells events; as a language server over stdio it is what an editor starts. The engine says
what the test wants: the agent drops completions it does not find useful.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ownlm.live.feedback.open import open_feedback
from ownlm.serve.app import app_for
from ownlm.serve.config import ServeConfig
from ownlm.serve.feedback import FeedbackConfig
from ownlm.serve.keys import Key, new_secret, write_keys
from ownlm.serve.model import ServedModel
from tests.serve.protocols.asking import engine_of, prompt_text
from tests.serve.running import running_app

NODE = shutil.which("node")
AGENT = Path(__file__).resolve().parents[3] / ".clients/node/node_modules/tabby-agent"
pytestmark = [
    pytest.mark.skipif(NODE is None, reason="node is not installed"),
    pytest.mark.skipif(not AGENT.is_dir(), reason="tabby-agent is not installed (scripts/test installs it)"),
]

CODE = "def area(radius):\n    return "
SAID = "math.pi * radius**2"
LIBRARY = """
const { TabbyAgent } = require(process.argv[1]);
const asked = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
(async () => {
  const agent = new TabbyAgent();
  await agent.initialize({ config: asked.config, clientProperties: {} });
  const said = { status: agent.getStatus(), health: agent.getServerHealthState() };
  if (said.status !== "ready") {
    process.stdout.write(JSON.stringify(said), () => process.exit(0));
    return;
  }
  said.completion = await agent.provideCompletions(asked.request);
  said.stored = [];
  for (const event of asked.events) {
    said.stored.push(await agent.postEvent({ completion_id: said.completion.id, ...event }));
  }
  for (let tries = 0; tries < 3000 && !agent.serverProvidedConfig?.anonymousUsageTracking; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 10));  // it asks for the settings without waiting for them
  }
  said.settings = agent.serverProvidedConfig;
  process.stdout.write(JSON.stringify(said), () => process.exit(0));
})();
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The agent's home folder: its settings, and what it remembers."""
    (tmp_path / "home/.tabby-client/agent").mkdir(parents=True)
    return tmp_path / "home"


@contextmanager
def gateway(model: ServedModel, folder: Path, config: ServeConfig | None = None) -> Iterator[str]:
    feedback = open_feedback(FeedbackConfig(), folder)
    try:
        with running_app(app_for(model, config or ServeConfig(), feedback=feedback)) as url:
            yield url
    finally:
        feedback.close()


def environment(home: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(home)}


def use_library(url: str, home: Path, token: str = "", **asked: Any) -> dict[str, Any]:
    # Its telemetry would leave the machine before the server's settings can turn it off.
    config = {"server": {"endpoint": url, "token": token}, "anonymousUsageTracking": {"disable": True}}
    request = {
        "filepath": "geometry/area.py",
        "language": "python",
        "text": CODE,
        "position": len(CODE),
        "manually": True,
        "declarations": [{"filepath": "math.py", "offset": 0, "text": "pi: float"}],
        "relevantSnippetsFromChangedFiles": [{"filepath": "b.py", "offset": 0, "text": "area(2)\n", "score": 0.5}],
    }
    assert NODE is not None
    said = subprocess.run(
        [NODE, "-e", LIBRARY, str(AGENT)],
        input=json.dumps({"config": config, "request": request, "events": [], **asked}),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=environment(home),
    )
    assert said.returncode == 0, said.stderr
    answer: dict[str, Any] = json.loads(said.stdout)
    return answer


def test_the_agent_completes_and_its_events_are_stored(scripted: ServedModel, home: Path, tmp_path: Path) -> None:
    engine_of(scripted).say(SAID)
    events = [
        {"type": "view", "choice_index": 0, "view_id": "v1"},
        {"type": "select", "choice_index": 0, "view_id": "v1", "elapsed": 900, "select_kind": "line"},
        {"type": "dismiss", "choice_index": 0, "view_id": "v2", "elapsed": 100},
        {"type": "view", "choice_index": 0, "completion_id": "cmpl-unknown"},
    ]
    with gateway(scripted, tmp_path) as url:
        said = use_library(url, home, events=events)
    assert said["status"] == "ready"
    assert said["health"]["model"] == "tiny"
    (choice,) = said["completion"]["choices"]
    assert choice["text"] == SAID
    assert "def area(radius):" in prompt_text(scripted)
    assert said["stored"] == [True, True, True, False]
    (file,) = tmp_path.rglob("*.sqlite3")
    with sqlite3.connect(file) as database:
        kinds = [kind for (kind,) in database.execute("SELECT kind FROM ownlm_events ORDER BY at")]
        (client,) = database.execute("SELECT client FROM ownlm_origins").fetchone()
    assert kinds == ["view", "select", "dismiss"]
    assert client == "node"  # this version names its runtime only
    assert said["settings"] == {"anonymousUsageTracking": {"disable": True}}


def test_the_agent_says_which_editor_it_is_where_its_settings_do(
    scripted: ServedModel, home: Path, tmp_path: Path
) -> None:
    """What docs/editors.md tells people to set: else all editors are called `node`."""
    engine_of(scripted).say(SAID)
    with gateway(scripted, tmp_path) as url:
        server = {"endpoint": url, "token": "", "requestHeaders": {"User-Agent": "tabby-vim"}}
        use_library(url, home, config={"server": server, "anonymousUsageTracking": {"disable": True}})
    (file,) = tmp_path.rglob("*.sqlite3")
    with sqlite3.connect(file) as database:
        assert database.execute("SELECT client FROM ownlm_origins").fetchall() == [("tabby-vim",)]


def test_the_agent_sends_its_key(scripted: ServedModel, home: Path, tmp_path: Path) -> None:
    engine_of(scripted).say(SAID)
    token, secret = new_secret()
    keys = tmp_path / "keys"
    write_keys(keys, (Key(name="k", user="anna", scopes=("complete", "events"), created=0.0, secrets=(secret,)),))
    with gateway(scripted, tmp_path, ServeConfig(keys=str(keys))) as url:
        assert use_library(url, home)["status"] == "unauthorized"
        said = use_library(url, home, token, events=[{"type": "view", "choice_index": 0, "view_id": "v1"}])
    assert (said["status"], said["stored"]) == ("ready", [True])


class LanguageServer:
    """The agent as editors start it: JSON-RPC over its standard input and output."""

    def __init__(self, home: Path) -> None:
        assert NODE is not None
        self._process = subprocess.Popen(
            [NODE, str(AGENT / "dist/cli.js"), "--lsp", "--stdio"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(home),
        )

    def tell(self, method: str, **params: Any) -> None:
        self._send({"method": method, "params": params})

    def ask(self, number: int, method: str, **params: Any) -> Any:
        self._send({"id": number, "method": method, "params": params})
        while True:
            message = self._receive()
            if message.get("id") == number and "method" not in message:
                return message["result"]
            if "id" in message:  # it asks the editor for something; an editor may have nothing
                self._send({"id": message["id"], "result": None})

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        data = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(data), data))
        self._process.stdin.flush()

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        length = 0
        while line := self._process.stdout.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        assert length, "the agent ended"
        message: dict[str, Any] = json.loads(self._process.stdout.read(length))
        return message


def test_an_editor_completes_through_the_agents_language_server(
    scripted: ServedModel, home: Path, tmp_path: Path
) -> None:
    engine_of(scripted).say(SAID)
    with gateway(scripted, tmp_path) as url:
        (home / ".tabby-client/agent/config.toml").write_text(
            f'[server]\nendpoint = "{url}"\n\n[anonymousUsageTracking]\ndisable = true\n'
        )
        server = LanguageServer(home)
        try:
            able = server.ask(1, "initialize", processId=None, rootUri=None, capabilities={})
            assert able["serverInfo"] == {"name": "tabby-agent", "version": "1.5.0"}
            server.tell("initialized")
            document = {"uri": "file:///geometry/area.py", "languageId": "python", "version": 1, "text": CODE}
            server.tell("textDocument/didOpen", textDocument=document)
            said = server.ask(
                2,
                "textDocument/completion",
                textDocument={"uri": document["uri"]},
                position={"line": 1, "character": 11},
                context={"triggerKind": 1},
            )
        finally:
            server.close()
    (item,) = said["items"]
    assert item["textEdit"]["newText"] == SAID
    assert item["data"]["completionId"].startswith("cmpl-")
