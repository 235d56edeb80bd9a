"""API keys: what is kept, who is let in, what a changed, broken or missing file does; over HTTP in each protocol."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
import stat
import threading
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from ownlm.errors import InputError, StorageError
from ownlm.serve.app import app_for
from ownlm.serve.authentication import KeyFile, NoKeys, allowed, scope_of, token_of
from ownlm.serve.call import Caller
from ownlm.serve.config import ServeConfig
from ownlm.serve.keys import Key, Secret, added, changing, new_secret, read_keys, revoked, rotated, write_keys
from ownlm.serve.model import ServedModel
from ownlm.serve.protocols.errors import ApiError

DAY = 86_400.0


def key(name: str = "k", **more: object) -> tuple[str, Key]:
    token, secret = new_secret()
    fields = {"user": "anna", "scopes": ("complete",), "created": 0.0, "secrets": (secret,), **more}
    return token, Key(name=name, **fields)  # type: ignore[arg-type]


def refusal(keys: KeyFile, token: str) -> str:
    with pytest.raises(ApiError) as caught:
        keys.caller(token)
    assert caught.value.status == 401
    assert caught.value.headers["WWW-Authenticate"].startswith("Bearer")
    return str(caught.value.code)


def test_a_good_key_says_who_it_is(tmp_path: Path) -> None:
    token, good = key(scopes=("events", "metrics"), channel="staff", keep_text=False)
    write_keys(tmp_path / "keys", (good,))
    assert KeyFile(tmp_path / "keys").caller(token) == Caller(
        "anna", "k", frozenset({"events", "metrics"}), "staff", keep_text=False
    )


def test_admin_may_do_everything(tmp_path: Path) -> None:
    token, good = key(scopes=("admin",))
    write_keys(tmp_path / "keys", (good,))
    caller = KeyFile(tmp_path / "keys").caller(token)
    for scope in ("complete", "events", "metrics", "admin"):
        allowed(caller, scope)
    with pytest.raises(ApiError, match="admin") as caught:
        allowed(Caller(scopes=frozenset({"complete"})), "admin")
    assert caught.value.status == 403


@given(st.text(max_size=80), st.integers(0, 70), st.characters(codec="utf-8"))
def test_no_other_token_is_good(noise: str, place: int, character: str) -> None:
    token, good = key()
    keys = object.__new__(KeyFile)
    keys._entries = {good.secrets[0].id: type("Entry", (), {"key": good, "secret": good.secrets[0]})()}
    keys._refresh, keys._clock = lambda: None, lambda: 0.0  # type: ignore[method-assign]
    assert keys.caller(token).key == "k"
    for other in (noise, token[:place] + character + token[place + 1 :]):
        if other != token:
            with pytest.raises(ApiError):
                keys.caller(other)


def test_expired_revoked_and_replaced_keys_are_told_apart_only_by_who_has_them(tmp_path: Path) -> None:
    path, now = tmp_path / "keys", [0.0]
    expiring, first = key("first", expires=DAY)
    turning, second = key("second")
    gone, third = key("third")
    keys = (first, second, third)
    _, secret = new_secret()
    write_keys(path, revoked(rotated(keys, "second", secret, DAY), "third", 5.0))
    known = KeyFile(path, clock=lambda: now[0])
    assert known.caller(expiring).key == "first"
    assert known.caller(turning).key == "second"
    now[0] = DAY
    assert refusal(known, expiring) == refusal(known, turning) == "expired_api_key"
    assert refusal(known, gone) == "revoked_api_key"
    assert refusal(known, "") == "missing_api_key"
    for token in (expiring, turning, gone):
        assert refusal(known, token[:-4] + "AAAA") == "invalid_api_key"


def test_a_key_has_two_secrets_at_most() -> None:
    _, one = key()
    keys: tuple[Key, ...] = (one,)
    for until in (1.0, 2.0, 3.0):
        keys = rotated(keys, "k", new_secret()[1], until)
    assert [secret.until for secret in keys[0].secrets] == [3.0, None]
    with pytest.raises(InputError, match="revoked"):
        rotated(revoked(keys, "k", 1.0), "k", new_secret()[1], 1.0)
    with pytest.raises(InputError, match="already"):
        added(keys, one)


def test_the_file_is_read_again_when_it_changes_and_kept_when_it_breaks(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    (old, first), (new, second) = key("first"), key("second")
    write_keys(path, (first,))
    known = KeyFile(path)
    assert refusal(known, new) == "invalid_api_key"
    write_keys(path, (first, second))
    assert known.caller(new).key == "second"
    path.write_text("{")
    assert known.caller(old).key == "first"
    assert "no file of API keys" in known.problem
    write_keys(path, (second,))
    assert refusal(known, old) == "invalid_api_key"
    assert known.problem == ""
    path.unlink()
    assert refusal(known, new) == "invalid_api_key"


@pytest.mark.parametrize(
    "text", ["", "[]", "{}x", '{"format": 2}', '{"format": 1, "keys": [{"name": "x"}]}', '{"format": 1, "more": 1}']
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(InputError, match="no file of API keys"):
        KeyFile(path)


def test_a_hash_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="hash"):
        Secret(id="0" * 12, salt="0" * 32, hash="no hash")


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    write_keys(path, ())
    path.chmod(0o640)
    with pytest.raises(InputError, match="others may read") as caught:
        KeyFile(path)
    assert "chmod 600" in str(caught.value.advice)


def test_writing_is_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "keys"
    write_keys(path, (key()[1],))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space"):
        write_keys(path, ())
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["keys"]


def test_changes_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    path = tmp_path / "keys"

    def add(number: int) -> None:
        with changing(path) as before:
            write_keys(path, added(before, key(f"k{number}")[1]))

    threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {one.name for one in read_keys(path)} == {f"k{number}" for number in range(8)}


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ({"Authorization": "Bearer abc"}, "abc"),
        ({"Authorization": "bearer  abc "}, "abc"),
        ({"X-API-Key": "abc"}, "abc"),
        ({"Authorization": "Basic " + base64.b64encode(b"me:abc").decode()}, "abc"),
        ({"Authorization": "Basic !"}, ""),
        ({"Authorization": "Basic " + base64.b64encode(b"\xff:\xff").decode()}, ""),
        ({"Authorization": "Digest abc"}, ""),
        ({}, ""),
    ],
)
def test_where_a_key_may_be(header: dict[str, str], token: str) -> None:
    assert token_of(Headers(header)) == token


@pytest.mark.parametrize(
    ("path", "scope"),
    [
        ("/v1/completions", "complete"),
        ("/infill", "complete"),
        ("/v1/events", "events"),
        ("/metrics", "metrics"),
        ("/dashboard", ""),
        ("/dashboard/data", "metrics"),
        ("/report/index.html", "admin"),
        ("/reports", "complete"),
        ("/", ""),
        ("/health", ""),
        ("/nothing", "complete"),
    ],
)
def test_scopes_of_addresses(path: str, scope: str) -> None:
    assert scope_of(path) == scope


def test_without_keys_anybody_may_do_everything() -> None:
    assert NoKeys().caller("whatever").scopes == {"complete", "events", "metrics", "admin"}


def ask(
    model: ServedModel, path: Path, token: str, method: str = "POST", at: str = "/v1/completions"
) -> httpx.Response:
    async def send() -> httpx.Response:
        app = app_for(model, ServeConfig(keys=str(path)))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            body = {"json": {"model": "tiny", "prompt": "x"}} if method == "POST" else {}
            return await client.request(method, at, headers=headers, **body)  # type: ignore[arg-type]

    return asyncio.run(send())


@pytest.mark.parametrize(
    "at", ["/v1/completions", "/infill", "/generate", "/v1/fim/completions", "/v1/chat/completions"]
)
def test_an_expired_key_is_told_in_each_protocols_shape(scripted: ServedModel, tmp_path: Path, at: str) -> None:
    token, expired = key(expires=1.0)
    write_keys(tmp_path / "keys", (expired,))
    answer = ask(scripted, tmp_path / "keys", token, at=at)
    assert answer.status_code == 401
    assert "expired on 1970-01-01" in json.dumps(answer.json())
    assert "Bearer" in answer.headers["WWW-Authenticate"]
    shape = {"/infill": ("error",), "/generate": ("error", "error_type")}.get(at)
    if shape is not None:
        assert tuple(answer.json()) == shape


def test_a_good_key_completes_and_nothing_more(
    scripted: ServedModel, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    token, good = key()
    write_keys(tmp_path / "keys", (good,))
    path = tmp_path / "keys"
    with caplog.at_level(logging.DEBUG):
        assert ask(scripted, path, token).status_code == 200
        assert ask(scripted, path, "").status_code == 401
        assert ask(scripted, path, token + "x").status_code == 401
        assert ask(scripted, path, token, "GET", "/metrics").status_code == 403
        for opened_by_people in ("/report/index.html", "/metrics"):
            asked = ask(scripted, path, token, "GET", opened_by_people)
            assert asked.headers["WWW-Authenticate"].startswith("Basic")
        for free in ("/", "/health", "/live"):
            assert ask(scripted, path, "", "GET", free).status_code == 200
    assert token.split("_", 2)[2] not in caplog.text  # base64url: a secret may have "_" in it
