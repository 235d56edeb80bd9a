"""A Hugging Face folder as a whole: written from a decoder and a vocabulary, read back as a decoder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ownlm.errors import ArtifactError, StorageError
from ownlm.model.decoder import Decoder
from ownlm.model.huggingface.configuration import read_config, write_config
from ownlm.model.huggingface.names import from_huggingface, to_huggingface
from ownlm.model.load import put_weights, unfilled, weights_of
from ownlm.tokens.vocabulary.load import Vocabulary

_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")
_INDEX_FILE = "model.safetensors.index.json"


def save_huggingface(decoder: Decoder, vocabulary_dir: Path, out: Path) -> None:
    """Write the folder; the same model and vocabulary give the same bytes.

    Raises:
        ArtifactError: when the vocabulary is damaged or has more tokens than the model.
        StorageError: when the disk is full or the folder cannot be written.
    """
    vocabulary = Vocabulary.load(vocabulary_dir)
    if vocabulary.size > decoder.architecture.vocab_size:
        raise ArtifactError(
            f"the vocabulary has {vocabulary.size} tokens, the model {decoder.architecture.vocab_size}",
            where=vocabulary_dir,
            advice="use the vocabulary the model was trained with",
        )
    weights = weights_of(decoder)
    named = to_huggingface(decoder.architecture, weights)
    config = write_config(decoder.architecture, vocabulary.special)
    generation = {name: config[name] for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    try:
        out.mkdir(parents=True, exist_ok=True)
        save_file(named, out / "model.safetensors", metadata={"format": "pt"})
        for name, values in (("config.json", config), ("generation_config.json", generation)):
            (out / name).write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        for name in _TOKENIZER_FILES:
            if (vocabulary_dir / name).exists():
                shutil.copyfile(vocabulary_dir / name, out / name)
    except (OSError, SafetensorError) as error:
        raise StorageError(
            f"the Hugging Face folder cannot be written: {error}", where=out, advice="free disk space and run again"
        ) from error


def load_huggingface(path: Path) -> Decoder:
    """The decoder in a Hugging Face folder, in float32, on the CPU.

    Raises:
        ArtifactError: when the folder is damaged or its model is none that `Decoder` computes.
    """
    try:
        config = json.loads(_existing(path / "config.json").read_text(encoding="utf-8"))
        weights = _read_weights(path)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise ArtifactError(f"the model cannot be read: {error}", where=path, advice="download it again") from error
    architecture = read_config(config, path)
    decoder = unfilled(architecture)
    put_weights(decoder, from_huggingface(architecture, weights), path)
    return decoder.eval()


def _existing(file: Path) -> Path:
    """The file, if it is there."""
    if not file.is_file():
        raise ArtifactError(
            f"{file.name} is missing", where=file.parent, advice="point at a complete Hugging Face folder"
        )
    return file


def _read_weights(path: Path) -> dict[str, torch.Tensor]:
    """All weights, from one file or from the shards an index names."""
    if not (path / _INDEX_FILE).exists():
        single: dict[str, torch.Tensor] = load_file(_existing(path / "model.safetensors"))
        return single
    index = json.loads((path / _INDEX_FILE).read_text(encoding="utf-8"))
    weights: dict[str, torch.Tensor] = {}
    for name in sorted(set(index["weight_map"].values())):
        weights |= load_file(_existing(path / Path(name).name))
    return weights
