"""What Tabby's protocol answers."""

from __future__ import annotations

import os
import platform
import time
from importlib.metadata import version

from typing_extensions import TypedDict

from ownlm.serve.gateway import Gateway

SPOKEN = "0.21.0"
"""Tabby's version whose protocol this is. Its clients ask a server older than 0.9 for no settings: they would send
telemetry to their maker."""


class TabbyChoiceJson(TypedDict):
    """One continuation."""

    index: int
    text: str


class TabbyCompletionJson(TypedDict):
    """The answer to a completion with segments."""

    id: str
    choices: list[TabbyChoiceJson]


class TabbyVersionJson(TypedDict):
    """Who answers."""

    build_date: str
    build_timestamp: str
    git_sha: str
    git_describe: str


class TabbyHealthJson(TypedDict):
    """GET /v1/health."""

    model: str
    chat_model: str | None
    device: str
    arch: str
    cpu_info: str
    cpu_count: int
    cuda_devices: list[str]
    version: TabbyVersionJson


class TabbySettingJson(TypedDict):
    """GET /v1beta/server_setting."""

    disable_client_side_telemetry: bool


def health_json(gateway: Gateway) -> TabbyHealthJson:
    """Who answers: the version that pages speak of."""
    model = gateway.model
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(model.created))
    build: TabbyVersionJson = {
        "build_date": stamp[:10],
        "build_timestamp": stamp,
        "git_sha": model.version,
        "git_describe": f"v{SPOKEN}+ownlm.{version('ownlm')}",
    }
    return {
        "model": model.name,
        "chat_model": model.name if model.chat else None,
        "device": gateway.config.device,
        "arch": platform.machine(),
        "cpu_info": platform.processor() or platform.machine(),
        "cpu_count": os.cpu_count() or 1,
        "cuda_devices": [],
        "version": build,
    }
