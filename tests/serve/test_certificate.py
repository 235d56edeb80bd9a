"""HTTPS by real handshakes: what is offered, and that a renewed certificate is taken while the gateway runs."""

from __future__ import annotations

import logging
import os
import socket
import ssl
from contextlib import suppress
from ipaddress import IPv4Address
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from ownlm.errors import ServerError
from ownlm.serve.certificate import Certificate, certificate_of
from ownlm.serve.config import ServeConfig
from ownlm.serve.server import running_server
from tests.certificates import self_signed
from tests.serve.running import eventually

HOST = IPv4Address("127.0.0.1")


@pytest.fixture
def pem(tmp_path: Path) -> tuple[Path, Path]:
    """Files of a certificate for 127.0.0.1 and of its key."""
    return written(tmp_path, self_signed(HOST))


def written(folder: Path, pair: tuple[bytes, bytes]) -> tuple[Path, Path]:
    """The certificate's and the key's file, each replaced at once, one after the other."""
    for name, data in zip(("key.pem", "cert.pem"), pair, strict=True):
        (folder / "aside").write_bytes(data)
        (folder / "aside").replace(folder / name)
    return folder / "cert.pem", folder / "key.pem"


def hello(client: ssl.SSLContext, context: ssl.SSLContext) -> bytes:
    """The certificate (DER) that a client is shown, by a handshake in memory."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    asks = client.wrap_bio(to_client, to_server, server_hostname="127.0.0.1")
    answers = context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for one in (asks, answers):
            with suppress(ssl.SSLWantReadError):
                one.do_handshake()
    shown = asks.getpeercert(binary_form=True)
    assert shown is not None
    return shown


def trusting(*certificates: bytes) -> ssl.SSLContext:
    return ssl.create_default_context(cadata="".join(one.decode() for one in certificates))


def der(pem: bytes) -> bytes:
    return ssl.PEM_cert_to_DER_cert(pem.decode())


def shown_by(url: str, client: ssl.SSLContext) -> bytes:
    """The certificate (DER) that a running gateway shows a new connection."""
    place = urlsplit(url)
    assert place.hostname is not None
    with (
        socket.create_connection((place.hostname, place.port or 0), timeout=20) as plain,
        client.wrap_socket(plain, server_hostname=place.hostname) as connection,
    ):
        shown = connection.getpeercert(binary_form=True)
    assert shown is not None
    return shown


def test_https(export_dir: Path, pem: tuple[Path, Path]) -> None:
    config = ServeConfig(port=0, tls_certificate=str(pem[0]), tls_key=str(pem[1]))
    with running_server(export_dir, config) as server:
        assert server.url.startswith("https://127.0.0.1:")
        with httpx.Client(base_url=server.url, verify=ssl.create_default_context(cafile=str(pem[0]))) as client:
            answer = client.post("/v1/completions", json={"model": "tiny", "prompt": "x", "max_tokens": 3})
            assert answer.status_code == 200
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        place = urlsplit(server.url)
        with (
            socket.create_connection((place.hostname or "", place.port or 0), timeout=20) as plain,
            pytest.raises(OSError),
        ):
            old.wrap_socket(plain)


def test_a_renewed_certificate_is_taken_while_requests_go_on(export_dir: Path, tmp_path: Path) -> None:
    """A connection goes on with the certificate it began with; new ones are shown the new one, a bad pair to nobody."""
    first, second = self_signed(HOST), self_signed(HOST)
    cert, key = written(tmp_path, first)
    client = trusting(first[1], second[1])
    config = ServeConfig(port=0, tls_certificate=str(cert), tls_key=str(key))
    body = {"model": "tiny", "prompt": "x", "max_tokens": 3}
    with (
        running_server(export_dir, config) as server,
        httpx.Client(base_url=server.url, verify=client, timeout=60) as before,
    ):
        assert shown_by(server.url, client) == der(first[1])
        assert before.post("/v1/completions", json=body).status_code == 200
        written(tmp_path, second)
        eventually(lambda: shown_by(server.url, client) == der(second[1]))
        assert before.post("/v1/completions", json=body).status_code == 200
        with httpx.Client(base_url=server.url, verify=trusting(second[1]), timeout=60) as after:
            assert after.post("/v1/completions", json=body).status_code == 200


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("named", [True, False])
def test_a_new_pair_is_shown_from_the_next_hello_on(
    tmp_path: Path, version: ssl.TLSVersion, named: bool, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = self_signed("box" if named else HOST), self_signed(HOST)
    certificate = Certificate(*written(tmp_path, first))
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    client.minimum_version = client.maximum_version = version
    certificate.look()
    assert hello(client, certificate.context) == der(first[1])
    written(tmp_path, second)
    assert hello(client, certificate.context) == der(first[1])
    certificate.look()
    assert hello(client, certificate.context) == der(second[1])
    assert not caplog.records


def broken(how: str, folder: Path, new: tuple[bytes, bytes]) -> None:
    """The files of a pair, badly replaced."""
    if how == "cut":
        (folder / "cert.pem").write_bytes(new[1][: len(new[1]) // 2])
    elif how == "empty":
        (folder / "key.pem").write_bytes(b"")
    elif how == "gone":
        (folder / "key.pem").unlink()
    elif how == "only the key":
        (folder / "key.pem").write_bytes(new[0])
    elif how == "only the certificate":
        (folder / "cert.pem").write_bytes(new[1])


BROKEN = ["cut", "empty", "gone", "only the key", "only the certificate"]


@pytest.mark.parametrize("how", BROKEN)
def test_a_bad_pair_changes_nothing_and_is_told_once(
    tmp_path: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = self_signed(HOST), self_signed(HOST)
    certificate, client = Certificate(*written(tmp_path, first)), trusting(first[1], second[1])
    broken(how, tmp_path, second)
    certificate.look()
    assert not caplog.records  # the other file may be on its way
    for _ in range(3):
        certificate.look()
        assert hello(client, certificate.context) == der(first[1])
    (told,) = caplog.records
    assert told.levelno == logging.WARNING
    assert "old one stays" in told.getMessage()
    written(tmp_path, second)
    certificate.look()
    assert hello(client, certificate.context) == der(second[1])
    assert len(caplog.records) == 1


def test_a_pair_that_is_whole_at_the_second_look_is_not_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first, second = self_signed(HOST), self_signed(HOST)
    certificate = Certificate(*written(tmp_path, first))
    broken("only the certificate", tmp_path, second)
    certificate.look()
    broken("only the key", tmp_path, second)
    certificate.look()
    assert hello(trusting(second[1]), certificate.context) == der(second[1])
    assert not caplog.records


def test_a_link_that_leads_elsewhere_is_a_change(tmp_path: Path) -> None:
    """As certbot (live/ -> archive/) and Kubernetes (..data) renew; sizes and times may be the same."""
    pairs = [self_signed(HOST), self_signed(HOST)]
    for number, pair in enumerate(pairs):
        (tmp_path / str(number)).mkdir()
        for file in written(tmp_path / str(number), pair):
            os.utime(file, (1, 1))
    (tmp_path / "live").symlink_to("0")
    certificate = Certificate(tmp_path / "live" / "cert.pem", tmp_path / "live" / "key.pem")
    (tmp_path / "aside").symlink_to("1")
    (tmp_path / "aside").replace(tmp_path / "live")
    certificate.look()
    assert hello(trusting(pairs[1][1]), certificate.context) == der(pairs[1][1])


def test_one_file_may_hold_both(tmp_path: Path) -> None:
    file, (first, second) = tmp_path / "both.pem", (self_signed(HOST), self_signed(HOST))
    file.write_bytes(b"".join(first))
    certificate = certificate_of(ServeConfig(tls_certificate=str(file)))
    assert certificate is not None
    file.write_bytes(b"".join(second))
    certificate.look()
    assert hello(trusting(second[1]), certificate.context) == der(second[1])


def test_a_certificate_that_cannot_be_used_at_the_start_is_an_error(pem: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "none.pem").write_text("nothing")
    for cert, key in ((tmp_path / "gone.pem", pem[1]), (tmp_path / "none.pem", pem[1]), (pem[0], pem[0])):
        with pytest.raises(ServerError, match="certificate cannot be used") as caught:
            certificate_of(ServeConfig(tls_certificate=str(cert), tls_key=str(key)))
        assert "tls_key" in str(caught.value.advice)
