"""What a contained program sees of the machine: the options of bubblewrap."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from ownlm.errors import SandboxError
from ownlm.evaluate.sandbox.program import Program

FOLDER = "/tmp/program"  # noqa: S108 # inside: a file system of the program's own
HOME = FOLDER
UID = 1000
PATH = "/usr/local/bin:/usr/bin:/bin"
ENVIRONMENT = {"PATH": PATH, "HOME": HOME, "LANG": "C.UTF-8"}

# What languages read in /etc: linker, alternatives, time zone, and their own folders.
_ETC = (
    "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "localtime", "nsswitch.conf", "mime.types",
    "java*", "mono", "perl", "php", "python3*", "R", "scala", "lua", "ruby",
)  # fmt: skip
# Each with its content: nothing of the machine's users, name or addresses.
WRITTEN = {
    "/etc/passwd": f"root:x:0:0::/:/bin/false\nprogram:x:{UID}:{UID}::{HOME}:/bin/sh\n",
    "/etc/group": f"root:x:0:\nprogram:x:{UID}:\n",
    "/etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
}


def options(reads: Iterable[Path], disk_bytes: int, written: Mapping[str, int]) -> list[str]:
    """For `bwrap`: how the program is cut off, and what it sees.

    Args:
        reads: folders and files of the machine, read-only.
        disk_bytes: of /tmp and of /dev/shm.
        written: descriptors with the contents of `WRITTEN`.

    No network but a loopback of its own; own process, user, mount, message and host name spaces; no capability; no
    new user namespaces; a session of its own (no terminal to type into). The root, /dev and everything of the machine
    are read-only; /tmp (with the program's folder) and /dev/shm are memory of limited size.
    """
    size = ["--size", str(disk_bytes)]
    return [
        "--unshare-all", "--unshare-user", "--disable-userns", "--uid", str(UID), "--gid", str(UID),
        "--cap-drop", "ALL", "--new-session", "--die-with-parent", "--as-pid-1", "--hostname", "sandbox", "--clearenv",
        *(part for name, value in ENVIRONMENT.items() for part in ("--setenv", name, value)),
        *_machine(), "--perms", "0755", "--dir", "/etc", *_configuration(),
        *_written(written), "--proc", "/proc",
        "--dev", "/dev", *size, "--perms", "1777", "--tmpfs", "/dev/shm", "--remount-ro", "/dev",  # noqa: S108
        *size, "--perms", "1777", "--tmpfs", "/tmp", "--dir", FOLDER, "--chdir", FOLDER,  # noqa: S108
        *(part for path in reads for part in ("--ro-bind", str(path), str(path))), "--remount-ro", "/",
    ]  # fmt: skip


def _written(descriptors: Mapping[str, int]) -> list[str]:
    pairs = descriptors.items()
    return [part for path, number in pairs for part in ("--perms", "0444", "--ro-bind-data", str(number), path)]


def _machine() -> list[str]:
    """/usr, and the old top-level folders: links into it, or folders of their own on older systems."""
    parts = ["--ro-bind", "/usr", "/usr"]
    for folder in map(Path, ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")):
        if folder.is_symlink():
            parts += ["--symlink", str(folder.readlink()), str(folder)]
        elif folder.is_dir():
            parts += ["--ro-bind", str(folder), str(folder)]
    return parts


def _configuration() -> list[str]:
    found = (path for pattern in _ETC for path in sorted(Path("/etc").glob(pattern)))
    return [part for path in found for part in ("--ro-bind", str(path), str(path))]


def check(program: Program) -> None:
    """That files stay in the folder and fit in it.

    Raises:
        SandboxError: they do not.
    """
    for path in map(PurePosixPath, program.files):
        if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in str(path):
            raise SandboxError("a program's file must be inside its folder", where=str(path),
                               advice="give a path relative to the folder, without '..'")  # fmt: skip
    size = sum(map(len, program.files.values()))
    room = min((step.limits.disk_bytes for step in program.steps), default=size)
    if size > room:
        raise SandboxError(f"a program's files have {size} bytes, its folder {room}", advice="raise limits.disk_bytes")
