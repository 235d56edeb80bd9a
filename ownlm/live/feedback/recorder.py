"""What a gateway tells, written by one thread: `served` only queues, `event` waits until its row is durable.

    served ─► queue ─┐
    event  ─► queue ─┴─► writer: takes all there is, one transaction, one flush to disk ─► every event in it returns

Writing in groups is what makes many events a second possible with each on disk before it is acknowledged: while one
flush runs, the next group gathers (group commit).

The queue is bounded. What is served faster than it can be written, or while the store refuses, is dropped and counted;
completions go on. An event whose completion is still to come (clients tell of what they see while it streams; another
gateway may have served it) waits for it, for a while.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as LateError
from dataclasses import dataclass, replace

from ownlm.errors import InputError, OwnlmError, StorageError
from ownlm.live.feedback.event import CompletionEvent, ServedCompletion
from ownlm.live.feedback.identity import Identity
from ownlm.live.feedback.rows import CompletionRow, EventRow, Scrub, completion_row, event_row, text_row
from ownlm.live.feedback.store import Store, Verdict
from ownlm.serve.feedback import FeedbackConfig

logger = logging.getLogger("ownlm.feedback")

PATIENCE_S = 2.0
"""An event waits so long for a completion that is not there yet."""
WAITING = 1000
"""Events that may wait so; further ones are refused at once."""
STORED_S = 30.0
"""An event is given up when it is not stored after this long."""
QUEUE_BYTES = 64 << 20
"""Of text in the queue, about."""
GROUP = 2000
"""Completions in one transaction at most: a group of events behind a long queue is not kept waiting for all of it."""
_AGAIN_S = 0.05
_RETRY_S = 1.0
_SWEEP_S = 3600.0
_DAY_MS = 86_400_000
_CLOSED = "the gateway is going down"


@dataclass
class Counts:
    """What became of all that was told.

    Attributes:
        completions: stored.
        events: stored, repeated ones included.
        refused: events that were not: unknown completion, no such choice.
        failed: events that the store could not take.
        dropped: completions that were lost.
        unscrubbed: completions whose text was not kept because it could not be scrubbed safely.
    """

    completions: int = 0
    events: int = 0
    refused: int = 0
    failed: int = 0
    dropped: int = 0
    unscrubbed: int = 0


@dataclass
class _Told:
    """An event, and who waits for it until when."""

    row: EventRow
    future: Future[None]
    until: float


class Recorder:
    """A `Feedback` that keeps what it is told (see `ownlm.serve.feedback`). Safe to call from several threads.

    Args:
        store: where; closed by `close`.
        identity: hashes names.
        settings: see `FeedbackConfig`.
        scrub: takes secrets out of text; None: text is not kept.

    Attributes:
        counts: what became of all that was told.
    """

    def __init__(self, store: Store, identity: Identity, settings: FeedbackConfig, scrub: Scrub | None) -> None:
        self._store, self._identity, self._settings = store, identity, settings
        self._scrub = scrub if settings.keep_text else None
        self._without_text = frozenset(settings.no_text_of)
        self.counts = Counts()
        self._changed = threading.Condition()
        self._served: deque[ServedCompletion] = deque()
        self._bytes = 0
        self._events: list[_Told] = []
        self._closing = self._failing = False
        self._rows: list[CompletionRow] = []  # prepared, and not stored yet; the writer's own, as the next two
        self._waiting: list[_Told] = []
        self._swept = -_SWEEP_S
        self._writer = threading.Thread(target=self._write_all, name="feedback", daemon=True)
        self._writer.start()

    def served(self, completion: ServedCompletion) -> None:
        """See `Feedback.served`."""
        if not self._keeps_text(completion):
            completion = replace(completion, prefix="", after="", path="")
        size = _size(completion)
        with self._changed:
            full = len(self._served) >= self._settings.queue or self._bytes + size > QUEUE_BYTES
            if self._closing or full:
                self.counts.dropped += 1
                return
            self._served.append(completion)
            self._bytes += size
            self._changed.notify()

    def event(self, event: CompletionEvent) -> None:
        """See `Feedback.event`."""
        told = _Told(event_row(event), Future(), time.monotonic() + PATIENCE_S)
        with self._changed:
            if self._closing:
                raise StorageError("The event is not stored: " + _CLOSED + ".", advice="Send it again.")
            self._events.append(told)
            self._changed.notify()
        try:
            told.future.result(STORED_S)
        except LateError:
            raise StorageError("The event could not be stored in time.", advice="Send it again.") from None

    def lost(self) -> int:
        """See `Feedback.lost`."""
        return self.counts.dropped

    def close(self) -> None:
        """Store what waits, then end. Later events are refused."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._writer.join()

    def _keeps_text(self, completion: ServedCompletion) -> bool:
        return self._scrub is not None and completion.keep_text and completion.origin.user not in self._without_text

    def _write_all(self) -> None:
        """The writer's life."""
        try:
            while True:
                served, events, closing = self._next()
                self._prepare(served)
                self._write(events)
                self._sweep()
                with self._changed:
                    if closing and (self._failing or not (self._served or self._rows or self._events)):
                        break
        finally:
            with self._changed:
                self._closing = True
                left = [*self._events, *self._waiting]
            for told in left:
                told.future.set_exception(StorageError(f"The event is not stored: {_CLOSED}.", advice="Send it again."))
            self.counts.dropped += len(self._rows) + len(self._served)
            self._store.close()

    def _next(self) -> tuple[list[ServedCompletion], list[_Told], bool]:
        """What is to be written next; waits until there is something to do."""
        pause = _AGAIN_S if self._waiting else _RETRY_S if self._rows else self._swept + _SWEEP_S - time.monotonic()
        with self._changed:
            self._changed.wait_for(self._ready, max(0.0, pause))
            # While the store refuses what was taken before, more stays in the queue, which is bounded.
            taken = 0 if self._rows else min(len(self._served), GROUP)
            served = [self._served.popleft() for _ in range(taken)]
            self._bytes -= sum(map(_size, served))
            events, self._events = self._events, []
            return served, events, self._closing

    def _ready(self) -> bool:
        return bool(self._events or self._closing or (self._served and not self._rows))

    def _prepare(self, served: Sequence[ServedCompletion]) -> None:
        for one in served:
            text = None
            if self._scrub is not None and self._keeps_text(one):
                try:
                    text = text_row(one, self._scrub, self._settings.keep_characters)
                except Exception as error:  # text that cannot be scrubbed is not kept, whatever the reason
                    logger.error("text of a completion could not be scrubbed: %s", type(error).__name__)
                self.counts.unscrubbed += text is None
            self._rows.append(completion_row(one, self._identity, text))

    def _write(self, events: list[_Told]) -> None:
        """One transaction with all that is prepared; tells who waits for it."""
        told = [*self._waiting, *events]
        if not self._rows and not told:
            return
        self._waiting = []
        try:
            verdicts = self._append([each.row for each in told])
        except Exception as error:
            self._fail(told, error)
            return
        if self._failing:
            logger.warning("feedback is stored again")
        self._failing = False
        self.counts.completions += len(self._rows)
        self._rows.clear()
        for each, verdict in zip(told, verdicts, strict=True):
            self._answer(each, verdict)

    def _append(self, events: list[EventRow]) -> list[Verdict]:
        if self._failing:  # ask for little first: a store that still refuses shall not cost much
            self._store.append(self._rows[:1], [])
        try:
            return self._store.append(self._rows, events)
        except StorageError:
            if self._failing:
                raise
            # A lost connection or two writers in each other's way: what is there already is not stored twice.
            return self._store.append(self._rows, events)

    def _fail(self, told: list[_Told], error: Exception) -> None:
        """Tell all who wait. The completions stay, to be tried again when the store recovers."""
        if not self._failing:
            # Our own errors quote no row; of others only the kind is certain not to.
            logger.error(
                "feedback cannot be stored: %s", error if isinstance(error, OwnlmError) else type(error).__name__
            )
        self._failing = True
        self.counts.failed += len(told)
        if not isinstance(error, StorageError):  # it is not the store but a row: that would be refused again and again
            self.counts.dropped += len(self._rows)
            self._rows.clear()
        for each in told:
            # One a client: an exception that many threads raise gathers all their tracebacks.
            said = f"The event is not stored. {error.what if isinstance(error, OwnlmError) else type(error).__name__}"
            each.future.set_exception(StorageError(said, advice="Send it again later."))

    def _answer(self, told: _Told, verdict: Verdict) -> None:
        if verdict == "stored":
            self.counts.events += 1
            told.future.set_result(None)
        elif verdict == "unknown" and time.monotonic() < told.until and len(self._waiting) < WAITING:
            self._waiting.append(told)
        else:
            self.counts.refused += 1
            what = "no such completion" if verdict == "unknown" else "the completion has no such choice"
            told.future.set_exception(InputError(f"The event is about nothing: {what}."))

    def _sweep(self) -> None:
        """Delete some of what is too old; `_swept` is when nothing was left of it."""
        if time.monotonic() - self._swept < _SWEEP_S:
            return
        try:
            if self._store.forget_before(round(time.time() * 1000) - self._settings.keep_days * _DAY_MS):
                return
        except OwnlmError as error:
            logger.error("old feedback cannot be deleted: %s", error)
        self._swept = time.monotonic()


def _size(completion: ServedCompletion) -> int:
    return 500 + len(completion.prefix) + len(completion.after) + sum(map(len, completion.texts))
