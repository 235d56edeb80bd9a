"""Folders whose content is trusted: nobody else can have put there what is loaded or compiled from them."""

from __future__ import annotations

import os
from pathlib import Path

_OTHERS_WRITE = 0o022


def make_own(folder: Path, mode: int) -> bool:
    """Make a folder with its parents, or take the one that is there.

    Args:
        folder: the folder.
        mode: of a new one, less the umask.

    Returns:
        Whether it is this user's, no link, and only this user may write it.

    Raises:
        OSError: it cannot be made.
    """
    folder.mkdir(mode=mode, parents=True, exist_ok=True)
    found = folder.lstat()
    return found.st_uid == os.geteuid() and not found.st_mode & _OTHERS_WRITE and not folder.is_symlink()
