"""`ownlm serve keys`: what it writes, shows and refuses; and that `ownlm serve RUN` still is `ownlm serve run RUN`."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ownlm.cli import app
from ownlm.errors import InputError, OwnlmError, RecipeError
from ownlm.serve.authentication import KeyFile
from ownlm.serve.keys import read_keys
from ownlm.serve.protocols.errors import ApiError
from ownlm.serving_commands import duration_s, run_and_settings


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "keys.json"


def keys(file: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["serve", "keys", arguments[0], *arguments[1:], "--file", str(file)])


def token_in(done: Result) -> str:
    assert done.exit_code == 0, done.output
    found = re.search(r"ownlm_\w{12}_[\w-]{43}", done.output)
    assert found is not None
    return found[0]


def test_a_key_is_shown_once_and_kept_hashed_where_only_its_owner_reads(file: Path) -> None:
    token = token_in(keys(file, "add", "laptop", "--scope", "complete", "--user", "anna", "--channel", "staff"))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert token.rpartition("_")[2] not in file.read_text()
    listed = keys(file, "list").output
    assert re.search(r"laptop\s+anna\s+complete\s+staff\s+\d{4}-\d\d-\d\d\s+good", listed)
    assert token not in listed
    caller = KeyFile(file).caller(token)
    assert (caller.user, caller.key, caller.channel, caller.scopes) == ("anna", "laptop", "staff", {"complete"})


def test_rotate_and_revoke(file: Path) -> None:
    first = token_in(keys(file, "add", "k", "--expires", "90d", "--no-text"))
    second = token_in(keys(file, "rotate", "k"))
    known = KeyFile(file)
    assert known.caller(first) == known.caller(second)
    assert not known.caller(first).keep_text
    assert "rotated" in keys(file, "list").output
    third = token_in(keys(file, "rotate", "k", "--grace", "0d"))
    with pytest.raises(ApiError, match="replaced by a newer one"):
        known.caller(second)
    with pytest.raises(ApiError, match="not known"):
        known.caller(first)
    assert known.caller(third).key == "k"
    assert keys(file, "revoke", "k").exit_code == 0
    with pytest.raises(ApiError, match="revoked"):
        known.caller(third)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["add", "k", "--scope", "everything"], RecipeError),
        (["add", "k", "--expires", "soon"], RecipeError),
        (["add", "no spaces"], RecipeError),
        (["rotate", "nobody"], InputError),
        (["revoke", "nobody"], InputError),
        (["list"], InputError),
    ],
)
def test_what_is_refused(file: Path, arguments: list[str], error: type[OwnlmError]) -> None:
    done = keys(file, *arguments)
    assert isinstance(done.exception, error)


def test_a_name_is_given_once(file: Path) -> None:
    keys(file, "add", "k")
    assert isinstance(keys(file, "add", "k").exception, InputError)
    assert len(read_keys(file)) == 1


@pytest.mark.parametrize(("text", "seconds"), [("90d", 7_776_000), ("12h", 43_200), ("5m", 300), ("0d", 0)])
def test_durations(text: str, seconds: float) -> None:
    assert duration_s(text, "--expires") == seconds


@pytest.mark.parametrize("arguments", [[], ["run"], ["--port", "0"], ["small", "--watch", "nowhere"]])
def test_what_is_no_command_is_a_run(tmp_path: Path, arguments: list[str]) -> None:
    done = CliRunner().invoke(app, ["serve", *arguments, "--home", str(tmp_path)])
    assert isinstance(done.exception, InputError)
    assert "ownlm run" in str(done.exception)


def test_a_folder_that_is_not_there_is_not_watched(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["serve", "--watch", str(tmp_path / "none"), "--home", str(tmp_path)])
    assert isinstance(done.exception, InputError)
    assert "watch" in str(done.exception)


@pytest.mark.parametrize(
    ("words", "run", "settings"),
    [
        ((), None, ()),
        (("small",), "small", ()),
        (("serve.port=0",), None, ("serve.port=0",)),
        (("small", "serve.port=0", "serve.queue=9"), "small", ("serve.port=0", "serve.queue=9")),
    ],
)
def test_a_run_and_settings(words: tuple[str, ...], run: str | None, settings: tuple[str, ...]) -> None:
    assert run_and_settings(words) == (run, settings)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("serve.queues=9", "queue"),
        ("serve.queue=many", "command line: serve.queue=many"),
        ("train.steps=9", "Only settings of serving"),
        ("more", "Only settings of serving"),
    ],
)
def test_a_setting_that_is_none_is_refused(tmp_path: Path, setting: str, said: str) -> None:
    words = ["serve", "serve.port=0", setting, "--watch", str(tmp_path), "--home", str(tmp_path)]
    done = CliRunner().invoke(app, words)
    assert isinstance(done.exception, RecipeError)
    assert said in str(done.exception)
