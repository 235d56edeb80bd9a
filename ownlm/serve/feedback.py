"""Where a gateway tells what it served and what people did with it. `ownlm.live.feedback` keeps it."""

from __future__ import annotations

from typing import Protocol

from ownlm.live.feedback.event import CompletionEvent, ServedCompletion


class Feedback(Protocol):
    """Safe to call from several threads."""

    def served(self, completion: ServedCompletion) -> None:
        """A completion was answered. Must not block: called in the event loop."""
        ...

    def event(self, event: CompletionEvent) -> None:
        """Somebody did something with a completion. Returns when it is stored durably: then it is acknowledged.

        Called in a thread of its own. A repeated event is stored once.

        Raises:
            InputError: the completion is not known, or has no such choice.
            StorageError: it cannot be stored; the client is told to come again.
        """
        ...


class NoFeedback:
    """Keeps nothing: what a gateway without a feedback store has. It refuses events, for it would lose them."""

    def served(self, completion: ServedCompletion) -> None:
        """See `Feedback.served`."""

    def event(self, event: CompletionEvent) -> None:
        """See `Feedback.event`."""
        from ownlm.errors import StorageError

        raise StorageError(
            "this server keeps no feedback", advice="set serve.feedback, or turn the client's events off"
        )
