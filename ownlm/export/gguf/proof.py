"""The proof that llama.cpp reads the same model out of a GGUF file: greedy continuations by its own server."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ownlm.errors import ArtifactError
from ownlm.export.gguf.server import running_llamacpp
from ownlm.export.parity import Continue
from ownlm.tokens.vocabulary.load import Vocabulary

TIMEOUT_S = 600.0


@contextmanager
def llamacpp_greedy(file: Path, vocabulary: Vocabulary) -> Iterator[Continue]:
    """llama.cpp on the file as a function that continues prompts, for as long as the block runs.

    Keys and values are kept in float32, so that what differs is the file's.

    Raises:
        DependencyError: xllamacpp is not installed.
        ArtifactError: llama.cpp cannot load the file, or does not answer.
    """
    count = vocabulary.special.count
    with running_llamacpp(file, exact=True) as url:

        def go_on(prompts: Sequence[Sequence[int]], limit: int) -> list[list[int]]:
            made = []
            for prompt in prompts:
                body = {"prompt": list(prompt), "n_predict": limit, "temperature": 0, "return_tokens": True}
                tokens: list[int] = ask(url, "/completion", body)["tokens"]
                end = next((place for place, token in enumerate(tokens) if token < count), len(tokens))
                made.append(tokens[:end])
            return made

        yield go_on


def ask(url: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """One question to a llama.cpp server on this machine.

    Raises:
        ArtifactError: it does not answer, or with an error.
    """
    request = urllib.request.Request(url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})  # noqa: S310
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=TIMEOUT_S) as answer:
            values: dict[str, Any] = json.load(answer)
            return values
    except (OSError, ValueError) as error:
        said = error.read().decode("utf-8", "replace") if isinstance(error, urllib.error.HTTPError) else str(error)
        raise ArtifactError(
            f"llama.cpp does not continue a prompt ({said[:200]}).", where=url, advice="Export the model again."
        ) from error
