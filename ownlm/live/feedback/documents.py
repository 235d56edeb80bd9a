"""Accepted text in its context, as documents to train on.

Only choices whose text was kept (consent) and accepted become documents: what stood before the cursor, what was taken,
what stood after it. Files are seen again and again while a person writes, so of one person's completions in one file a
later document takes the place of an earlier one whose accepted text it still holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ownlm.data.lake.document import Document
from ownlm.live.feedback.texts import JudgedChoice

SOURCE = "feedback"
_CONTEXT = 200
"""Characters before the cursor by which accepted text is found again in a later document."""


def documents(choices: Iterable[JudgedChoice]) -> Iterator[Document]:
    """The documents, in the order of the files' last completions.

    Args:
        choices: see `judged_choices`, in their order.
    """
    latest: dict[tuple[str, str, str], JudgedChoice] = {}
    for choice in choices:
        if not choice.taken.strip():
            continue
        file = (choice.person, choice.path, choice.language)
        earlier = latest.pop(file, None)
        if earlier is not None and not _holds(choice, earlier):
            yield document_of(earlier)
        latest[file] = choice
    yield from map(document_of, latest.values())


def document_of(choice: JudgedChoice) -> Document:
    """The document of an accepted choice.

    Its repository is the person: what one person wrote is held out together. The path is the file's, or the completion
    where it is not known. The attributes lead back to the completion and the model that wrote it.
    """
    attributes = {
        "channel": choice.channel,
        "choice": str(choice.choice),
        "completion": choice.completion,
        "version": choice.version,
    }
    return Document(
        source=SOURCE,
        repo=f"{SOURCE}-{choice.person[:12] or 'nobody'}",
        revision="",
        path=choice.path or f"{choice.completion}-{choice.choice}{choice.suffix}",
        language=choice.language or "Unknown",
        content=content_of(choice),
        attributes=tuple(sorted(attributes.items())),
    )


def content_of(choice: JudgedChoice) -> str:
    """The file as it was after accepting, as far as it was kept."""
    return choice.prefix + choice.taken + choice.after


def _holds(later: JudgedChoice, earlier: JudgedChoice) -> bool:
    """Whether the later document still has the accepted text of the earlier one, behind the same text."""
    return (earlier.prefix[-_CONTEXT:] + earlier.taken) in content_of(later)
