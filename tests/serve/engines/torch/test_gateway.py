from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from ownlm.serve.config import ServeConfig
from ownlm.serve.server import running_server


def test_sixteen_users_get_each_their_own_answer(export_dir: Path) -> None:
    """The same requests one after the other and all at once, through HTTP."""
    config = ServeConfig(engine="torch", compute_type="float64", port=0, threads=1, feedback=None)
    with running_server(export_dir, config) as server, httpx.Client(base_url=server.url, timeout=60) as client:

        def ask(number: int) -> tuple[str, str]:
            settings = {"max_tokens": 12, "temperature": number % 2, "seed": number}
            body = {"model": server.model_name, "prompt": f"def f{number}(values):\n", **settings}
            answer = client.post("/v1/completions", json=body).raise_for_status().json()
            return answer["id"], answer["choices"][0]["text"]

        alone = [ask(number) for number in range(16)]
        with ThreadPoolExecutor(16) as pool:
            together = list(pool.map(ask, range(16)))
    assert [text for _, text in together] == [text for _, text in alone]
    assert len({answer for answer, _ in [*alone, *together]}) == 32
