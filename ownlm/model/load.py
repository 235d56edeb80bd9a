"""Write and read a trained model: `model.safetensors` (weights) and `model.json` (its `Architecture`)."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ownlm.errors import ArtifactError, StorageError
from ownlm.model.config import Architecture
from ownlm.model.decoder import Decoder

WEIGHTS_FILE = "model.safetensors"
ARCHITECTURE_FILE = "model.json"
_TRAIN_AGAIN = "move this artifact's folder away and run the same command: the model is trained again"


def weights_of(decoder: Decoder) -> dict[str, torch.Tensor]:
    """The weights by name, contiguous and on the CPU; a tied head is left out, since it is the embedding."""
    weights = {name: weight.detach().cpu().contiguous() for name, weight in decoder.state_dict().items()}
    if decoder.architecture.tied:
        del weights["lm_head.weight"]
    return weights


def unfilled(architecture: Architecture) -> Decoder:
    """A decoder on the CPU whose weights hold anything until `put_weights`: none are drawn, which takes seconds."""
    with torch.device("meta"):
        decoder = Decoder(architecture)
    decoder.to_empty(device="cpu")
    if architecture.tied:
        decoder.lm_head.weight = decoder.embed_tokens.weight
    return decoder


def put_weights(decoder: Decoder, weights: dict[str, torch.Tensor], where: Path) -> None:
    """Fill a decoder with weights made by `weights_of`.

    Raises:
        ArtifactError: when a name or a shape is not the architecture's.
    """
    if decoder.architecture.tied and "embed_tokens.weight" in weights:
        weights = {**weights, "lm_head.weight": weights["embed_tokens.weight"]}
    try:
        decoder.load_state_dict(weights)
    except RuntimeError as error:
        raise ArtifactError(
            f"the weights do not fit the architecture: {str(error).splitlines()[-1].strip()}",
            where=where,
            advice=_TRAIN_AGAIN,
        ) from error


def save_model(decoder: Decoder, out: Path) -> None:
    """Write both files into `out`; see `save_weights`."""
    save_weights(decoder.architecture, weights_of(decoder), out)


def save_weights(architecture: Architecture, weights: dict[str, torch.Tensor], out: Path) -> None:
    """Write both files into `out`; the same weights (as `weights_of` gives them) give the same bytes.

    Raises:
        StorageError: when the disk is full or the folder cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        save_file(weights, out / WEIGHTS_FILE, metadata={"format": "pt"})
        text = json.dumps(architecture.to_json(), indent=2, sort_keys=True) + "\n"
        (out / ARCHITECTURE_FILE).write_text(text, encoding="utf-8")
    except (OSError, SafetensorError) as error:
        raise StorageError(
            f"the model cannot be written: {error}", where=out, advice="free disk space, then run the same command"
        ) from error


def load_model(train_dir: Path, device: str | torch.device = "cpu") -> Decoder:
    """The model in a train artifact's folder, ready to use (float32).

    Raises:
        ArtifactError: when a file is missing, damaged, or does not fit the other.
    """
    described, weights_path = train_dir / ARCHITECTURE_FILE, train_dir / WEIGHTS_FILE
    try:
        architecture = Architecture.from_json(json.loads(described.read_text(encoding="utf-8")))
        weights = load_file(weights_path)
    except FileNotFoundError as error:
        raise ArtifactError("there is no trained model here", where=train_dir, advice=_TRAIN_AGAIN) from error
    except (OSError, ValueError, SafetensorError) as error:
        raise ArtifactError(f"the model cannot be read: {error}", where=train_dir, advice=_TRAIN_AGAIN) from error
    decoder = unfilled(architecture)
    put_weights(decoder, weights, weights_path)
    return decoder.to(device).eval()
