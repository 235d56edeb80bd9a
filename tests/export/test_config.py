from __future__ import annotations

import pytest
from pydantic import ValidationError

from ownlm.export.config import ExportConfig


def test_without_settings_every_format_is_written() -> None:
    assert ExportConfig() == ExportConfig.model_validate({"huggingface": {}, "ctranslate2": {}})


def test_a_list_names_the_formats_that_are_on() -> None:
    config = ExportConfig.model_validate([{"ctranslate2": {"quantization": "int8"}}])
    assert config.huggingface is None
    assert config.ctranslate2 is not None
    assert config.ctranslate2.quantization == "int8"
    assert ExportConfig.model_validate(["huggingface"]).ctranslate2 is None


@pytest.mark.parametrize(
    "block",
    [
        {"huggingface": None, "ctranslate2": None},
        ["ggml"],
        {"gguf": {"quantization": "q9_0"}},
        [1],
        {"ctranslate2": {"quantization": "int7"}},
        "ctranslate2",
    ],
)
def test_refuses_what_it_does_not_know(block: object) -> None:
    with pytest.raises(ValidationError):
        ExportConfig.model_validate(block)


def test_formats_that_came_later_are_off_and_not_in_the_key() -> None:
    assert ExportConfig().canonical() == '{"ctranslate2":{"quantization":"float32"},"huggingface":{}}'
    assert ExportConfig.model_validate(["ctranslate2"]).canonical() == (
        '{"ctranslate2":{"quantization":"float32"},"huggingface":null}'
    )
    on = ExportConfig.model_validate({"gguf": {"quantization": "q8_0"}})
    assert on.canonical() == (
        '{"ctranslate2":{"quantization":"float32"},"gguf":{"quantization":"q8_0"},"huggingface":{}}'
    )
