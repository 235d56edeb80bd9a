"""All forms of a trained model that are asked for, each compared with it.

our decoder ──► huggingface/ ──► transformers: greedy ids equal?
                    ├──────────► ctranslate2/: greedy ids equal? (quantized: how many)
                    ├──────────► gguf/: llama.cpp's greedy ids equal? (quantized: how many)
                    └──────────► triton/: the folder its Python backend computes, compared as CTranslate2's
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from pydantic import JsonValue

from ownlm.errors import ArtifactError
from ownlm.export.config import ExportConfig
from ownlm.export.ctranslate2 import ctranslate2_greedy, write_ctranslate2
from ownlm.export.description import Description
from ownlm.export.gguf.proof import llamacpp_greedy
from ownlm.export.gguf.write import FILE, write_gguf
from ownlm.export.huggingface import quiet_transformers, transformers_greedy, write_huggingface
from ownlm.export.parity import Parity, compare
from ownlm.export.triton.write import WEIGHTS, write_triton
from ownlm.model.decoder import Decoder
from ownlm.pipeline.artifact import SCRATCH
from ownlm.pipeline.progress import Progress
from ownlm.tokens.vocabulary.load import Vocabulary

EXACT = ("float32", "f32")
"""Ways to store weights that may change nothing but the last bits of a sum."""


@dataclass(frozen=True)
class Source:
    """What forms are made of.

    Attributes:
        decoder: the trained model.
        vocabulary_dir: folder of its tokenizer.
        fill_in_the_middle: it was trained to fill in the middle.
        packed: how its training's documents were packed; see `Description`.
    """

    decoder: Decoder
    vocabulary_dir: Path
    fill_in_the_middle: bool
    packed: Mapping[str, JsonValue] = field(default_factory=dict)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The loaded vocabulary, read once."""
        return Vocabulary.load(self.vocabulary_dir)

    @property
    def description(self) -> Description:
        """What ownlm.json says of it."""
        return Description(self.decoder.architecture, self.vocabulary, self.fill_in_the_middle, self.packed)


def write_forms(source: Source, config: ExportConfig, out: Path, progress: Progress) -> dict[str, Parity]:
    """Write the forms that are on below `out`; returns how each compares with the trained model.

    Raises:
        ArtifactError: an input is damaged, or an exported model does not say what the trained one says.
        RecipeError: a form cannot be made of such a model.
        DependencyError: a converter is not installed.
        StorageError: the disk is full.
    """
    others = [form for form in _FORMS if getattr(config, form) is not None]
    parities: dict[str, Parity] = {}
    vocabulary, keep = source.vocabulary, config.huggingface is not None
    with quiet_transformers(), progress.task("export", 2 * (1 + len(others)), "steps") as task:
        task.note("huggingface")
        folder = write_huggingface(source.decoder, source.vocabulary_dir, out if keep else out / SCRATCH)
        task.advance()
        parities["huggingface"] = compare(source.decoder, vocabulary, transformers_greedy(folder, vocabulary))
        _must_be_equal("huggingface", parities["huggingface"], folder)
        source.description.write(folder, "float32")  # the torch engine serves it
        task.advance()
        for form in others:
            task.note(form)
            parities[form] = _FORMS[form](source, config, folder, out, task.advance)
            if getattr(config, form).quantization in EXACT:
                _must_be_equal(form, parities[form], out / form)
            task.advance()
    if not keep:
        shutil.rmtree(out / SCRATCH)
    return parities


def _ctranslate2(
    source: Source, config: ExportConfig, huggingface: Path, out: Path, written: Callable[[], None]
) -> Parity:
    assert config.ctranslate2 is not None
    folder = write_ctranslate2(huggingface, out, config.ctranslate2.quantization, source.description)
    written()
    return compare(source.decoder, source.vocabulary, ctranslate2_greedy(folder, source.vocabulary))


def _gguf(source: Source, config: ExportConfig, huggingface: Path, out: Path, written: Callable[[], None]) -> Parity:
    assert config.gguf is not None
    folder = write_gguf(huggingface, out, config.gguf.quantization, source.description)
    written()
    with llamacpp_greedy(folder / FILE, source.vocabulary) as go_on:
        return compare(source.decoder, source.vocabulary, go_on)


def _triton(source: Source, config: ExportConfig, huggingface: Path, out: Path, written: Callable[[], None]) -> Parity:
    assert config.triton is not None
    folder = write_triton(huggingface, out, config.triton, source.description)
    written()
    return compare(source.decoder, source.vocabulary, ctranslate2_greedy(folder / WEIGHTS, source.vocabulary))


_FORMS = {"ctranslate2": _ctranslate2, "gguf": _gguf, "triton": _triton}


def _must_be_equal(form: str, parity: Parity, folder: Path) -> None:
    if not parity.within_rounding:
        raise ArtifactError(
            f"The {form} form does not say what the trained model says: {parity.equal} of {parity.prompts} prompts are "
            f"continued alike, and where they differ the logits are {parity.widest_gap:.3g} apart.",
            where=folder,
            advice="Do not serve it. Check that the converters (transformers, ctranslate2, gguf, xllamacpp) have the "
            "versions ownlm asks for.",
        )
