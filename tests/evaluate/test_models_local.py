from __future__ import annotations

import random
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ownlm.errors import ArtifactError, EvaluationError, InputError, RecipeError
from ownlm.evaluate.models.base import Answer, Request
from ownlm.evaluate.models.folders import of_weights
from ownlm.evaluate.models.local import LocalModel, windows
from ownlm.evaluate.models.open import open_model
from ownlm.evaluate.models.settings import ModelSettings
from ownlm.evaluate.models.trained import Trained
from ownlm.model.generate import greedy
from ownlm.model.load import load_model
from ownlm.pipeline.progress import SilentProgress
from ownlm.serve.prompt.build import PromptBuilder
from ownlm.tokens.vocabulary.load import Vocabulary
from tests.evaluate.models import trained

STOPS = ("\n    return", "e_", "\n\n")


class Counted:
    def __init__(self) -> None:
        self.done = 0.0

    def advance(self, amount: float = 1) -> None:
        self.done += amount

    def note(self, text: str) -> None: ...
    def say(self, text: str) -> None: ...


@cache
def model(**settings: object) -> LocalModel:
    train, vocabulary, _ = trained()
    opened = open_model(str(train), vocabulary=str(vocabulary), **settings)
    assert isinstance(opened, LocalModel)
    return opened


def requests(seed: int, count: int = 8) -> list[Request]:
    draw = random.Random(seed)
    prefixes = ["def value(", "", "    for index in ", "größe = 1\n" * 40, "class A:\n    def f(self):\n        "]
    return [
        Request(
            draw.choice(prefixes),
            draw.choice([None, "", "\n    return None\n"]),
            draw.choice([(), STOPS]),
            draw.randrange(1, 20),
            draw.choice([0.0, 0.8]),
            draw.choice([0.9, 1.0]),
            draw.randrange(3),
        )
        for _ in range(count)
    ]


def answers(asked: LocalModel, given_: list[Request]) -> list[Answer]:
    task = Counted()
    made = asked.answer(given_, task)
    assert task.done == len(given_)
    return made


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 50), order=st.randoms(use_true_random=False), batch=st.sampled_from([1, 3]))
def test_an_answer_does_not_depend_on_what_else_is_asked(seed: int, order: random.Random, batch: int) -> None:
    asked = requests(seed)
    expected = answers(model(), asked)
    places = list(range(len(asked)))
    order.shuffle(places)
    mixed = answers(model(batch=batch), [asked[place] for place in places])
    assert [mixed[places.index(place)] for place in range(len(asked))] == expected
    assert [answers(model(), [one])[0] for one in asked] == expected


def test_greedy_is_the_slow_reference_cut_before_its_first_stop() -> None:
    train, folder, _ = trained()
    vocabulary, decoder = Vocabulary.load(folder), load_model(train).double()
    builder = PromptBuilder(vocabulary, decoder.architecture.context)
    asked = [replace(one, temperature=0.0) for seed in range(4) for one in requests(seed)]
    for request, answer in zip(asked, answers(model(), asked), strict=True):
        prompt = builder.text(request.prefix, request.suffix, request.max_tokens, "suffix_first")
        ids = greedy(decoder, [prompt.ids], prompt.max_tokens, stop_ids=range(vocabulary.special.count), batch=1)[0]
        whole = vocabulary.decode_bytes(ids).decode("utf-8", "ignore").removeprefix(prompt.taken_back)
        text, stopped = whole, len(ids) < prompt.max_tokens
        for end in range(len(whole) + 1):
            found = [stop for stop in request.stops if whole[:end].endswith(stop)]
            if found:
                text, stopped = whole[: end - max(map(len, found))], True
                break
        assert answer == Answer(text, "stop" if stopped else "length", prompt.cut)


def test_a_seed_is_one_answer_and_seeds_are_many() -> None:
    one = Request("def value(", None, (), 12, 1.0, 1.0, 7)
    same, other = answers(model(), [one, one]), [replace(one, seed=seed) for seed in range(6)]
    assert same[0] == same[1]
    assert len(set(answers(model(), other))) > 1


def test_a_long_prompt_is_cut_and_says_so() -> None:
    short, long = answers(model(), [Request("x = 1\n", max_tokens=4), Request("value = 1\n" * 200, max_tokens=4)])
    assert not short.cut
    assert long.cut


