"""What llama.cpp itself says about our files: its ids, and its greedy continuations."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ownlm.errors import ArtifactError
from ownlm.export.description import Description
from ownlm.export.gguf.proof import ask, llamacpp_greedy
from ownlm.export.gguf.server import running_llamacpp
from ownlm.export.gguf.write import write_gguf
from ownlm.export.huggingface import write_huggingface
from ownlm.export.parity import compare
from ownlm.model.architecture import Architecture, Experts, RopeScaling
from ownlm.tokens.vocabulary.config import VocabularyConfig
from ownlm.tokens.vocabulary.load import Vocabulary
from ownlm.tokens.vocabulary.special import SpecialTokens
from ownlm.tokens.vocabulary.train import save, train_tokenizer
from tests.evaluate.models import TINY, tiny
from tests.model.strategies import lively, tokens
from tests.tokens.corpora import program, small

pytest.importorskip("xllamacpp", reason="llama.cpp is not here: pip install xllamacpp")

HARD = (
    "def f(x):\n\treturn  x[ 0 ]  # it's, WE'LL, I'M; don’t\r\n\r\n   \n\n        if a!=b: pass\t\t \n",
    " 1 12 123 1234567 ٣²Ⅷ 3.14e-10 0xFF a1b22c333 große naïve ẹ́ 変数 กำ אב 👩‍💻 𝓐 ",
    "\x00\x1b\x7f\x85\u00a0\u2028\u3000\u200b\ufeff\ufffd <|end_of_text|><|fim_middle|> <|",
    " " * 700 + "\n" + "ab" * 500 + "=" * 600 + "\n" * 40 + "\t" * 90 + "9" * 50 + "é" * 300 + " '",
    "",
    program(1),
)


def file_of(architecture: Architecture, tmp_path: Path, **settings: Any) -> Path:
    folder = write_huggingface(lively(architecture, 1), small()[0].parent / "vocabulary", tmp_path)
    stored = settings.get("stored", "f32")
    return write_gguf(folder, tmp_path, stored, Description(architecture, small()[1], True)) / "model.gguf"


@pytest.mark.parametrize(
    "changes",
    [
        {"tied": False},
        {"head_dim": 8, "rope_scaling": RopeScaling("linear", 4.0)},
        {"rope_scaling": RopeScaling("llama3", 8.0, 16)},
        {"rope_scaling": RopeScaling("yarn", 4.0, 16)},
        {"rope_scaling": RopeScaling("yarn", 4.0, 16, attention_factor=0.8)},
        {"family": "qwen3", "head_dim": 24},
        {"family": "mixtral", "experts": Experts(4, 2, TINY.d_ff)},
        {"family": "qwen3_moe", "experts": Experts(4, 2, 32)},
    ],
    ids=lambda changes: "-".join(str(value).split("(")[0] for value in changes.values()),
)
def test_llama_cpp_computes_what_every_family_does(changes: dict[str, Any], tmp_path: Path) -> None:
    architecture = replace(TINY, **changes)
    decoder, prompts_BL, compared = lively(architecture, 1), tokens(architecture, 8, 40, 0), 0
    with torch.inference_mode():
        expected_BV = decoder(prompts_BL)[:, -1].log_softmax(-1)
    with running_llamacpp(file_of(architecture, tmp_path), exact=True) as url:
        for prompt, expected_V in zip(prompts_BL.tolist(), expected_BV, strict=True):
            body = {"prompt": prompt, "n_predict": 1, "temperature": 0, "n_probs": 8, "return_tokens": True}
            answer = ask(url, "/completion", body)
            assert answer["tokens"] == [expected_V.argmax()]
            if "completion_probabilities" not in answer:
                continue  # llama.cpp says nothing about a token that ends inside a character
            likeliest = answer["completion_probabilities"][0]["top_logprobs"]
            ours = [float(expected_V[one["id"]]) for one in likeliest]
            assert [one["logprob"] for one in likeliest] == pytest.approx(ours, abs=1e-3)
            compared += 1
    assert compared >= 3


def test_llama_cpp_continues_as_we_do(tmp_path: Path) -> None:
    with llamacpp_greedy(file_of(TINY, tmp_path), small()[1]) as go_on:
        parity = compare(lively(TINY, 1), small()[1], go_on)
    assert parity.equal == parity.prompts


def test_half_the_bytes_nearly_agree_and_another_model_does_not(tmp_path: Path) -> None:
    folder = write_huggingface(tiny(), small()[0].parent / "vocabulary", tmp_path)
    file = write_gguf(folder, tmp_path, "q8_0", Description(TINY, small()[1], True)) / "model.gguf"
    with llamacpp_greedy(file, small()[1]) as go_on:
        assert compare(tiny(), small()[1], go_on).agreement > 0.3
        assert not compare(tiny(1), small()[1], go_on).within_rounding


@pytest.fixture(scope="module", params=["single", "triple"])
def digits(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Vocabulary]:
    """A vocabulary of each kind, in a GGUF with a model of its size."""

    class Sample(list[str]):
        bytes = 1

    folder = tmp_path_factory.mktemp(request.param)
    config = VocabularyConfig(size=900, digits=request.param)
    tokenizer = train_tokenizer(Sample([*map(program, range(40)), *HARD]), config, _silent())  # type: ignore[arg-type]
    save(tokenizer, SpecialTokens(config.reserved), folder)
    vocabulary = Vocabulary.load(folder)
    architecture = replace(TINY, vocab_size=vocabulary.size)
    written = write_huggingface(lively(architecture, 0), folder, folder)
    return write_gguf(written, folder, "f32", Description(architecture, vocabulary, True)), vocabulary


def _silent() -> Any:
    from ownlm.pipeline.progress import SilentProgress

    return SilentProgress()


def test_llama_cpp_cuts_text_into_our_ids(digits: tuple[Path, Vocabulary]) -> None:
    folder, vocabulary = digits
    with running_llamacpp(folder / "model.gguf") as url:
        for text in HARD:
            body = {"content": text, "add_special": False, "parse_special": False}
            assert ask(url, "/tokenize", body)["tokens"] == vocabulary.encode(text)
        assert ask(url, "/detokenize", {"tokens": vocabulary.encode(HARD[1])})["content"] == HARD[1]
        opened = ask(url, "/tokenize", {"content": "x", "add_special": True})["tokens"]
        assert opened == [SpecialTokens.end_of_text, *vocabulary.encode("x")]


def test_llama_cpp_fills_in_the_middle_with_our_tokens(tmp_path: Path) -> None:
    """Its /infill builds the prompt out of the ids in the file's metadata."""
    special = SpecialTokens()
    with running_llamacpp(file_of(TINY, tmp_path)) as url:
        body = {"input_prefix": "x = ", "input_suffix": "\ny", "n_predict": 1, "temperature": 0}
        prompt = ask(url, "/infill", body)["prompt"]
    names = special.names
    assert prompt.startswith(f"{names[0]}{names[special.fim_prefix]}") or names[special.fim_prefix] in prompt
    assert names[special.fim_suffix] + "\ny" in prompt
    assert prompt.endswith(names[special.fim_middle])


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    file = file_of(TINY, tmp_path)
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(ArtifactError, match="cannot load this file"), running_llamacpp(file):
        pass


def test_the_folder_describes_the_model(tmp_path: Path) -> None:
    described = json.loads((file_of(TINY, tmp_path, stored="q8_0").parent / "ownlm.json").read_text())
    assert described["quantization"] == "q8_0"
    assert described["context"] == TINY.context
