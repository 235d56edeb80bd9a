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
START_S = 60.0


def require_triton() -> None:
    if not (HOME / ".ready").is_file():
        pytest.skip("no Triton Inference Server: scripts/test sets up .venv-triton (nvidia-pytriton)")


@contextmanager
def running_triton(repository: Path, log: Path, extra_backends: Path | None = None) -> Iterator[tuple[str, str]]:
    """Its gRPC and HTTP addresses."""
    require_triton()
    packages = next((HOME / "lib").glob("python*/site-packages"))
    grpc, http = _free_port(), _free_port()
    command = [packages / "pytriton/tritonserver/bin/tritonserver", f"--model-repository={repository}"]
    command += [f"--backend-directory={extra_backends or HOME / 'backends'}", "--allow-metrics=false"]
    command += ["--exit-timeout-secs=1"]  # it keeps some cancelled requests for ever
    command += ["--http-address=127.0.0.1", f"--http-port={http}", "--grpc-address=127.0.0.1", f"--grpc-port={grpc}"]
    environment = {"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": str(packages / "nvidia_pytriton.libs")}
    with log.open("wb") as stream, subprocess.Popen(command, env=environment, stdout=stream, stderr=stream) as process:
        try:
            _await(process, f"http://127.0.0.1:{http}/v2/health/ready", log)
            yield f"grpc://127.0.0.1:{grpc}", f"http://127.0.0.1:{http}"
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _await(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"Triton does not start:\n{log.read_text(errors='replace')[-3000:]}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
