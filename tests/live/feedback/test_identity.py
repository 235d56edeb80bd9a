"""Names as keyed hashes."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

from ownlm.errors import InputError, StorageError
from ownlm.live.feedback.identity import Identity, open_identity


def test_a_key_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "feedback.key"
    first = open_identity(path, create=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(path.read_bytes()) == 32
    assert open_identity(path, create=True).person("ada") == open_identity(path, create=False).person("ada")
    assert first.person("ada") != first.person("bob") != Identity(b"x" * 32).person("bob")
    assert list(path.parent.iterdir()) == [path]


def test_nobody_is_nobody() -> None:
    assert Identity(b"x" * 32).person("") == ""
    assert len(Identity(b"x" * 32).person("ада\ud800")) == 32


def test_gateways_that_start_together_have_one_key(tmp_path: Path) -> None:
    found: list[str] = []
    start = threading.Barrier(8)

    def gateway() -> None:
        start.wait()
        found.append(open_identity(tmp_path / "key", create=True).fingerprint)

    threads = [threading.Thread(target=gateway) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_bad_keys_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    with pytest.raises(InputError, match="is not there"):
        open_identity(path, create=False)
    path.write_bytes(b"short")
    path.chmod(0o600)
    with pytest.raises(InputError, match="too short"):
        open_identity(path, create=True)
    path.write_bytes(b"x" * 32)
    path.chmod(0o640)
    with pytest.raises(InputError, match="Others may read"):
        open_identity(path, create=True)
    with pytest.raises(StorageError, match="cannot be written"):
        open_identity(path / "below", create=True)
