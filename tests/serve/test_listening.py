"""Who may reach a gateway, the socket it listens on, and the address people are told."""

from __future__ import annotations

import socket

import pytest

from ownlm.errors import ServerError
from ownlm.serve.config import ServeConfig
from ownlm.serve.listening import address, bind, check_open


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "box.example"])
def test_other_machines_may_ask_only_with_keys_or_by_a_word_of_the_operator(host: str) -> None:
    with pytest.raises(ServerError, match="without an API key") as caught:
        check_open(ServeConfig(host=host))
    assert "without_keys" in str(caught.value.advice)
    check_open(ServeConfig(host=host, keys="keys.json"))
    check_open(ServeConfig(host=host, without_keys=True))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "::1", "localhost"])
def test_this_machine_may_always_ask(host: str) -> None:
    check_open(ServeConfig(host=host))


@pytest.mark.parametrize("host", ["no.such.host.invalid", "203.0.113.7"])
def test_an_address_that_is_not_ours_is_an_error(host: str) -> None:
    with pytest.raises(ServerError) as caught:
        bind(host, 0)
    assert "127.0.0.1" in str(caught.value.advice)


def test_answers_are_not_held_back_by_nagle() -> None:
    """asyncio sets TCP_NODELAY on accepted sockets only if the listening one says that it is TCP."""
    with bind("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.proto == socket.IPPROTO_TCP


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:1"),
        ("0.0.0.0", "http://127.0.0.1:1"),
        ("::1", "http://[::1]:1"),
        ("box", "http://box:1"),
    ],
)
def test_addresses(host: str, url: str) -> None:
    assert address(host, 1) == url
