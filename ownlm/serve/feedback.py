"""Where a gateway tells what it served and what people did with it. `ownlm.live.feedback` keeps it.

`ownlm.live.feedback.open.open_feedback(settings, home)` opens what `serve.feedback` asks for.
"""

from __future__ import annotations

from typing import Protocol

from pydantic import Field, field_validator

from ownlm.live.feedback.event import CompletionEvent, ServedCompletion
from ownlm.recipe.base import Config


class FeedbackConfig(Config):
    """What is kept of completions and of what people do with them, and for how long."""

    url: str = Field(
        "", description="where: a SQLite file, or postgresql://user@host/database; below the home folder when empty"
    )
    key_file: str = Field(
        "", description="the key that users' names are hashed with; beside the SQLite file when empty; made once"
    )
    keep_text: bool = Field(
        False, description="consent: keep code (prompts, completions, paths), scrubbed, for reports and training"
    )
    no_text_of: list[str] = Field([], description="users whose code is never kept, whatever keep_text says")
    keep_characters: int = Field(
        16_000, description="of the text before the cursor, and as many after it; more is cut", ge=200, le=1_000_000
    )
    keep_days: int = Field(365, description="older completions and events are deleted", ge=1, le=36_500)
    queue: int = Field(
        10_000, description="completions that may wait to be written; more are dropped and counted", ge=1, le=1_000_000
    )

    @field_validator("url")
    @classmethod
    def _without_password(cls, value: str) -> str:
        _, _, rest = value.partition("://")
        if ":" in rest.rpartition("@")[0] or (rest and "password=" in rest.lower()):
            raise ValueError("a recipe is saved with every artifact: give the password by ~/.pgpass or PGPASSWORD")
        return value


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

    def lost(self) -> int:
        """Completions so far that were served and could not be kept. Quick: for `/metrics`."""
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

    def lost(self) -> int:
        """See `Feedback.lost`: nothing was to be kept."""
        return 0
