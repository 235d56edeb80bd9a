"""All protocols' routes."""

from __future__ import annotations

from fastapi import APIRouter

from ownlm.serve.gateway import Gateway
from ownlm.serve.protocols.chat import chat_router
from ownlm.serve.protocols.infill import infill_router
from ownlm.serve.protocols.mistral import mistral_router
from ownlm.serve.protocols.openai import openai_router
from ownlm.serve.protocols.tabby import Tabby, tabby_router
from ownlm.serve.protocols.tgi import tgi_router


def protocol_routers(gateway: Gateway) -> list[APIRouter]:
    """The routes clients ask for completions by, and tell what became of them."""
    tabby = Tabby(gateway)
    return [
        openai_router(gateway, tabby),
        chat_router(gateway),
        tabby_router(tabby),
        infill_router(gateway),
        mistral_router(gateway),
        tgi_router(gateway),
    ]
