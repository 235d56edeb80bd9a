"""Weights under llama.cpp's names and in its types, one at a time.

The names come from the `gguf` package. Two things are llama.cpp's own (convert_hf_to_gguf.py): its Llama rotates
neighbouring pairs of a head where Hugging Face rotates halves, so rows of q and k change places; and the experts of a
block are one tensor.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ownlm.export.config import GgufType
from ownlm.model.architecture import Architecture, RopeScaling

if TYPE_CHECKING:
    from gguf import GGMLQuantizationType

ARCHITECTURES = {"llama": "llama", "qwen3": "qwen3", "mixtral": "llama", "qwen3_moe": "qwen3moe"}
"""Our families as llama.cpp calls them."""

_EXPERT = re.compile(r"model\.layers\.(\d+)\.(?:mlp|block_sparse_moe)\.experts\.(\d+)\.(\w+)\.weight")
_ROTATED = re.compile(r"model\.layers\.\d+\.self_attn\.(q|k)_proj\.weight")
ROPE_FACTORS = "rope_freqs.weight"


@dataclass(frozen=True)
class Tensor:
    """A tensor of the file.

    Attributes:
        name: llama.cpp's.
        shape: as numpy has it, the fastest dimension last.
        kind: how its numbers are stored.
        sources: the Hugging Face tensors it is made of; several are stacked.
    """

    name: str
    shape: tuple[int, ...]
    kind: GGMLQuantizationType
    sources: tuple[str, ...]

    @property
    def bytes(self) -> int:
        """Its size in the file."""
        from gguf.constants import GGML_QUANT_SIZES

        block, size = GGML_QUANT_SIZES[self.kind]
        return math.prod(self.shape) // block * size


def tensors(architecture: Architecture, shapes: dict[str, tuple[int, ...]], stored: GgufType) -> Iterator[Tensor]:
    """The file's tensors in its order.

    Args:
        architecture: of the model.
        shapes: of the Hugging Face file's tensors, by name.
        stored: how matrices are stored; vectors are float32 always, as llama.cpp wants them.
    """
    from gguf import MODEL_ARCH_NAMES, GGMLQuantizationType
    from gguf.tensor_mapping import get_tensor_name_map

    known = {name: arch for arch, name in MODEL_ARCH_NAMES.items()}[ARCHITECTURES[architecture.family]]
    names = get_tensor_name_map(known, architecture.layers)
    if architecture.rope_scaling is not None and architecture.rope_scaling.kind == "llama3":
        yield Tensor(ROPE_FACTORS, (architecture.rotary_width // 2,), GGMLQuantizationType.F32, ())
    for merged, sources in sorted(_merged(shapes).items()):
        name = names.get_name(merged, try_suffixes=(".weight",))
        if name is None:
            raise ValueError(f"llama.cpp has no place for {merged}")
        shape = shapes[sources[0]]
        shape = (len(sources), *shape) if _EXPERT.fullmatch(sources[0]) else shape
        yield Tensor(name, shape, _kind(shape, stored), sources)


def read(tensor: Tensor, architecture: Architecture, weights: Any) -> NDArray[Any]:
    """The tensor's numbers as the file stores them.

    Args:
        tensor: which.
        architecture: of the model.
        weights: an open safetensors file, for numpy.
    """
    from gguf import quants

    if not tensor.sources:
        assert architecture.rope_scaling is not None
        return rope_factors(architecture, architecture.rope_scaling)
    parts = [_in_pairs(weights.get_tensor(source), source, architecture) for source in tensor.sources]
    whole = np.stack(parts) if len(tensor.shape) > parts[0].ndim else parts[0]
    return quants.quantize(np.ascontiguousarray(whole, dtype=np.float32), tensor.kind)


def rope_factors(architecture: Architecture, scaling: RopeScaling) -> NDArray[np.float32]:
    """Llama 3.1's angles as what llama.cpp divides the plain ones by, [rotary_width / 2]."""
    width, original = architecture.rotary_width, scaling.original_context or architecture.context
    waves = 2 * math.pi * architecture.rope_theta ** (np.arange(0, width, 2) / width)
    low, high = original / scaling.low_freq_factor, original / scaling.high_freq_factor
    smooth = (original / waves - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor)
    between = 1 / ((1 - smooth) / scaling.factor + smooth)
    return np.where(waves < high, 1.0, np.where(waves > low, scaling.factor, between)).astype(np.float32)


def _merged(shapes: dict[str, tuple[int, ...]]) -> dict[str, tuple[str, ...]]:
    """The converter's name of each tensor, and what it is made of: an expert's matrix joins its fellows."""
    found: dict[str, dict[int, str]] = {}
    for name in shapes:
        expert = _EXPERT.fullmatch(name)
        if expert is None:
            found[name] = {0: name}
        else:
            block, number, projection = expert.groups()
            found.setdefault(f"model.layers.{block}.mlp.experts.{_PROJECTIONS[projection]}.weight", {})[int(number)] = (
                name
            )
    return {merged: tuple(parts[number] for number in sorted(parts)) for merged, parts in found.items()}


_PROJECTIONS = {"w1": "gate_proj", "w2": "down_proj", "w3": "up_proj"} | {
    name: name for name in ("gate_proj", "down_proj", "up_proj")
}


def _kind(shape: tuple[int, ...], stored: GgufType) -> GGMLQuantizationType:
    from gguf import GGMLQuantizationType
    from gguf.constants import GGML_QUANT_SIZES

    if stored == "f32" or len(shape) == 1:
        return GGMLQuantizationType.F32
    if stored == "q8_0" and shape[-1] % GGML_QUANT_SIZES[GGMLQuantizationType.Q8_0][0] == 0:
        return GGMLQuantizationType.Q8_0
    return GGMLQuantizationType.F16  # a row that is no whole number of blocks, as llama.cpp's converter does


def _in_pairs(weight: NDArray[Any], name: str, architecture: Architecture) -> NDArray[Any]:
    """Rows of q and k: a head's halves [0..n/2, n/2..n] as neighbours [0, n/2, 1, n/2+1, ...], for arch llama."""
    rotated = _ROTATED.fullmatch(name)
    if rotated is None or ARCHITECTURES[architecture.family] != "llama":
        return weight
    heads = architecture.heads if rotated[1] == "q" else architecture.kv_heads
    return weight.reshape(heads, 2, -1, weight.shape[-1]).swapaxes(1, 2).reshape(weight.shape)
