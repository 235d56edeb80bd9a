"""The GGUF folder: the file llama.cpp loads, and what our gateway needs beside a server that computes it.

    model.gguf        weights and vocabulary: all llama.cpp needs
    tokenizer.json    text to ids, for `ownlm serve` with engine llamacpp
    ownlm.json        name, architecture, context, special tokens, vocabulary hash

Written tensor by tensor, so that a model needs no more memory than its largest matrix. The same model gives the same
bytes.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from ownlm.errors import ArtifactError, DependencyError, RecipeError
from ownlm.export.config import GgufType, refused_by_gguf
from ownlm.export.description import Description, unwritable
from ownlm.export.gguf.metadata import describe_model, describe_vocabulary
from ownlm.export.gguf.tensors import ARCHITECTURES, read, tensors
from ownlm.tokens.vocabulary.load import TOKENIZER_FILE

FOLDER = "gguf"
FILE = "model.gguf"
WEIGHTS = "model.safetensors"


def write_gguf(huggingface: Path, out: Path, stored: GgufType, model: Description) -> Path:
    """Convert a Hugging Face folder that our export wrote into `out/gguf`; returns it.

    Args:
        huggingface: the folder to convert.
        out: where the new folder goes.
        stored: how matrices are stored.
        model: what it is.

    Raises:
        DependencyError: the gguf package is not installed.
        RecipeError: llama.cpp does not compute such a model.
        ArtifactError: the folder is damaged.
        StorageError: the disk is full or the folder cannot be written.
    """
    reason = refused_by_gguf(model.architecture)
    if reason is not None:
        raise RecipeError(reason, where="export.gguf", advice="leave gguf out of the recipe's export")
    folder = out / FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(huggingface, folder / FILE, stored, model)
        shutil.copyfile(huggingface / TOKENIZER_FILE, folder / TOKENIZER_FILE)
        model.write(folder, stored)
    except FileNotFoundError as error:
        raise _unreadable(huggingface, error) from error
    except OSError as error:
        raise unwritable("GGUF", folder, error) from error
    return folder


def _write(huggingface: Path, file: Path, stored: GgufType, model: Description) -> None:
    try:
        from gguf import GGUFWriter
        from safetensors import SafetensorError, safe_open
    except ImportError as error:
        raise DependencyError(
            f"{error.name} is not installed, and GGUF files are written with it.",
            advice="Install `ownlm[gguf,train]`, or leave gguf out of the recipe's export block.",
        ) from error
    architecture = model.architecture
    writer = GGUFWriter(file, ARCHITECTURES[architecture.family])
    try:
        describe_model(writer, architecture, model.name, stored)
        describe_vocabulary(writer, huggingface, architecture.vocab_size)
        with safe_open(huggingface / WEIGHTS, framework="numpy") as weights:
            shapes = {key: tuple(weights.get_slice(key).get_shape()) for key in weights.keys()}  # noqa: SIM118
            listed = list(tensors(architecture, shapes, stored))
            for one in listed:
                writer.add_tensor_info(one.name, one.shape, "float32", one.bytes, raw_dtype=one.kind)  # type: ignore[arg-type]
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_ti_data_to_file()
            for one in listed:
                writer.write_tensor_data(read(one, architecture, weights))
    except (ValueError, KeyError, SafetensorError) as error:
        raise _unreadable(huggingface, error) from error
    finally:
        writer.close()


def _unreadable(folder: Path, error: Exception) -> ArtifactError:
    return ArtifactError(
        f"The Hugging Face folder cannot be written as GGUF ({error}).",
        where=folder,
        advice="Export again from an undamaged train artifact.",
    )
