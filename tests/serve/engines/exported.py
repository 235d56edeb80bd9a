"""A small model in every form an engine reads, and what the engines are asked.

Its weights are random, so its choices are far from ties; it writes whole characters, and now and then ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path
from tempfile import mkdtemp

import torch

from ownlm.export.ctranslate2 import write_ctranslate2
from ownlm.export.description import Description
from ownlm.export.gguf.write import write_gguf
from ownlm.export.huggingface import quiet_transformers, write_huggingface
from ownlm.export.parity import parity_prompts
from ownlm.model.decoder import Decoder
from ownlm.serve.engines.base import Engine, GenerationRequest, GenerationStep
from ownlm.tokens.vocabulary.load import Vocabulary
from tests.evaluate.models import tiny
from tests.tokens.corpora import small

ENDING = 1.4
"""How much longer than others the end of text's row is: with it one answer in four ends."""


def decoder() -> Decoder:
    """Never says another special token than the end of text, and no token that is part of a character."""
    model, special = tiny(), small()[1].special
    with torch.no_grad():
        rows = model.embed_tokens.weight
        rows[special.end_of_text] *= ENDING
        for number, text in enumerate(small()[1].token_bytes):
            if number > special.end_of_text and (number < special.count or "\ufffd" in text.decode(errors="replace")):
                rows[number] = 0
    return model


@cache
def exported() -> Path:
    """An export with huggingface/, ctranslate2/ and gguf/."""
    model, vocabulary, out = decoder(), small()[1], Path(mkdtemp(prefix="ownlm-export-"))
    folder = write_huggingface(model, small()[0].parent / "vocabulary", out)
    with quiet_transformers():
        write_ctranslate2(folder, out, "float32", Description(model.architecture, vocabulary, True))
    write_gguf(folder, out, "f32", Description(model.architecture, vocabulary, True))
    return out


def vocabulary() -> Vocabulary:
    return Vocabulary.load(exported() / "ctranslate2")


def prompts() -> list[list[int]]:
    """Code to go on with, and fill-in-the-middle; one whose answer has wide characters."""
    return [*parity_prompts(vocabulary(), 64), [0, *vocabulary().encode("            return item[1]  # → 変数 🙂\n")]]


def request(prompt: list[int], **settings: object) -> GenerationRequest:
    given = {"prompt": tuple(prompt), "max_tokens": 20, "temperature": 0.0}
    given["stop_ids"] = frozenset(range(vocabulary().special.count))
    return GenerationRequest(**{**given, **settings})  # type: ignore[arg-type]


def steps_of(engine: Engine, asked: GenerationRequest) -> list[GenerationStep]:
    found: list[GenerationStep] = []

    def on_step(step: GenerationStep) -> bool:
        found.append(step)
        return False

    engine.generate(asked, on_step)
    return found


def tokens_of(engine: Engine, asked: GenerationRequest) -> list[list[int]]:
    """Each choice's tokens, those that ended it included."""
    steps = steps_of(engine, asked)
    return [[step.token for step in steps if step.choice == choice] for choice in range(asked.choices)]


def tokens_at_once(engine: Engine, asked: Sequence[GenerationRequest]) -> list[list[list[int]]]:
    """What each of several threads gets that ask at the same time."""
    with ThreadPoolExecutor(len(asked)) as threads:
        return list(threads.map(partial(tokens_of, engine), asked))
