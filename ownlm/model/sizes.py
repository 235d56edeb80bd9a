"""Named shapes, 0.8M to 7B parameters.

All sizes share the input and output embedding unless a recipe says otherwise: at most of them the vocabulary is a large
part of the model. Families with experts split the feed-forward so that a token goes through as many weights as in the
dense model of that name (`Architecture.active_parameters`); a hybrid keeps width, depth and feed-forward.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SizeName = Literal["0.8m", "1m", "1.3m", "2.6m", "5m", "10m", "30m", "70m", "135m", "360m", "1b", "1.7b", "3b", "7b"]


@dataclass(frozen=True)
class Size:
    """The shape behind a size's name; the name is its parameter count with a vocabulary of `named_at` tokens."""

    d_model: int
    layers: int
    heads: int
    kv_heads: int
    d_ff: int
    named_at: int


# Up to 70m d_ff is about 8/3 d_model, as Llama has it; 135m, 360m and 1.7b are SmolLM2's (arXiv 2502.02737), 1b and 3b
# Llama 3.2's, 7b Mistral 7B's (arXiv 2310.06825).
SIZES: dict[SizeName, Size] = {
    "0.8m": Size(d_model=96, layers=4, heads=3, kv_heads=3, d_ff=256, named_at=4096),
    "1m": Size(d_model=128, layers=3, heads=4, kv_heads=4, d_ff=320, named_at=4096),
    "1.3m": Size(d_model=128, layers=4, heads=4, kv_heads=4, d_ff=352, named_at=4096),
    "2.6m": Size(d_model=192, layers=4, heads=6, kv_heads=6, d_ff=512, named_at=4096),
    "5m": Size(d_model=256, layers=5, heads=4, kv_heads=4, d_ff=688, named_at=4096),
    "10m": Size(d_model=320, layers=7, heads=5, kv_heads=5, d_ff=864, named_at=4096),
    "30m": Size(d_model=512, layers=7, heads=8, kv_heads=8, d_ff=1376, named_at=16384),
    "70m": Size(d_model=640, layers=12, heads=10, kv_heads=10, d_ff=1728, named_at=16384),
    "135m": Size(d_model=576, layers=30, heads=9, kv_heads=3, d_ff=1536, named_at=49152),
    "360m": Size(d_model=960, layers=32, heads=15, kv_heads=5, d_ff=2560, named_at=49152),
    "1b": Size(d_model=2048, layers=16, heads=32, kv_heads=8, d_ff=8192, named_at=49152),
    "1.7b": Size(d_model=2048, layers=24, heads=32, kv_heads=32, d_ff=8192, named_at=49152),
    "3b": Size(d_model=3072, layers=28, heads=24, kv_heads=8, d_ff=8192, named_at=49152),
    "7b": Size(d_model=4096, layers=32, heads=32, kv_heads=8, d_ff=14336, named_at=49152),
}
