"""The real tritonserver, out of the virtual environment that scripts/test makes for it."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

HOME = Path(__file__).resolve().parents[3] / ".venv-triton"
START_S = 120.0
ATTEMPTS = 3


def require_triton() -> None:
    if not (HOME / ".ready").is_file():
        pytest.skip("no Triton Inference Server: scripts/test sets up .venv-triton (nvidia-pytriton)")


@contextmanager
def running_triton(repository: Path, log: Path, backends: Path | None = None) -> Iterator[tuple[str, str]]:
    """Its gRPC and HTTP addresses."""
    require_triton()
    for attempt in range(ATTEMPTS):
        addresses, process = _started(repository, log, backends)
        if process.poll() is None:
            break
        text = log.read_text(errors="replace")
        assert "in use" in text and attempt + 1 < ATTEMPTS, f"Triton does not start:\n{text[-3000:]}"  # noqa: PT018
    try:
        yield addresses
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _started(repository: Path, log: Path, backends: Path | None) -> tuple[tuple[str, str], subprocess.Popen[bytes]]:
    """A server that is ready, or one that has ended: another process may take the ports before it does."""
    packages = next((HOME / "lib").glob("python*/site-packages"))
    grpc, http = _free_port(), _free_port()
    command = [packages / "pytriton/tritonserver/bin/tritonserver", f"--model-repository={repository}"]
    command += [f"--backend-directory={backends or HOME / 'backends'}", "--allow-metrics=false"]
    command += ["--exit-timeout-secs=1"]  # it keeps some cancelled requests for ever
    command += ["--http-address=127.0.0.1", f"--http-port={http}", "--grpc-address=127.0.0.1", f"--grpc-port={grpc}"]
    environment = {"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": str(packages / "nvidia_pytriton.libs")}
    with log.open("wb") as stream:
        process = subprocess.Popen(command, env=environment, stdout=stream, stderr=stream)
    address = f"http://127.0.0.1:{http}"
    end = time.monotonic() + START_S
    while process.poll() is None and not _ready(f"{address}/v2/health/ready"):
        if time.monotonic() > end:
            process.kill()
            process.wait()
        time.sleep(0.05)
    return (f"grpc://127.0.0.1:{grpc}", address), process


def _ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5):
            return True
    except OSError:
        return False


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
