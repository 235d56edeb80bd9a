"""The contract between a gateway and whoever learns from it: a completion that was served, and what became of it.

An event carries who served what in which arm, in which language: no join is needed to compute acceptance by any of
them. The gateway copies these from the completion it is about when the event arrives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SCHEMA = 1
"""Version of the records below; a store writes it with every row."""

Kind = Literal["view", "select", "dismiss", "survival"]
"""Shown; accepted; thrown away or typed over; how much of the accepted text is still there after a while."""


@dataclass(frozen=True)
class Origin:
    """Where a completion came from; the same in the completion and in all its events.

    Attributes:
        version: the model version that made it.
        channel: the rollout channel that chose the version; "" where there is none.
        experiment: name of the experiment it belongs to; "" for none.
        arm: arm of the experiment; "" for none.
        user: whose it is: the owner of the API key, or what the client says; "" when nobody says.
        bucket: the user's place in rollouts, from 0 to 9,999; stable, and says nothing about who it is.
        language: GitHub Linguist's name of the file's language; "" when unknown.
        suffix: the file's name extension with its dot, e.g. ".py"; "" when unknown.
        client: the editor or agent, e.g. "tabby-agent/1.9"; "" when unknown.
        protocol: what it was asked by: "openai", "tabby", "llama.cpp", "mistral", "tgi".
    """

    version: str
    channel: str = ""
    experiment: str = ""
    arm: str = ""
    user: str = ""
    bucket: int = 0
    language: str = ""
    suffix: str = ""
    client: str = ""
    protocol: str = ""


@dataclass(frozen=True)
class ServedCompletion:
    """A completion that was answered, finished or not.

    Attributes:
        id: of the answer, as the client knows it ("cmpl-...").
        at: seconds since 1970 when the request arrived.
        origin: see `Origin`.
        texts: of its choices, in order.
        prefix: text before the cursor. This and the next two are kept only with consent, and scrubbed.
        after: text after the cursor.
        path: the file's path, as the client says.
        prompt_tokens: read.
        generated_tokens: of all choices.
        first_token_s: seconds from arrival to the first piece of text; None when none came.
        total_s: seconds from arrival to the end.
        outcome: how it ended: "done", "deadline" (what was there was answered), "cancelled" (client gone) or "error".
        keep_text: False where its caller's API key does not allow that text is kept, whatever the gateway is set to.
    """

    id: str
    at: float
    origin: Origin
    texts: tuple[str, ...] = ()
    prefix: str = ""
    after: str = ""
    path: str = ""
    prompt_tokens: int = 0
    generated_tokens: int = 0
    first_token_s: float | None = None
    total_s: float = 0.0
    outcome: Literal["done", "deadline", "cancelled", "error"] = "done"
    keep_text: bool = True


@dataclass(frozen=True)
class CompletionEvent:
    """What somebody did with a completion.

    Attributes:
        completion: the id of the answer.
        kind: see `Kind`.
        choice: index of the choice it is about.
        at: seconds since 1970 when the gateway received it.
        view: the client's own number of the showing; a repeated event with the same one is the same event. "" for none.
        elapsed_s: seconds between the showing and this event, as the client says; None when it does not.
        after_s: of a survival report: seconds since the text was accepted.
        retained: of a survival report: characters of the accepted text that are still there.
        accepted: of a select: characters taken, where the client took a part; None for all of the choice.
    """

    completion: str
    kind: Kind
    choice: int
    at: float
    view: str = ""
    elapsed_s: float | None = None
    after_s: float | None = None
    retained: int | None = None
    accepted: int | None = None
