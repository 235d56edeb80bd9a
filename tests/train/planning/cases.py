"""Models and settings whose memory is estimated and measured."""

from __future__ import annotations

from typing import Any

from ownlm.model.architecture import Architecture, Experts, StateSpace

Settings = dict[str, Any]
CASES: list[tuple[Settings, Settings]] = [
    ({}, {"batch": 8}),
    ({}, {"batch": 8, "activation_checkpointing": "selective"}),
    ({}, {"batch": 8, "activation_checkpointing": "full"}),
    ({}, {"batch": 1, "optimizer": "muon"}),
    ({}, {"batch": 2, "accumulate": 4}),
    ({"vocab_size": 16384}, {"batch": 2}),
    ({"vocab_size": 8192, "tied": False}, {"batch": 4, "activation_checkpointing": "full"}),
    ({"layers": 10, "d_model": 128, "d_ff": 344}, {"batch": 4, "average": {}}),
    ({"context": 1024}, {"batch": 2}),
    ({"context": 2048, "layers": 3}, {"batch": 1, "activation_checkpointing": "full"}),
    ({"family": "qwen3"}, {"batch": 8}),
    ({"family": "qwen3"}, {"batch": 8, "activation_checkpointing": "full"}),
    ({"family": "qwen3_moe"}, {"batch": 8}),
    ({"family": "qwen3_moe"}, {"batch": 8, "activation_checkpointing": "selective"}),
    ({"family": "qwen3_moe"}, {"batch": 8, "activation_checkpointing": "full"}),
    ({"family": "dots1"}, {"batch": 8, "activation_checkpointing": "full"}),
    ({"family": "dots1"}, {"batch": 8, "optimizer": "muon"}),
    ({"family": "bamba"}, {"batch": 4}),
    ({"family": "bamba"}, {"batch": 4, "activation_checkpointing": "selective"}),
    ({"family": "bamba"}, {"batch": 4, "activation_checkpointing": "full"}),
]


def architecture(changed: Settings) -> Architecture:
    """A small model that differs from a plain one in this."""
    family = changed.get("family", "llama")
    shape: Settings = {
        "vocab_size": 2048,
        "d_model": 256,
        "layers": 4,
        "heads": 4,
        "kv_heads": 2,
        "d_ff": 680,
        "context": 128,
    }
    if family in ("qwen3_moe", "dots1"):
        shared = int(family == "dots1")
        shape["experts"] = Experts(8, 2, 88, shared=shared, balance="bias" if shared else "loss")
    if family == "bamba":
        shape["state_space"] = StateSpace(8, 64, 16, 2, 4, (1,))
    return Architecture(**(shape | changed))
