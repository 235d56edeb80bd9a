"""Completions and events as a store keeps them: names hashed, text scrubbed or left out, what clients say bounded."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ownlm.errors import InputError
from ownlm.live.feedback.event import CompletionEvent, ServedCompletion
from ownlm.live.feedback.identity import Identity
from ownlm.live.feedback.latency import NONE, bucket_of
from ownlm.live.feedback.schema import ORIGIN_FIELDS

LABEL = 64
"""Characters of a name (client, language, ...) that are kept."""
VIEW = 200
_LARGE = 1 << 31

Scrub = Callable[[Sequence[str], str], "list[str] | None"]
"""Texts that follow each other, and their language -> the same without secrets; None: one lies across a border."""


@dataclass(frozen=True)
class TextRow:
    """The code of a completion.

    Attributes:
        prefix: the end of the text before the cursor.
        skipped: how many characters of it were left out at its start.
        after: the start of the text after the cursor.
        path: of the file, without the home folder.
        texts: of the choices.
    """

    prefix: str
    skipped: int
    after: str
    path: str
    texts: tuple[str, ...]

    @property
    def texts_json(self) -> str:
        """The texts as a column holds them."""
        return json.dumps(self.texts, ensure_ascii=False)


@dataclass(frozen=True)
class CompletionRow:
    """A completion; see `ServedCompletion`. `at` is in milliseconds, `origin` has the values of `ORIGIN_FIELDS`."""

    id: str
    at: int
    origin: tuple[str, ...]
    person: str
    bucket: int
    lengths: tuple[int, ...]
    prompt_tokens: int
    generated_tokens: int
    first_s: float | None
    total_s: float
    outcome: str
    text: TextRow | None = None

    @property
    def first_bucket(self) -> int:
        """Of the time to the first piece of text; only of answers that a client waited for."""
        return bucket_of(self.first_s) if self.outcome in ("done", "deadline") else NONE

    @property
    def total_bucket(self) -> int:
        """Of the whole time; only of answers that a client waited for."""
        return bucket_of(self.total_s) if self.outcome in ("done", "deadline") else NONE


@dataclass(frozen=True)
class EventRow:
    """An event; see `CompletionEvent`. Times are in milliseconds; `after_ms` is 0 but for survival."""

    completion: str
    choice: int
    kind: str
    view: str
    after_ms: int
    at: int
    elapsed_s: float | None
    retained: int | None
    accepted: int | None


def completion_row(served: ServedCompletion, identity: Identity, text: TextRow | None) -> CompletionRow:
    """A completion as it is kept."""
    return CompletionRow(
        id=storable(served.id),
        at=round(served.at * 1000),
        origin=tuple(storable(getattr(served.origin, name))[:LABEL] for name in ORIGIN_FIELDS),
        person=identity.person(served.origin.user),
        bucket=served.origin.bucket,
        lengths=tuple(map(len, text.texts if text else served.texts)),
        prompt_tokens=served.prompt_tokens,
        generated_tokens=served.generated_tokens,
        first_s=served.first_token_s,
        total_s=served.total_s,
        outcome=served.outcome,
        text=text,
    )


def text_row(served: ServedCompletion, scrub: Scrub, most: int) -> TextRow | None:
    """The code of a completion, scrubbed as a whole and then cut; None where a secret lies across its borders.

    A secret is often seen by what stands around it, which may be in another part (`password = ` before the cursor).
    Each choice is therefore scrubbed together with what stands around it, until nothing more is found in any.

    Args:
        served: the completion.
        scrub: see `Scrub`.
        most: characters kept before the cursor, and after it.
    """
    prefix, after = storable(served.prefix), storable(served.after)
    texts = [storable(text) for text in served.texts] or [""]
    while True:
        before = (prefix, after)
        for number, text in enumerate(texts):
            parts = scrub((prefix, text, after), served.origin.language)
            if parts is None:
                return None
            prefix, texts[number], after = parts
        if len(texts) == 1 or (prefix, after) == before:
            break
    path = scrub((storable(without_home(served.path)),), "Markdown")
    skipped = max(0, len(prefix) - most)
    kept = tuple(texts) if served.texts else ()
    return TextRow(prefix[skipped:], skipped, after[:most], path[0][-1000:] if path else "", kept)


def event_row(event: CompletionEvent) -> EventRow:
    """An event as it is kept.

    Raises:
        InputError: it says what cannot be.
    """
    if len(event.view) > VIEW:
        raise InputError(f"A view's number has {VIEW} characters at most.")
    after = _finite(event.after_s)
    if event.kind == "survival" and (after is None or event.retained is None):
        raise InputError("A survival report says how long after, and how many characters are left.")
    return EventRow(
        completion=storable(event.completion),
        choice=event.choice,
        kind=event.kind,
        view=storable(event.view),
        after_ms=min(round(max(after or 0.0, 0.0) * 1000), _LARGE) if event.kind == "survival" else 0,
        at=round(event.at * 1000),
        elapsed_s=_finite(event.elapsed_s),
        retained=_bounded(event.retained),
        accepted=_bounded(event.accepted),
    )


def storable(text: str) -> str:
    """The text with U+FFFD for what no database takes: lone surrogates and NUL."""
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace").replace("\0", "\ufffd")


def without_home(path: str) -> str:
    """A path without the folder that names its owner.

    >>> without_home("/home/ada/work/loom.py"), without_home(r"C:\\\\Users\\\\ada\\\\loom.py"), without_home("src/a.py")
    ('work/loom.py', 'loom.py', 'src/a.py')
    """
    parts = [part for part in path.removeprefix("file://").replace("\\", "/").split("/") if part]
    for number, part in enumerate(parts[:-2] if parts else []):
        if number <= 1 and part.lower() in ("home", "users"):
            return "/".join(parts[number + 2 :])
    if parts[:1] == ["root"]:
        parts = parts[1:]
    return "/".join(parts)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) and abs(value) < _LARGE else None


def _bounded(value: int | None) -> int | None:
    return None if value is None else min(max(value, 0), _LARGE)
