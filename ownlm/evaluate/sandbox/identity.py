"""Who the programs are on the host: never root.

A limit of processes means nothing for root's, and root's processes can open files of /proc/sys for writing even in
a user namespace without capabilities. A harness that is root gives each program one of a range of user ids that nobody
has: what the kernel counts by user (pipes, queues, watches) is then each program's own. A harness that is not root
cannot change, and need not.
"""

from __future__ import annotations

import functools
import itertools
import os
import pwd

_FIRST, _COUNT = 60600, 300  # between those of Debian's packages and systemd's dynamic ones
_turn = itertools.count(os.getpid() * 7)


def program_uid() -> int | None:
    """For the next program; None where the harness is not root and programs keep its own."""
    if os.geteuid() != 0:
        return None
    free = _free()
    return free[next(_turn) % len(free)]


@functools.cache
def _free() -> list[int]:
    taken = {entry.pw_uid for entry in pwd.getpwall()}
    return [uid for uid in range(_FIRST, _FIRST + _COUNT) if uid not in taken]
