"""The registry: the newest state, its history, and changes to it.

Readers take the newest revision that is whole and valid; one that is damaged is told, and the one before holds. A
revision is void when another one was made from the same base before it: that happens where the place cannot refuse a
number that is taken (MLflow), and there the first one wins for everybody.
"""

from __future__ import annotations

import getpass
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ownlm.errors import ArtifactError, BusyError
from ownlm.live.rollout.bucket import new_key
from ownlm.live.rollout.changes import Change
from ownlm.live.rollout.folder_log import FolderLog
from ownlm.live.rollout.log import Log, taken
from ownlm.live.rollout.record import Record, damaged, decode
from ownlm.live.rollout.state import RolloutState
from ownlm.live.rollout.url_log import UrlLog

_TRIES = 8


@dataclass(frozen=True)
class Snapshot:
    """A state, and where it stands.

    Attributes:
        revision: its number; 0 before the first one.
        last: the highest number there is, damaged or not.
        state: see `RolloutState`.
        problem: what is wrong with newer revisions; None when nothing is.
        warning: what a person should know besides; "" for nothing.
    """

    revision: int
    last: int
    state: RolloutState
    problem: ArtifactError | None = None
    warning: str = ""


class Registry:
    """A log of revisions.

    Args:
        log: where they are.
        clock: seconds since 1970.
    """

    def __init__(self, log: Log, clock: Callable[[], float] = time.time) -> None:
        self.log, self._clock = log, clock

    def read(self) -> Snapshot:
        """The newest state.

        Raises:
            ServerError: the place does not answer.
            StorageError: it cannot be read.
        """
        last = self.log.last()
        problem = None
        for number in range(last, 0, -1):
            try:
                record = self.record(number)
            except ArtifactError as error:
                problem = problem or error
                continue
            if not self._void(number, record):
                return Snapshot(number, last, record.state, problem)
        return Snapshot(0, last, RolloutState(), problem)

    def change(self, make: Callable[[RolloutState, float], Change], *, why: str, who: str = "") -> Snapshot:
        """Change the state: durable when this returns. Nothing is lost when others change it at the same time.

        Args:
            make: from the newest state and the time to a change; may be called again when somebody was faster.
            why: in words, for the log.
            who: "" for this user on this machine.

        Raises:
            BusyError: others were faster, again and again.
            ArtifactError: the newest revision is damaged.
            OwnlmError: what `make` raises; and as `read`.
        """
        for _ in range(_TRIES):
            before = self.read()
            if before.problem is not None:
                raise before.problem
            try:
                return self._append(before, make(before.state, self._clock()), why, who or operator())
            except BusyError:
                continue
        raise taken(self.log.where)

    def mend(self, *, why: str, who: str = "") -> Snapshot:
        """Go on from the newest revision that is whole, leaving damaged ones behind.

        Raises:
            ArtifactError: nothing is damaged.
        """
        before = self.read()
        if before.problem is None:
            advice = "nothing needs to be mended; `ownlm rollout show` says what holds"
            raise ArtifactError("nothing is damaged", where=self.log.where, advice=advice)
        change = Change(before.state, "mend", "", f"revision {before.last}", f"revision {before.revision}")
        return self._append(before, change, why, who or operator())

    def history(self) -> Iterator[tuple[int, Record | ArtifactError]]:
        """All revisions, the newest first; an error in the place of a damaged one. Void ones are left out."""
        for number in range(self.log.last(), 0, -1):
            try:
                record = self.record(number)
            except ArtifactError as error:
                yield number, error
                continue
            if not self._void(number, record):
                yield number, record

    def key(self) -> bytes:
        """What places users (`bucket.Bucketing`); made when there is none."""
        return self.log.key(new_key)

    def record(self, number: int) -> Record:
        """One revision.

        Raises:
            ArtifactError: it is damaged or gone.
        """
        where = f"{self.log.where}, revision {number}"
        try:
            return decode(self.log.read(number), where)
        except FileNotFoundError:
            raise damaged(where, "it is gone") from None

    def _append(self, before: Snapshot, change: Change, why: str, who: str) -> Snapshot:
        record = Record(
            base=before.revision,
            at=self._clock(),
            who=who,
            why=why,
            action=change.action,
            channel=change.channel,
            before=change.before,
            after=change.after,
            nonce=secrets.token_hex(8),
            state=change.state,
        )
        number = self.log.append(before.last + 1, record.encode())
        if number != before.last + 1 and self._void(number, record):
            raise taken(self.log.where)
        return Snapshot(number, number, change.state)

    def _void(self, number: int, record: Record) -> bool:
        """Whether somebody had made a revision from the same base before."""
        for between in range(record.base + 1, number):
            try:
                if self.record(between).base == record.base:
                    return True
            except ArtifactError:
                continue
        return False


def open_registry(where: str | Path) -> Registry:
    """The registry at a folder, a URL that fsspec knows, or a model of MLflow (`models:/NAME`).

    Each reader opens its own: a log knows what is news by what was last read through it (`MlflowLog.seen`).

    Raises:
        RecipeError: the address holds credentials.
        DependencyError: a package is missing.
    """
    if isinstance(where, str) and where.startswith("models:/"):
        from ownlm.live.rollout.mlflow import MlflowRegistry

        return MlflowRegistry(where.removeprefix("models:/"))
    if isinstance(where, str) and where.startswith("file://"):
        return Registry(FolderLog(Path(unquote(urlsplit(where).path))))
    if isinstance(where, str) and "://" in where:
        return Registry(UrlLog(where))
    return Registry(FolderLog(Path(where).expanduser()))


def operator() -> str:
    """Who runs this: user@machine."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"
    return f"{user}@{socket.gethostname()}"
