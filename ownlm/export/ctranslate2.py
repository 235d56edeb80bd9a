"""The CTranslate2 folder: all that serving needs, no torch and no transformers.

    model.bin  config.json  vocabulary.json   CTranslate2's own
    tokenizer.json                            text to ids
    ownlm.json                                name, architecture, context, special tokens, vocabulary hash

Made by CTranslate2's converter from the Hugging Face folder. The same model gives the same bytes.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from ownlm.errors import ArtifactError, DependencyError, RecipeError
from ownlm.export.config import Quantization, refused_by_ctranslate2
from ownlm.export.description import Description, unwritable
from ownlm.export.parity import Continue
from ownlm.tokens.vocabulary.load import TOKENIZER_FILE, Vocabulary

FOLDER = "ctranslate2"


def write_ctranslate2(huggingface: Path, out: Path, quantization: Quantization, model: Description) -> Path:
    """Convert a Hugging Face folder into `out/ctranslate2`; returns it.

    Args:
        huggingface: the folder to convert.
        out: where the new folder goes.
        quantization: how weights are stored.
        model: what it is.

    Raises:
        DependencyError: ctranslate2 or transformers is not installed.
        RecipeError: CTranslate2 does not compute such a model.
        ArtifactError: the folder cannot be converted.
        StorageError: the disk is full or the folder cannot be written.
    """
    reason = refused_by_ctranslate2(model.architecture)
    if reason is not None:
        raise RecipeError(reason, where="export.ctranslate2", advice="set export to [huggingface]")
    try:
        from ctranslate2.converters import TransformersConverter
        from safetensors import SafetensorError
    except ImportError as error:
        raise DependencyError(
            f"{error.name} is not installed, and CTranslate2's converter needs it.",
            advice="Install `ownlm[serve,train]`, or leave ctranslate2 out of the recipe's export block.",
        ) from error
    folder = out / FOLDER
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        TransformersConverter(str(huggingface)).convert(str(folder), quantization=quantization, force=True)
        shutil.copyfile(huggingface / TOKENIZER_FILE, folder / TOKENIZER_FILE)
        model.write(folder, quantization)
    except OSError as error:
        if error.errno is None or isinstance(error, FileNotFoundError):
            raise _unreadable(huggingface, error) from error
        raise unwritable("CTranslate2", folder, error) from error
    except (ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise _unreadable(huggingface, error) from error
    return folder


def ctranslate2_greedy(folder: Path, vocabulary: Vocabulary) -> Continue:
    """The converted model as a function that continues prompts, on the CPU.

    Raises:
        ArtifactError: the folder cannot be loaded.
    """
    import ctranslate2

    try:
        generator = ctranslate2.Generator(str(folder), device="cpu", intra_threads=1)
        names = json.loads((folder / "vocabulary.json").read_text(encoding="utf-8"))
    except (RuntimeError, OSError, ValueError) as error:
        raise ArtifactError(
            f"The CTranslate2 folder cannot be loaded ({error}).", where=folder, advice="Export the model again."
        ) from error
    ends = list(range(vocabulary.special.count))

    def go_on(prompts: Sequence[Sequence[int]], limit: int) -> list[list[int]]:
        made = []
        for prompt in prompts:
            result = generator.generate_batch(
                [[names[token] for token in prompt]],
                max_length=limit,
                sampling_topk=1,
                include_prompt_in_result=False,
                end_token=ends,
            )[0]
            made.append(list(result.sequences_ids[0]))
        return made

    return go_on


def _unreadable(folder: Path, error: Exception) -> ArtifactError:
    return ArtifactError(
        f"CTranslate2 cannot convert the Hugging Face folder ({error}).",
        where=folder,
        advice="Export again from an undamaged train artifact; CTranslate2 4.8 or later and transformers 5 are needed.",
    )