def test_who_cannot_fill_in_the_middle_is_not_asked_to() -> None:
    train, folder, _ = trained()
    opened = of_weights(Trained("m", load_model(train), folder, "it was not trained to", {}), ModelSettings())
    assert opened.answer([Request("x", "", (), 2)], Counted())[0].finish
    with pytest.raises(EvaluationError, match="cannot be asked to fill in the middle: it was not trained to"):
        opened.answer([Request("x", "y")], Counted())


def test_text_that_is_no_unicode_is_refused() -> None:
    with pytest.raises(InputError, match="surrogate"):
        model().answer([Request("\ud800")], Counted())


@settings(max_examples=60, deadline=None)
@given(before=st.integers(1, 60), after=st.integers(1, 90), context=st.integers(1, 40))
def test_every_token_of_the_second_text_is_scored_once(before: int, after: int, context: int) -> None:
    stream = list(range(before + after))
    scored = []
    for tokens, first in windows(stream[:before], stream[before:], context):
        assert len(tokens) <= context + 1
        assert first >= 1
        assert tokens == stream[tokens[0] : tokens[-1] + 1]
        scored += tokens[first:]
    assert scored == stream[before:]


def test_likelihoods_are_those_of_a_plain_forward_pass() -> None:
    train, folder, _ = trained()
    vocabulary, decoder = Vocabulary.load(folder), load_model(train).double()
    pairs = [("def value(", "item):\n"), ("    return", " x"), ("    ", "return x"), ("", "x = 1\n"), ("x", "")]
    task = Counted()
    got = model().log_likelihoods(pairs, task)
    assert task.done == len(pairs)
    for (first, second), value in zip(pairs, got, strict=True):
        blank = " " if first.endswith(" ") else ""
        before = [0, *vocabulary.encode(first.removesuffix(blank))]
        after = vocabulary.encode(blank + second) if second else []
        with torch.inference_mode():
            logs = decoder(torch.tensor([[*before, *after]]))[0].log_softmax(-1) / torch.tensor(2.0).log()
        plain = sum(float(logs[len(before) + place - 1, token]) for place, token in enumerate(after))
        assert value == pytest.approx(plain, abs=1e-5)


def test_likelihoods_of_long_texts_and_in_any_company() -> None:
    pairs = [("value = 1\n" * 30, "total = 2\n" * 30), ("a", "b"), ("x = 1\n" * 3, "y = 2\n" * 20)]
    together = model().log_likelihoods(pairs, Counted())
    for pair, value in zip(pairs, together, strict=True):
        assert model(batch=1).log_likelihoods([pair], Counted()) == pytest.approx([value], abs=1e-9)
        assert value < 0


def test_the_exported_forms_answer_alike(tmp_path: Path) -> None:
    from ownlm.export.huggingface import write_huggingface

    train, folder, _ = trained()
    exported = write_huggingface(load_model(train), folder, tmp_path)
    asked = [one for seed in range(3) for one in requests(seed)]
    expected = answers(model(), asked)
    assert answers(open_model(str(tmp_path)), asked) == expected  # type: ignore[arg-type]
    converted = open_model(str(exported), engine="ctranslate2", threads=2)
    assert answers(converted, asked) == expected  # type: ignore[arg-type]
    assert converted.identity["engine"].startswith("ctranslate2")
    pairs = [("def value(", "item):\n")]
    assert converted.log_likelihoods(pairs, Counted()) == pytest.approx(
        model().log_likelihoods(pairs, Counted()), abs=1e-4
    )


def test_identity_pins_the_weights_down() -> None:
    identity = model().identity
    assert len(identity["weights"]) == 64
    assert identity["precision"] == "float64"
    assert model(precision="float32").identity["precision"] == "float32"


def test_what_cannot_be_opened_is_told(tmp_path: Path) -> None:
    train, _, _ = trained()
    with pytest.raises(EvaluationError, match="vocabulary this model was trained with is not found"):
        open_model(str(train))
    with pytest.raises(EvaluationError, match="no model in this folder"):
        open_model(str(tmp_path))
    with pytest.raises(EvaluationError, match="no such folder or recipe"):
        open_model(str(tmp_path / "none"))
    with pytest.raises(InputError, match="Nothing was run here"):
        open_model("quickstart", home=str(tmp_path / "home"))
    with pytest.raises(RecipeError, match="setting is wrong: bach"):
        open_model(str(train), bach=3)
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises((ArtifactError, EvaluationError)):
        open_model(str(tmp_path), vocabulary=str(trained()[1]))


def test_silent_progress_will_do() -> None:
    with SilentProgress().task("ask") as task:
        assert len(model().answer([Request("x", max_tokens=2)], task)) == 1
