"""Asking an application without a socket, and what it was asked to do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI

from ownlm.serve.app import app_for
from ownlm.serve.config import ServeConfig
from ownlm.serve.engines.base import GenerationRequest
from ownlm.serve.model import ServedModel
from tests.serve.scripted import ScriptedEngine


@asynccontextmanager
async def connected(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        yield client


def ask(
    model: ServedModel, method: str, path: str, *, config: ServeConfig | None = None, **more: object
) -> httpx.Response:
    """One request to a gateway of its own."""

    async def send() -> httpx.Response:
        async with connected(app_for(model, config or ServeConfig())) as client:
            return await client.request(method, path, **more)  # type: ignore[arg-type]

    return asyncio.run(send())


def engine_of(model: ServedModel) -> ScriptedEngine:
    assert isinstance(model.engine, ScriptedEngine)
    return model.engine


def asked_of(model: ServedModel) -> GenerationRequest:
    """The last thing the engine was asked to do."""
    return engine_of(model).requests[-1]


def prompt_text(model: ServedModel) -> str:
    """The last prompt the engine read, markers by their names."""
    special = model.vocabulary.special
    parts: list[str] = []
    plain: list[int] = []
    for token in asked_of(model).prompt:
        if token < special.count:
            parts += [model.vocabulary.decode(plain), special.names[token]]
            plain = []
        else:
            plain.append(token)
    return "".join([*parts, model.vocabulary.decode(plain)])


def events(answer: httpx.Response) -> Sequence[str]:
    """The data of server-sent events."""
    assert answer.headers["content-type"].startswith("text/event-stream")
    return [event.removeprefix("data: ") for event in answer.text.split("\n\n") if event]
