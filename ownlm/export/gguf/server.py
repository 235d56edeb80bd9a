"""llama.cpp's own server on a GGUF file, from the `xllamacpp` package (PyPI), which carries it built.

    python -m ownlm.export.gguf.server model.gguf --port 8081        an address on stdout, ends with stdin

It is what `llama-server -m model.gguf` is; the export's proof and the tests start it in a process of its own, because
llama.cpp ends the process it is in where it meets a damaged file.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ownlm.errors import ArtifactError, DependencyError

START_S = 120.0


@contextmanager
def running_llamacpp(file: Path, *, exact: bool = False, parallel: int = 1) -> Iterator[str]:
    """Run the server for as long as the block runs; yields its URL. It listens on a loopback address.

    Args:
        file: the GGUF.
        exact: keys and values in float32 and plain attention, in place of llama.cpp's float16 and its own choice.
        parallel: requests computed at the same time.

    Raises:
        DependencyError: xllamacpp is not installed.
        ArtifactError: llama.cpp cannot load the file.
    """
    from importlib.util import find_spec

    if find_spec("xllamacpp") is None:
        raise DependencyError(
            "xllamacpp is not installed, and a GGUF file is checked with its llama.cpp.",
            advice="Install `ownlm[gguf]`, or leave gguf out of the recipe's export block.",
        )
    command = [sys.executable, "-m", __name__, str(file), "--parallel", str(parallel), *(["--exact"] if exact else [])]
    with subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            if not url.startswith("http"):
                raise ArtifactError(
                    f"llama.cpp cannot load this file ({url or 'its process ended'}).",
                    where=file,
                    advice="Export the model again.",
                )
            yield url
        finally:
            process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def serve(file: Path, *, port: int, parallel: int, exact: bool) -> None:
    """Serve until stdin ends."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(file)
    params.port, params.n_parallel, params.verbosity, params.ui = port, parallel, 0, False
    params.warmup = False
    if exact:
        params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
        params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    if file.stat().st_size < _SMALL:  # waking a second thread costs more than it computes
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    try:
        server = xllamacpp.Server(params)
    except RuntimeError as error:
        print(str(error).splitlines()[0], flush=True)
        sys.exit(1)
    print(server.listening_address, flush=True)
    sys.stdin.read()


_SMALL = 64 * 2**20


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description="llama.cpp's server on a GGUF file; ends when stdin does")
    arguments.add_argument("file", type=Path)
    arguments.add_argument("--port", type=int, default=0)
    arguments.add_argument("--parallel", type=int, default=1)
    arguments.add_argument("--exact", action="store_true")
    given = arguments.parse_args()
    serve(given.file, port=given.port, parallel=given.parallel, exact=given.exact)
