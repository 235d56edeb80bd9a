"""Where the tools of languages are, what they say of themselves, and what is made with them once and kept.

Tools are looked for where the system installs them, not on the user's PATH: a compiler below someone's home folder is
out of reach for the other user that programs run as.

Kept: precompiled headers, class-data archives, compiled libraries. They are a machine's cache: made by its own tools
from its own files, named by what they are made from, and readable (not writable) by all.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from ownlm.errors import DependencyError
from ownlm.pipeline.own_folder import make_own

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENT = {"PATH": PATH, "LANG": "C.UTF-8"}
TELL_SECONDS = 120
READY = ".ready"


@cache
def find(tool: str) -> Path | None:
    """Where a tool is, links followed; None when it is not installed."""
    found = shutil.which(tool, path=PATH)
    return None if found is None else Path(found).resolve()


def path_of(tool: str) -> str:
    """Where a tool is.

    Raises:
        DependencyError: it is not installed.
    """
    found = find(tool)
    if found is None:
        raise DependencyError(
            f"The program {tool} is not installed.", advice="`ownlm eval languages` names the Debian package."
        )
    return str(found)


@cache
def first_line(tool: str, *arguments: str) -> str | None:
    """The first line a tool prints about itself, on either stream; None when it is missing or does not start."""
    found = find(tool)
    if found is None:
        return None
    with tempfile.TemporaryDirectory() as home:
        try:
            told = subprocess.run(  # noqa: S603
                [str(found), *arguments],
                capture_output=True,
                env={**ENVIRONMENT, "HOME": home},
                timeout=TELL_SECONDS,
                stdin=subprocess.DEVNULL,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
    lines = (told.stdout + told.stderr).decode(errors="replace").split("\n")
    return next((line.strip() for line in lines if line.strip()), None)


def cache_folder() -> Path:
    """Where kept things are: OWNLM_TOOLCHAINS, or a folder of this user's that all can read.

    Raises:
        DependencyError: somebody else could write there, and so choose what is compiled into every program.
    """
    chosen = os.environ.get("OWNLM_TOOLCHAINS")
    folder = Path(chosen) if chosen else Path("/var/tmp", f"ownlm-toolchains-{os.geteuid()}")  # noqa: S108
    if not make_own(folder, 0o755):
        raise DependencyError(
            "The cache of compiled headers and libraries is not this user's alone.",
            where=folder,
            advice="Remove it, or set OWNLM_TOOLCHAINS to a folder that only you can write and all can read.",
        )
    return folder.resolve()


def kept(name: str, made_from: Sequence[str], make: Callable[[Path], None]) -> Path:
    """A folder made once and kept, also when several processes ask at the same time.

    Args:
        name: beginning of the folder's name.
        made_from: all it depends on: versions, flags, texts.
        make: fills the empty folder it is given.
    """
    key = hashlib.sha256("\0".join(made_from).encode()).hexdigest()[:16]
    folder = cache_folder() / f"{name}-{key}"
    if (folder / READY).exists():
        return folder
    with Path(f"{folder}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / READY).exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(mode=0o755)
            make(folder)
            (folder / READY).touch()
    return folder


def build(command: Sequence[str], folder: Path, **environment: str) -> str:
    """Run one of the machine's own tools while making something to keep; what it printed.

    Raises:
        DependencyError: the tool failed.
    """
    done = subprocess.run(  # noqa: S603
        command,
        cwd=folder,
        env={**ENVIRONMENT, "HOME": str(folder), **environment},
        capture_output=True,
        stdin=subprocess.DEVNULL,
        umask=0o022,
        check=False,
    )
    if done.returncode != 0:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()[-500:]
        raise DependencyError(
            f"{Path(command[0]).name} cannot prepare its language: {said}",
            where=folder,
            advice="Install the packages `ownlm eval languages` names again.",
        )
    return done.stdout.decode(errors="replace")
