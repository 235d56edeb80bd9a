"""One call answered, whatever protocol it came by: route, prompt, queue, pieces of text, and what is told afterwards.

Call ─► router ─► version ─► prompts ─► a job in the scheduler ─► pieces ─► the protocol's answer
                                                                   └─► metrics, feedback
"""

from __future__ import annotations

import asyncio
import math
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal

from starlette.requests import Request

from ownlm.errors import EngineError
from ownlm.live.feedback.event import Origin, ServedCompletion
from ownlm.serve.call import Call, CodeContext, Conversation
from ownlm.serve.call_prompts import prompts_of
from ownlm.serve.completion import Piece, complete
from ownlm.serve.echo import echo_piece
from ownlm.serve.http import until_gone
from ownlm.serve.job import Job
from ownlm.serve.model import ServedModel
from ownlm.serve.prompt.trim.site import Site
from ownlm.serve.protocols.errors import broken, busy, stopping
from ownlm.serve.routing import Route
from ownlm.serve.scheduler import QueueFullError

if TYPE_CHECKING:
    from ownlm.serve.gateway import Gateway

Outcome = Literal["done", "deadline", "cancelled", "error"]
"""See `ServedCompletion.outcome`."""

FLUSH_S = 0.02
"""The engine hears of a deadline so long before it, or a tenth of what is left: time to give out what it holds back."""


@dataclass
class Usage:
    """Tokens of a call. `generated` includes the tokens that ended a choice."""

    prompt: int = 0
    generated: int = 0


