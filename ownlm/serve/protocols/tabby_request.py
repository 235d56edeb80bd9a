"""What Tabby's clients send: completions with the code around the cursor in segments, and events.

Checked against `tabby-agent`'s own description of the protocol (dist/index.d.ts of the npm package). Fields it does not
know are let pass: clients are newer than we are. `debug_options` is one of them.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ownlm.serve.call import CodeContext, Snippet, SnippetKind
from ownlm.serve.protocols.body import Lenient, Seed, Temperature
from ownlm.serve.protocols.errors import ApiError
from ownlm.serve.protocols.languages import language_of

INT32 = Annotated[int, Field(ge=0, lt=2**31)]


class TabbySnippet(Lenient):
    """Code from elsewhere. A declaration has no score."""

    filepath: str
    body: str
    score: float = 0.0


class Segments(Lenient):
    """The code around the cursor, and what may help."""

    prefix: str
    suffix: str | None = None
    filepath: str | None = None
    git_url: str | None = None
    declarations: list[TabbySnippet] | None = None
    relevant_snippets_from_changed_files: list[TabbySnippet] | None = None
    relevant_snippets_from_recently_opened_files: list[TabbySnippet] | None = None
    clipboard: str | None = None

    def snippets(self) -> tuple[Snippet, ...]:
        """All that may help, in the order Tabby ranks them."""
        groups: list[tuple[SnippetKind, list[TabbySnippet] | None]] = [
            ("declaration", self.declarations),
            ("changed", self.relevant_snippets_from_changed_files),
            ("opened", self.relevant_snippets_from_recently_opened_files),
        ]
        found = [Snippet(one.filepath, one.body, kind, one.score) for kind, group in groups for one in group or ()]
        if self.clipboard:
            found.append(Snippet("", self.clipboard, "clipboard"))
        return tuple(found)


class TabbyRequest(Lenient):
    """POST /v1/completions of Tabby."""

    language: str | None = None
    segments: Segments
    user: str | None = None
    temperature: Temperature | None = None
    seed: Seed | None = None

    def context(self) -> CodeContext:
        """The code it is about."""
        path = self.segments.filepath or ""
        return CodeContext(
            prefix=self.segments.prefix,
            suffix=self.segments.suffix or "",
            language=language_of(self.language, path),
            path=path,
            repository=self.segments.git_url or "",
            snippets=self.segments.snippets(),
        )


class TabbyEvent(Lenient):
    """POST /v1/events: what somebody did with a completion.

    Ours beside Tabby's: `type: "survival"` with `after_s` and `retained`, and `accepted` of a select.
    """

    type: Literal["view", "select", "dismiss", "survival"]
    completion_id: Annotated[str, Field(min_length=1, max_length=200)]
    choice_index: INT32
    view_id: Annotated[str, Field(max_length=200)] | None = None
    elapsed: INT32 | None = Field(None, description="milliseconds since the completion was shown")
    after_s: float | None = Field(None, ge=0, le=1e7, description="of a survival: seconds since it was accepted")
    retained: INT32 | None = Field(None, description="of a survival: characters of it that are still there")
    accepted: INT32 | None = Field(None, description="of a select: characters taken; left out for all")
    select_kind: str | None = Field(None, description='"line": the first line was taken, not all')

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.type == "survival":
            for name in ("after_s", "retained"):
                if getattr(self, name) is None:
                    raise ApiError(
                        400, f"A survival event needs {name}.", param=name, code="missing_required_parameter"
                    )
        return self
