"""The layouts whose loss curves are compared with one process's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

ADAMW = {"adamw": {"lr": 3e-3}}
MUON = {"muon": {"lr": 1e-2}}
_CALM = {"adamw": {"lr": 3e-3, "eps": 1e-5}}
"""Some gradients of a state-space layer are near zero at first: AdamW's sign of them would be that of rounding."""

_IN_BF16 = {"optimizer": {"adamw": {"lr": 3e-4}}, "bf16": True}
EXPERTS = {"family": "qwen3_moe", "experts": {"count": 4, "per_token": 2, "d_ff": 24}}
BALANCED = {
    "family": "dots1",
    "experts": {
        "count": 4, "per_token": 2, "d_ff": 24, "shared": 1, "dense_layers": 1, "balance": "bias", "bias_rate": 0.01
    },
}  # fmt: skip
STATE_SPACE = {
    "family": "bamba",
    "state_space": {
        "heads": 4, "head_width": 16, "d_state": 8, "groups": 2, "d_conv": 4, "attention_layers": (1,)
    },
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A mesh, a model and settings of `curve`."""

    mesh: dict[str, Any]
    model: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=lambda: {"optimizer": ADAMW})
    note: str = ""

    @property
    def name(self) -> str:
        parts = [name if value is True else f"{name} {value}" for name, value in self.mesh.items()]
        return ", ".join([*parts, *([self.note] if self.note else [])])

    @property
    def bf16(self) -> bool:
        return bool(self.settings.get("bf16"))


def _muon(**mesh: Any) -> Case:
    return Case(mesh, settings={"optimizer": MUON}, note="Muon")


def _bf16(**mesh: Any) -> Case:
    return Case(mesh, settings=_IN_BF16, note="bf16")


def _experts(**mesh: Any) -> Case:
    return Case(mesh, EXPERTS, note="experts")


def _balanced(**mesh: Any) -> Case:
    return Case(mesh, BALANCED, note="experts balanced by bias")


def _state_space(**mesh: Any) -> Case:
    return Case(mesh, STATE_SPACE, {"optimizer": _CALM}, "state space")


FEW = [
    Case({"data": 2}),
    Case({"shard": 2}),
    Case({"tensor": 2, "sequence": True}),
    Case({"pipeline": 2}),
    Case({"context": 2}),
    _experts(data=2, expert=2),
]
"""One of each kind: the quick test."""

TWO = [
    *FEW,
    Case({"tensor": 2}),
    Case({"tensor": 2}, {"tied": False}, note="untied"),
    Case({"pipeline": 2, "schedule": "gpipe"}),
    Case({"pipeline": 2, "schedule": "interleaved"}),
    Case({"pipeline": 2}, {"tied": False, "layers": 3}, note="untied, 3 layers"),
    Case({"shard": 2}, settings={"optimizer": ADAMW, "z_loss": 1e-3}, note="z-loss"),
    Case({"tensor": 2}, settings={"optimizer": ADAMW, "z_loss": 1e-3}, note="z-loss"),
    Case({"tensor": 2, "sequence": True}, {"family": "qwen3"}, note="QK-norm"),
    _balanced(data=2),
    _balanced(pipeline=2),
    _balanced(tensor=2, sequence=True),
    _experts(tensor=2),
    _state_space(context=2),
    _state_space(tensor=2, sequence=True),
    _experts(shard=2, expert=2),
    _experts(context=2, expert=2),
    _experts(pipeline=2),
    _muon(data=2),
    _muon(shard=2),
    _muon(tensor=2),
    _bf16(data=2),
    _bf16(shard=2),
    _bf16(tensor=2, sequence=True),
    _bf16(pipeline=2),
    _bf16(context=2),
]

SOME = [
    Case({"data": 2, "shard": 2}),
    Case({"shard": 2, "tensor": 2, "sequence": True}),
    Case({"tensor": 4, "sequence": True}, {"kv_heads": 4}),
    Case({"pipeline": 2, "shard": 2}),
    Case({"pipeline": 2, "tensor": 2, "schedule": "interleaved"}),
    Case({"context": 2, "shard": 2}),
    Case({"context": 2, "pipeline": 2}),
    _experts(pipeline=2, shard=2, expert=2),
    _muon(shard=2, tensor=2),
    _bf16(shard=2, tensor=2, sequence=True),
]
"""One of each combination of two: what the tests run at four processes."""

FOUR = [
    *SOME,
    Case({"data": 4}),
    Case({"shard": 4}),
    Case({"shard": 2, "tensor": 2}),
    Case({"data": 2, "tensor": 2, "sequence": True}),
    Case({"pipeline": 4}),
    Case({"pipeline": 2, "data": 2}),
    Case({"pipeline": 2, "shard": 2, "schedule": "interleaved"}),
    Case({"pipeline": 2, "tensor": 2}),
    Case({"pipeline": 2, "tensor": 2, "sequence": True}),
    Case({"context": 4}),
    Case({"context": 2, "data": 2}),
    Case({"context": 2, "tensor": 2, "sequence": True}),
    _experts(data=4, expert=2),
    _experts(shard=4, expert=2),
    _experts(data=2, shard=2, expert=4),
    _experts(data=2, context=2, expert=4),
    _experts(data=2, tensor=2, expert=2),
    _experts(shard=2, tensor=2, sequence=True),
    _balanced(pipeline=2, shard=2, expert=2, schedule="interleaved"),
    _balanced(pipeline=2, tensor=2, sequence=True),
    _balanced(context=2, pipeline=2),
    _state_space(context=4),
    _state_space(context=2, shard=2),
    _state_space(context=2, pipeline=2),
    _state_space(context=2, tensor=2, sequence=True),
    _state_space(shard=2, tensor=2),
    Case({"tensor": 2, "shard": 2}, {"family": "qwen3"}, note="QK-norm"),
    Case({"data": 2, "tensor": 2, "expert": 2}, EXPERTS, {"optimizer": MUON}, "experts, Muon"),
    Case({"context": 2, "data": 2}, STATE_SPACE, _IN_BF16, "state space, bf16"),
    _muon(data=2, shard=2),
    _muon(pipeline=2, tensor=2),
    Case({"data": 4, "expert": 2}, EXPERTS, {"optimizer": MUON}, "experts, Muon"),
    _bf16(data=2, shard=2),
]
"""All that is looked at for the table."""