class Answering:
    """Starts answers."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def start(self, call: Call, arrived: float) -> Answer:
        """Queue a call. Call from the event loop.

        Args:
            call: what is asked.
            arrived: `time.perf_counter()` when the request came.

        Raises:
            ApiError: it is refused: no such model, too many prompts, too long, too many requests, queue full.
        """
        self._gateway.limits.take(call.caller)
        return Answer(self._gateway, call, arrived)


class Answer:
    """A call being answered. The job is queued when this is made, so that a full queue is a plain refusal.

    Attributes:
        id: of the answer.
        created: seconds since 1970.
        model: that answers.
        route: why this one.
        prompts: as the model reads them.
        usage: tokens so far.
    """

    def __init__(self, gateway: Gateway, call: Call, arrived: float) -> None:
        self._gateway, self._call, self._arrived = gateway, call, arrived
        self.id = f"cmpl-{uuid.uuid4().hex}"
        self._at = time.time()
        self.created = int(self._at)
        self.route, self._lease = gateway.versions.routed(gateway.router.route(call.caller, call.model))
        self.model: ServedModel = self._lease.model
        self._timers: list[asyncio.TimerHandle] = []
        try:
            self.prompts = prompts_of(gateway, self.model, call)
            self.usage = Usage(prompt=sum(len(prompt.ids) for prompt in self.prompts))
            self._job: Job[Piece] = gateway.scheduler.submit(
                self._work,
                self._ended,
                user=call.caller.user or call.caller.address,
                place=_place(call) if gateway.config.supersede else "",
                on_hang=partial(gateway.hung, self.model),
            )
        except QueueFullError as full:
            self._lease.release()
            raise busy(full.retry_s) from None
        except BaseException:
            self._lease.release()
            raise
        self._texts = [""] * (len(self.prompts) * call.options.choices)
        self._open = set(range(len(self._texts)))  # choices that have not ended
        self._first_token_s: float | None = None
        self._told = False
        self._set_deadline()
        gateway.metrics.prompt_tokens.inc(self.usage.prompt)
        gateway.metrics.cut_prompts.inc(sum(prompt.cut for prompt in self.prompts))

    @property
    def choices(self) -> int:
        """Choices of all prompts together."""
        return len(self._texts)

    def cancel(self) -> None:
        """Nobody listens any more. Does nothing to an answer that is complete."""
        self._job.cancel()
        self._tell("cancelled")

    async def pieces(self) -> AsyncIterator[list[Piece]]:
        """Pieces of all choices as they come; the last one of each has `finish` set, whatever ends the answer.

        Raises:
            ApiError: 429, dropped from a full queue; 503, the engine broke or the server stops.
        """
        outcome: Outcome = "cancelled"
        try:
            async for pieces in self._job.batches():
                yield self._seen(pieces)
            self._check()
            outcome = self._outcome()
            if self._open:
                yield self._seen([Piece(choice, finish="length") for choice in sorted(self._open)])
        except EngineError as error:
            outcome = "error"
            self._gateway.log_internal(error)
            raise broken() from error
        except Exception:
            outcome = "error"
            raise
        finally:
            self._tell(outcome)

    async def ready(self) -> None:
        """Wait until there is a piece; raises what ends the answer before. An event stream starts after this."""
        await self._job.ready()
        if self._job.failed:
            async for _ in self.pieces():
                pass

    async def whole(self, request: Request, on_piece: Callable[[Piece], None]) -> bool:
        """Hand over every piece; False when the client left before the end. Raises as `pieces`."""

        self._job.patient = True

        async def collect() -> None:
            async for pieces in self.pieces():
                for piece in pieces:
                    on_piece(piece)

        return await until_gone(request, collect())

    def _check(self) -> None:
        if self._job.end == "refused":
            raise busy(self._gateway.scheduler.retry_s())
        if self._job.end == "cancelled":
            raise stopping()

    def _seen(self, pieces: list[Piece]) -> list[Piece]:
        if self._first_token_s is None:
            self._first_token_s = time.perf_counter() - self._arrived
            self._gateway.metrics.first_token.observe(self._first_token_s)
        for piece in pieces:
            self._texts[piece.choice] += piece.text
            if piece.finish:
                self._open.discard(piece.choice)
        return pieces

    def _outcome(self) -> Outcome:
        if not self._open:
            return "done"
        return "deadline" if self._job.end == "expired" else "cancelled"

    def _set_deadline(self) -> None:
        """The engine is told a little before the deadline, to give out what it holds back; then nobody waits for it."""
        asked, own = self._call.deadline_s, self._gateway.config.deadline_s
        seconds = min(asked or math.inf, own or math.inf)
        if seconds == math.inf:
            return
        loop, left = asyncio.get_running_loop(), self._arrived + seconds - time.perf_counter()
        self._timers = [
            loop.call_later(left - min(FLUSH_S, left / 10), self._job.stop, "expired"),
            loop.call_later(left, self._job.close),
        ]

    def _ended(self) -> None:
        """The job is out of its thread, or of the queue."""
        for timer in self._timers:
            timer.cancel()
        self._lease.release()

    def _tell(self, outcome: Outcome) -> None:
        if self._told:
            return
        self._told = True
        if outcome == "cancelled":
            self._gateway.metrics.cancelled.inc()
        first = self._call.texts[0]
        context = first if isinstance(first, CodeContext) else CodeContext("")
        self._gateway.tell(
            ServedCompletion(
                id=self.id,
                at=self._at,
                origin=_origin(self._call, self.route, context),
                texts=tuple(self._texts),
                prefix=context.prefix,
                after=context.suffix or "",
                path=context.path,
                prompt_tokens=self.usage.prompt,
                generated_tokens=self.usage.generated,
                first_token_s=self._first_token_s,
                total_s=time.perf_counter() - self._arrived,
                outcome=outcome,
                keep_text=self._call.caller.keep_text,
            )
        )

    def _work(self, emit: Callable[[Piece], None], cancelled: Callable[[], bool]) -> None:
        """All prompts, one after the other. Runs in the job's thread."""
        call, options = self._call, self._call.options
        for number, (text, prompt) in enumerate(zip(call.texts, self.prompts, strict=True)):
            first = number * options.choices

            def on_piece(piece: Piece, first: int = first) -> None:
                piece.choice += first
                emit(piece)

            if call.echo and not isinstance(text, Conversation):
                shown = text.prefix if isinstance(text, CodeContext) else text
                for choice in range(options.choices):
                    emit(echo_piece(self.model, shown, prompt, first + choice, options.logprobs))
            site = None
            if call.tidy and isinstance(text, CodeContext):
                site = Site.of(text.prefix, text.suffix, text.language)
            generated = complete(self.model, prompt, options, on_piece, cancelled, site)
            self.usage.generated += generated
            self._gateway.metrics.generated_tokens.inc(generated)
            if cancelled():
                return


def _origin(call: Call, route: Route, context: CodeContext) -> Origin:
    return Origin(
        version=route.version,
        channel=route.channel,
        experiment=route.experiment,
        arm=route.arm,
        user=call.caller.user,
        bucket=route.bucket,
        language=context.language,
        suffix=PurePosixPath(context.path.replace("\\", "/")).suffix.lower()[:16],
        client=call.caller.client,
        protocol=call.protocol,
    )


def _place(call: Call) -> str:
    """What an editor asks for: a file, by what its name is there. "" for calls that do not supersede each other."""
    first = call.texts[0]
    if not call.tidy or not isinstance(first, CodeContext) or not first.path:
        return ""
    return f"{first.repository}\0{first.path}"
