"""The vocabulary prompts are built with, and how much of a text it was asked to encode."""

from __future__ import annotations

import pytest

from ownlm.serve.model import ServedModel
from ownlm.tokens.vocabulary.load import Vocabulary


@pytest.fixture(scope="session")
def vocabulary(model: ServedModel) -> Vocabulary:
    return model.vocabulary


@pytest.fixture
def encoded(vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Characters of each text that is encoded from now on."""
    lengths: list[int] = []
    encode = vocabulary.encode

    def counted(text: str) -> list[int]:
        lengths.append(len(text))
        return encode(text)

    monkeypatch.setattr(vocabulary, "encode", counted)
    return lengths
