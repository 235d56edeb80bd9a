"""Settings of sampling at their bounds, in every protocol, on the real engine: found by schemathesis as 500s."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

TINIEST = 5e-324  # 0 in float32
BODIES: dict[str, dict[str, Any]] = {
    "/v1/completions": {"model": "tiny", "prompt": "def f", "max_tokens": 3},
    "/infill": {"input_prefix": "def f", "input_suffix": "", "n_predict": 3},
    "/v1/fim/completions": {"model": "tiny", "prompt": "def f", "max_tokens": 3},
    "/generate": {"inputs": "def f", "parameters": {"max_new_tokens": 3}},
}
SETTINGS: list[dict[str, Any]] = [
    {"top_p": TINIEST},
    {"top_p": TINIEST, "temperature": 2},
    {"temperature": TINIEST},
    {"temperature": 2, "top_k": 2**31 - 1},
    {"temperature": 1, "top_k": 512},
    {"temperature": 1, "top_k": 511, "top_p": 0.5},
]


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("seed", [None, 0, 2**63 - 1])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_no_setting_breaks_the_engine(
    client: httpx.Client, path: str, settings: dict[str, Any], seed: int | None
) -> None:
    name = "random_seed" if path == "/v1/fim/completions" else "seed"
    more = settings if seed is None else {**settings, name: seed}
    body = BODIES[path]
    if path == "/generate":
        body = {**body, "parameters": {**body["parameters"], **more}}
    else:
        body = {**body, **{key: value for key, value in more.items() if key != "top_k" or "fim" not in path}}
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text


def test_what_leaves_the_likeliest_token_alone_is_greedy(client: httpx.Client) -> None:
    body = BODIES["/v1/completions"] | {"max_tokens": 12}
    greedy = client.post("/v1/completions", json={**body, "temperature": 0}).json()["choices"]
    for settings in ({"temperature": TINIEST}, {"top_p": TINIEST}, {"top_p": TINIEST, "seed": 1}):
        assert client.post("/v1/completions", json={**body, **settings}).json()["choices"] == greedy
