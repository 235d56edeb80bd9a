"""What any protocol turns a request into: who asks, for which text, under which options.

OpenAI ─┐
Tabby  ─┼─►  Call  ─►  answering  ─►  pieces of text  ─►  the protocol's own answer
...    ─┘
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from ownlm.serve.config import FimOrder

SnippetKind = Literal["declaration", "changed", "opened", "clipboard", "repository"]


@dataclass(frozen=True)
class Caller:
    """Who asks.

    Attributes:
        user: owner of the API key; without keys, what the request says ("user"), or "".
        key: name of the API key; "" without keys.
        scopes: what the key allows: "complete", "events", "metrics", "admin".
        channel: the rollout channel of the key; "" for the gateway's own.
        client: the program, from its User-Agent, e.g. "tabby-agent/1.9".
        keep_text: the key lets text be kept (see `ServedCompletion.keep_text`).
        address: where the request comes from; tells callers without a user apart while they wait. Kept nowhere.
    """

    user: str = ""
    key: str = ""
    scopes: frozenset[str] = frozenset({"complete", "events", "metrics", "admin"})
    channel: str = ""
    client: str = ""
    keep_text: bool = True
    address: str = ""

    def called(self, user: str | None) -> Caller:
        """This caller, with the user a request names where the key names none."""
        return replace(self, user=self.user or user or "")


@dataclass(frozen=True)
class Snippet:
    """Text from elsewhere that may help: a declaration, a part of a file that was changed or is open.

    Attributes:
        path: the file it is from; "" for none (the clipboard).
        text: the code.
        kind: where it comes from.
        score: how near the client thinks it is, greater is nearer; 0 when it does not say.
    """

    path: str
    text: str
    kind: SnippetKind
    score: float = 0.0


@dataclass(frozen=True)
class CodeContext:
    """Text with a cursor in it, and what is known about it.

    Attributes:
        prefix: text before the cursor.
        suffix: text after it; None where the client has no such notion: nothing is to be filled in.
        language: GitHub Linguist's name; "" when unknown.
        path: of the file, as the client says; "" when unknown.
        repository: URL or name of the repository; "" when unknown.
        snippets: from elsewhere, as the client sent them.
    """

    prefix: str
    suffix: str | None = None
    language: str = ""
    path: str = ""
    repository: str = ""
    snippets: tuple[Snippet, ...] = ()


@dataclass(frozen=True)
class Message:
    """One turn of a conversation.

    Attributes:
        role: "system", "user" or "assistant".
        text: what is said.
    """

    role: str
    text: str


@dataclass(frozen=True)
class Conversation:
    """What was said so far; the model says what comes next."""

    messages: tuple[Message, ...]


@dataclass(frozen=True)
class CompletionOptions:
    """How to continue. See `GenerationRequest` for the fields they share.

    Attributes:
        stop: strings that end the text; they are not part of it.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int | None = None
    choices: int = 1
    logprobs: int | None = None
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Call:
    """One request for completions.

    Attributes:
        protocol: "openai", "chat", "tabby", "llama.cpp", "mistral" or "tgi".
        caller: who asks.
        texts: what is to be completed: text with a cursor, a conversation, or token ids as they are.
        options: how.
        model: what the client asks for; "" leaves it to the router.
        max_tokens: new tokens of each choice; None for the gateway's default.
        fim_order: layout of fill-in-the-middle; None for the gateway's.
        echo: whether answers begin with the prompt.
        tidy: an editor asks: snippets are used, and the text is ended and trimmed as a person wants it
            (`ownlm.serve.prompt`); otherwise the model's text comes as it is.
        deadline_s: seconds after which what is there is answered; None for the gateway's own.
    """

    protocol: str
    caller: Caller
    texts: tuple[CodeContext | Conversation | tuple[int, ...], ...]
    options: CompletionOptions
    model: str = ""
    max_tokens: int | None = None
    fim_order: FimOrder | None = None
    echo: bool = False
    tidy: bool = False
    deadline_s: float | None = None
