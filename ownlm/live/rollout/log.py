"""Where revisions are kept: files that are made once, numbered, in a folder or below a URL.

<registry>/000000001.json, 000000002.json, ...   one a revision (`record.Record`)
           bucket.key                            what places users (`bucket.Bucketing`)

A revision exists or it does not: a folder gets it by a hard link to a synced file, an object storage by a conditional
put. Both refuse a name that is taken, which is how two operators cannot lose each other's change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from ownlm.errors import BusyError

KEY_FILE = "bucket.key"
_DIGITS = 9


class Log(Protocol):
    """Numbered records. Every method raises `ServerError` or `StorageError` when the place cannot be used."""

    where: str
    pause_s: float
    """Between asking for news: what that costs depends on the place."""

    def last(self) -> int:
        """The highest number there is; 0 for none."""
        ...

    def news(self, known: int) -> bool:
        """Whether there is something after record `known`; cheap, asked several times a second."""
        ...

    def read(self, number: int) -> bytes:
        """A record. Raises FileNotFoundError where there is none."""
        ...

    def append(self, number: int, data: bytes) -> int:
        """Add a record durably, as `number`; returns the number it got.

        Raises:
            BusyError: somebody has added one of this number.
        """
        ...

    def key(self, make: Callable[[], bytes]) -> bytes:
        """The secret key; made and kept when there is none."""
        ...


def file_name(number: int) -> str:
    """Of a revision."""
    return f"{number:0{_DIGITS}d}.json"


def highest(names: Iterable[str]) -> int:
    """The highest number among names of files; 0 for none."""
    stems = (name.removesuffix(".json") for name in names if name.endswith(".json"))
    return max((int(stem) for stem in stems if stem.isascii() and stem.isdigit()), default=0)


def taken(where: str) -> BusyError:
    """Somebody else was faster."""
    return BusyError(
        "the registry was changed by somebody else at the same moment",
        where=where,
        advice="look at `ownlm rollout show`, then run the command again if it still makes sense",
    )
