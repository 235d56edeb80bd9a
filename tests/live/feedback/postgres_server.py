"""A Postgres server of the tests' own, from the system's packages, on a socket in a temporary folder."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest


def programs() -> Path:
    """The folder of initdb and pg_ctl; skips the test where there is none."""
    found = [path.parent for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))]
    if (inner := shutil.which("initdb")) is not None:
        found.append(Path(inner).resolve().parent)
    if not found:
        pytest.skip("Postgres is not installed (apt install postgresql)")
    return found[-1]


class PostgresServer:
    """A running server.

    Attributes:
        url: of a database in it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._programs = folder, programs()
        # Postgres refuses to run as root.
        self._account = "nobody" if os.getuid() == 0 else ""
        if self._account:
            shutil.chown(folder, self._account)
        self._do("initdb", "-D", "data", "-U", "ownlm", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale", "C")
        settings = f"listen_addresses = ''\nunix_socket_directories = '{folder}'\nmax_connections = 20\n"
        with (folder / "data" / "postgresql.conf").open("a") as stream:
            stream.write(settings)
        self.url = f"postgresql://ownlm@/postgres?host={folder}"
        self.start()

    def start(self) -> None:
        self._do("pg_ctl", "start", "-D", "data", "-w", "-t", "60", "-l", "log")

    def crash(self) -> None:
        """Stop as a power cut would: nothing is flushed, sessions are cut."""
        self._do("pg_ctl", "stop", "-D", "data", "-m", "immediate", "-w", "-t", "60")

    def new_database(self, name: str) -> str:
        """The URL of an empty database."""
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return self.url.replace("/postgres?", f"/{name}?")

    def _do(self, program: str, *arguments: str) -> None:
        command: Sequence[str] = [str(self._programs / program), *arguments]
        user = pwd.getpwnam(self._account).pw_uid if self._account else None
        subprocess.run(
            command, cwd=self._folder, user=user, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
        )  # fmt: skip


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A server until the end of the block. Its folder has a short name: a socket's path has 107 bytes at most."""
    pytest.importorskip("psycopg")
    with tempfile.TemporaryDirectory(prefix="pg", dir="/tmp", ignore_cleanup_errors=True) as name:
        server = PostgresServer(Path(name))
        try:
            yield server
        finally:
            server.crash()
