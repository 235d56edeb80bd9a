"""A rival behind a URL: any server that speaks OpenAI's completions (POST /completions, GET /models).

    continue     prompt                          stop: the first four; all of them are cut here, by serving's own code
    fill         prompt + suffix, or fim_template for servers that take a model's own markers in the prompt
    likelihood   prompt with echo and logprobs; no token is generated

One request is sent for each answer, some at a time. Chat is not spoken: its answers wrap and repeat code, and tell no
probabilities. What cannot be seen from here: a server that takes no notice of `suffix` or `seed`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import log
from typing import Any, Literal, TypeVar

from ownlm.errors import DependencyError, EvaluationError, ServerError
from ownlm.evaluate.models.base import Answer, Request
from ownlm.evaluate.models.patience import Asker, RefusedError
from ownlm.evaluate.models.settings import ModelSettings
from ownlm.pipeline.progress import Task
from ownlm.pipeline.tracking.redact import redact
from ownlm.serve.prompt.text import StopCutter

MOST_STOPS = 4
"""OpenAI's own limit, and many servers'."""

_GONE = (404, 405, 501)
_LENGTHS = ("length", "max_tokens")
Item = TypeVar("Item")
Result = TypeVar("Result")


def open_server(url: str, settings: ModelSettings) -> ServerModel:
    """The model of a server.

    Raises:
        EvaluationError: the address or the key cannot be used, or the server has no such model.
        ServerError: it does not answer.
    """
    base = _base(url)
    asker = Asker(
        base,
        _key(settings, base),
        attempts=settings.attempts,
        timeout_s=settings.timeout_s,
        max_wait_s=settings.max_wait_s,
    )
    model = _model_name(asker, settings)
    identity = {"kind": "server", "url": base, "model": model}
    if settings.fim_template is not None:
        identity["fim_template"] = settings.fim_template
    return ServerModel(settings.name or model, identity, asker, model, settings)


class ServerModel:
    """See `Model`.

    Args:
        name: as tables call it.
        identity: what pins it down, as far as can be told from here.
        asker: speaks with the server.
        model: the server's name for it.
        settings: concurrency, layout of a prompt with a suffix.
    """

    def __init__(
        self, name: str, identity: Mapping[str, str], asker: Asker, model: str, settings: ModelSettings
    ) -> None:
        self.name, self.identity = name, identity
        self._asker, self._model, self._settings = asker, model, settings

    def answer(self, requests: Sequence[Request], task: Task) -> list[Answer]:
        """See `Model.answer`. `cut` is never set: servers do not say whether a prompt was cut.

        Raises:
            EvaluationError: the server refuses.
            ServerError: it does not answer, or not as the protocol says.
        """
        return self._each(requests, self._answer, task)

    def log_likelihoods(self, pairs: Sequence[tuple[str, str]], task: Task) -> list[float]:
        """See `Model.log_likelihoods`. A token that begins in the first text and ends in the second counts whole."""
        return self._each(pairs, self._log_likelihood, task)

    def _each(self, items: Sequence[Item], one: Callable[[Item], Result], task: Task) -> list[Result]:
        results = []
        with ThreadPoolExecutor(self._settings.concurrency, thread_name_prefix="ask") as pool:
            futures = [pool.submit(one, item) for item in items]
            try:
                for future in futures:
                    results.append(future.result())
                    task.advance()
            except BaseException:
                self._asker.stop()
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        return results

    def _answer(self, request: Request) -> Answer:
        stops = tuple(stop for stop in request.stops if stop)
        body: dict[str, object] = {
            "model": self._model,
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
        }
        body |= self._prompt(request)
        if request.temperature > 0:
            body |= {"top_p": request.top_p, "seed": request.seed}
        if stops:
            body["stop"] = list(stops[:MOST_STOPS])
        choice = self._complete(body, "complete this")
        cutter = StopCutter(stops)
        text = cutter.push(self._text(choice))
        text += cutter.flush()
        return Answer(text, "stop" if cutter.stopped else _finish(choice))

    def _prompt(self, request: Request) -> dict[str, object]:
        template = self._settings.fim_template
        if not request.suffix:
            return {"prompt": request.prefix}
        if template is None:
            return {"prompt": request.prefix, "suffix": request.suffix}
        parts = {"prefix": request.prefix, "suffix": request.suffix}
        return {"prompt": re.sub(r"\{(prefix|suffix)\}", lambda found: parts[found[1]], template)}

    def _log_likelihood(self, pair: tuple[str, str]) -> float:
        first, second = pair
        if not second:
            return 0.0
        body: dict[str, object] = {
            "model": self._model,
            "prompt": first + second,
            "temperature": 0,
            "echo": True,
            "logprobs": 1,
        }
        try:
            choice = self._complete({**body, "max_tokens": 0}, "")
        except RefusedError:  # some want at least one new token; it is left out of the sum
            choice = self._complete({**body, "max_tokens": 1}, "tell the probability of a text (echo and logprobs)")
        return self._sum(choice, first, second) / log(2)

    def _sum(self, choice: Mapping[str, Any], first: str, second: str) -> float:
        """Nats of the tokens of `second`."""
        whole = len(first) + len(second)
        told = choice.get("logprobs")
        if not self._text(choice).startswith(first + second) or not isinstance(told, dict):
            raise self._untold("it takes no notice of echo or logprobs")
        values, offsets = told.get("token_logprobs"), told.get("text_offset")
        if not isinstance(values, list) or not isinstance(offsets, list) or len(values) != len(offsets):
            raise self._untold("its logprobs are not laid out as the protocol says")
        if not offsets or offsets[0] > len(first):
            raise self._untold("a text is longer than its context")
        total = 0.0
        for value, start, end in zip(values, offsets, [*offsets[1:], whole], strict=True):
            if start < whole and (start >= len(first) or end > len(first)):
                if not isinstance(value, (int, float)):
                    raise self._untold("it gives none for the first token, and a prompt is empty")
                total += value
        return total

    def _complete(self, body: Mapping[str, object], what: str) -> Mapping[str, Any]:
        """The one choice of an answer. Without `what`, a refusal is raised as it is."""
        try:
            value = self._asker.ask("/completions", body)
        except RefusedError as error:
            if not what:
                raise
            raise self._refused(error, what, "suffix" in body) from error
        choices = value.get("choices") if isinstance(value, dict) else None
        if not isinstance(choices, list) or len(choices) != 1 or not isinstance(choices[0], dict):
            count = len(choices) if isinstance(choices, list) else "no"
            raise self._broken(f"{count} choices, where one was asked for")
        return choices[0]

    def _text(self, choice: Mapping[str, Any]) -> str:
        text = choice.get("text")
        if not isinstance(text, str):
            raise self._broken("a choice without text")
        return text

    def _refused(self, error: RefusedError, what: str, fills: bool) -> EvaluationError:
        said = f": {error.message}" if error.message else ""
        if error.status in _GONE:
            advice = "name the address of a completions API (.../v1) and its model; chat alone cannot be measured"
        elif error.status in (401, 403):
            advice = f"put a key that it accepts into an environment variable and name that ({self._key_hint()})"
        elif fills:
            advice = "leave infilling suites out, or set fim_template to the model's own layout"
        else:
            advice = "leave out what it does not do"
        return EvaluationError(
            f"The server refuses to {what} ({error.status}{said}).", where=self._asker.base, advice=advice
        )

    def _key_hint(self) -> str:
        return f"api_key_env, now {self._settings.api_key_env or 'not set'}"

    def _untold(self, why: str) -> EvaluationError:
        return EvaluationError(
            f"The server does not tell the probability of a text: {why}.",
            where=self._asker.base,
            advice="leave grading by likelihood out for it",
        )

    def _broken(self, what: str) -> ServerError:
        return ServerError(
            f"The server's answer is not one of the completions protocol: {what}.",
            where=self._asker.base,
            advice="name the address of a completions API (.../v1)",
        )


def _finish(choice: Mapping[str, Any]) -> Literal["stop", "length"]:
    return "length" if choice.get("finish_reason") in _LENGTHS else "stop"


def _base(url: str) -> str:
    """The address, ready to have /completions put behind it."""
    try:
        import httpx
    except ImportError as error:
        raise DependencyError("httpx is not installed", advice="install it: pip install 'ownlm[serve]'") from error
    try:
        parsed = httpx.URL(url.strip().rstrip("/"))
    except httpx.InvalidURL as error:
        raise EvaluationError(f"This is no address: {error}.", where=redact(url)) from None
    if not parsed.host or parsed.userinfo or parsed.query or parsed.fragment:
        raise EvaluationError(
            "A server's address is https://host/v1, without user, password, query or fragment.",
            where=redact(url),
            advice="put the key into an environment variable and name that (api_key_env)",
        )
    return str(parsed) if parsed.path.strip("/") else f"{str(parsed).rstrip('/')}/v1"


def _key(settings: ModelSettings, base: str) -> str:
    name = settings.api_key_env
    if name is None:
        return ""
    key = os.environ.get(name, "").strip()
    if not key or not key.isascii() or not key.isprintable():
        raise EvaluationError(
            f"The environment variable {name} holds no key.", where=base, advice=f"export {name}=... and run again"
        )
    return key


def _model_name(asker: Asker, settings: ModelSettings) -> str:
    """The one that was named, if the server has it; else its only one."""
    try:
        listed = asker.ask("/models")
        names = [str(one["id"]) for one in listed["data"]]
    except RefusedError as error:
        if error.status in (401, 403):
            raise EvaluationError(
                f"The server does not let us in ({error.status}: {error.message}).",
                where=asker.base,
                advice=f"name a variable that holds a key (api_key_env, now {settings.api_key_env or 'not set'})",
            ) from error
        names = []
    except (LookupError, TypeError):
        names = []
    if settings.model is not None and (settings.model in names or not names):
        return settings.model
    if settings.model is None and len(names) == 1:
        return names[0]
    shown = ", ".join(names[:12]) or "it does not list any"
    wrong = "It is not clear which model" if settings.model is None else f"The server has no model {settings.model!r}"
    raise EvaluationError(f"{wrong}.", where=asker.base, advice=f"set model to one of its names: {shown}")
