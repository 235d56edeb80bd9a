from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ownlm.model.architecture import Architecture
from ownlm.serve.config import ServeConfig
from ownlm.serve.engines.base import GenerationRequest, GenerationStep
from ownlm.serve.engines.ctranslate2 import Ctranslate2Engine
from ownlm.serve.engines.static_prompts import REACH, SHORTEST, StaticPrompts, _common

FILE = tuple(16 + place * place % 480 for place in range(400))


def told(prompts: StaticPrompts, text: tuple[int, ...]) -> int:
    with prompts.of(text) as static:
        return static


def forget_nothing() -> None:
    raise AssertionError("nothing had to be forgotten")


def test_a_prompt_that_does_not_come_again_is_not_kept() -> None:
    prompts = StaticPrompts(10_000, forget_nothing)
    assert [told(prompts, FILE[start:]) for start in range(0, 200, 20)] == [0] * 10
    assert prompts.tokens == 0


def test_while_a_person_types_little_is_read() -> None:
    """Counted: tokens that are read, over 200 prompts that each have a token more before their last one."""
    prompts = StaticPrompts(100_000, forget_nothing)
    read, kept = [], set()
    for typed in range(200):
        text = (*FILE[: 200 + typed], 3)
        static = told(prompts, text)
        known = text[:static] in kept
        kept.add(text[:static])
        read.append(len(text) - static if known and static else len(text))
    assert read[0] == 201
    assert sorted(read)[len(read) // 2] < 40
    assert sum(count > REACH + 1 for count in read) <= 2 + 200 // REACH


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 300), st.integers(1, 5)), max_size=40), st.integers(0, 1500)
)
def test_what_is_kept_begins_the_prompt_leaves_a_token_and_stays_in_the_budget(
    asked: list[tuple[int, int, int]], budget: int
) -> None:
    kept: set[tuple[int, ...]] = set()
    prompts = StaticPrompts(budget, kept.clear)
    for file, length, end in asked:
        text = (file, *FILE[:length], end)
        static = told(prompts, text)
        assert 0 <= static < len(text)
        assert static == 0 or static >= SHORTEST
        if static:
            kept.add(text[:static])
        assert prompts.tokens == sum(map(len, kept)) <= budget


@given(st.lists(st.integers(0, 2)), st.lists(st.integers(0, 2)))
def test_common(one: list[int], other: list[int]) -> None:
    count = 0
    while count < min(len(one), len(other)) and one[count] == other[count]:
        count += 1
    assert _common(tuple(one), tuple(other)) == count


def test_it_is_made_to_forget_only_while_nothing_is_computed() -> None:
    inside, forgotten = threading.Event(), threading.Event()
    prompts = StaticPrompts(250, forgotten.set)
    told(prompts, FILE[:200])
    told(prompts, FILE[:201])
    other = (1, *FILE[:200])
    told(prompts, other)

    def ask() -> None:
        inside.set()
        told(prompts, (*other, 5))

    with prompts.of((7, 8)):
        thread = threading.Thread(target=ask)
        thread.start()
        inside.wait()
        thread.join(0.05)  # long enough for a thread that does not wait; one that waits needs no time here
        assert not forgotten.is_set()
    thread.join()
    assert forgotten.is_set()
    assert (prompts.forgotten, prompts.tokens) == (1, 201)


@pytest.fixture(scope="module")
def folder(export_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny export with its shape, as our export writes it."""
    folder = tmp_path_factory.mktemp("static") / "ctranslate2"
    shutil.copytree(export_dir / "ctranslate2", folder)
    shape = Architecture(vocab_size=512, d_model=64, layers=2, heads=2, kv_heads=2, d_ff=128, context=256)
    (folder / "ownlm.json").write_text(json.dumps({"name": "tiny", "context": 256, "architecture": shape.to_json()}))
    return folder


@pytest.mark.parametrize("megabytes", [0.3, 1000.0])
@pytest.mark.parametrize(("temperature", "seed"), [(0.0, None), (0.8, 4)])
def test_tokens_are_the_same_with_and_without(
    folder: Path, megabytes: float, temperature: float, seed: int | None
) -> None:
    def all_tokens(engine: Ctranslate2Engine) -> list[int]:
        tokens: list[int] = []

        def on_step(step: GenerationStep) -> bool:
            tokens.append(step.token)
            return False

        for file in range(3):
            for typed in (0, 1, 2, 80, 81):
                prompt = (200 + file, *FILE[: 100 + typed], 3)
                engine.generate(GenerationRequest(prompt, 5, temperature=temperature, seed=seed), on_step)
        return tokens

    keeping = Ctranslate2Engine(folder, ServeConfig(prefix_cache_mb=megabytes))
    assert all_tokens(keeping) == all_tokens(Ctranslate2Engine(folder, ServeConfig(prefix_cache_mb=0)))
    assert (keeping._static.forgotten > 0) == (megabytes < 1)
    assert keeping._static.tokens > 0
