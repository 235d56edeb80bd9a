from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from ownlm.export.huggingface import quiet_transformers, transformers_greedy, write_huggingface
from ownlm.export.parity import NEAR_TIE, Continue, Parity, compare, parity_prompts
from ownlm.model.architecture import Family
from ownlm.model.config import ModelConfig
from ownlm.model.decoder import Decoder
from ownlm.model.generate import greedy
from ownlm.tokens.vocabulary.load import Vocabulary
from tests.evaluate.models import tiny
from tests.model.strategies import FAMILIES, lively
from tests.tokens.corpora import small


def vocabulary() -> Vocabulary:
    return small()[1]


def continues(decoder: Decoder) -> Continue:
    def go_on(prompts: Sequence[Sequence[int]], limit: int) -> list[list[int]]:
        return greedy(decoder, prompts, limit, stop_ids=range(vocabulary().special.count))

    return go_on


def test_a_model_agrees_with_itself() -> None:
    parity = compare(tiny(), vocabulary(), continues(tiny()))
    assert parity.equal == parity.prompts == 8
    assert parity.agreement == 1.0
    assert parity.within_rounding
    assert parity.tokens > 0


def test_another_model_is_found_out() -> None:
    parity = compare(tiny(0), vocabulary(), continues(tiny(1)))
    assert parity.equal < parity.prompts
    assert parity.agreement < 1.0
    assert not parity.within_rounding


def test_one_changed_weight_matrix_is_found_out() -> None:
    broken = tiny()
    with torch.no_grad():
        broken.layers[0].self_attn.q_proj.weight.mul_(-1)
    assert not compare(tiny(), vocabulary(), continues(broken)).within_rounding


def test_an_answer_cut_short_is_found_out() -> None:
    honest = continues(tiny())
    parity = compare(tiny(), vocabulary(), lambda prompts, limit: [one[:-1] for one in honest(prompts, limit)])
    assert parity.equal == 0
    assert parity.agreeing == parity.tokens - parity.prompts
    assert not parity.within_rounding


def test_a_near_tie_is_forgiven() -> None:
    """Two tokens with the same embedding have the same logit: which of them is written is rounding."""
    decoder = tiny()
    first = greedy(decoder, parity_prompts(vocabulary(), 64)[:1], 1)[0][0]
    twin = first + 1 if first + 1 < 540 else first - 1
    with torch.no_grad():
        decoder.embed_tokens.weight[twin] = decoder.embed_tokens.weight[first]
    honest = continues(decoder)

    def other(prompts: Sequence[Sequence[int]], limit: int) -> list[list[int]]:
        return [[twin if token == first else token for token in answer] for answer in honest(prompts, limit)]

    parity = compare(decoder, vocabulary(), other)
    assert parity.equal < parity.prompts
    assert parity.widest_gap <= NEAR_TIE


@pytest.mark.parametrize("context", [26, 64, 4096])
def test_prompts_fit_the_context(context: int) -> None:
    prompts = parity_prompts(vocabulary(), context)
    assert all(0 < len(prompt) <= context for prompt in prompts)
    assert any(vocabulary().special.fim_middle in prompt for prompt in parity_prompts(vocabulary(), 4096))


def test_nothing_written_is_full_agreement() -> None:
    assert Parity(prompts=1, equal=1, tokens=0, agreeing=0, widest_gap=0.0).agreement == 1.0


@pytest.mark.parametrize("family", FAMILIES)
def test_transformers_continues_as_every_family_does(family: Family, tmp_path: Path) -> None:
    settings = {"size": "0.8m", "family": family, "d_model": 32, "heads": 2, "d_ff": 48}
    architecture = ModelConfig.model_validate(settings).architecture(vocabulary().size, 64)
    decoder = lively(architecture, 0)
    folder = write_huggingface(decoder, small()[0].parent / "vocabulary", tmp_path)
    with quiet_transformers():
        parity = compare(decoder, vocabulary(), transformers_greedy(folder, vocabulary()))
    assert parity.equal == parity.prompts
    assert parity.tokens > 0
