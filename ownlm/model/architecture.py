"""A resolved model: every number that decides its shape, one to one with a Hugging Face configuration.

Light to import (no torch), so that a plan can count parameters and operations before anything is installed or run.
"""

from __future__ import annotations

from dataclasses import MISSING, Field, asdict, dataclass, fields
from typing import Any, Literal, get_args

from ownlm.errors import ArtifactError, RecipeError

Family = Literal["llama", "qwen3", "mixtral", "qwen3_moe", "dots1", "bamba"]
"""Architectures by their Hugging Face `model_type`."""

RopeKind = Literal["linear", "llama3", "yarn"]
Balance = Literal["loss", "bias"]

QK_NORM: frozenset[Family] = frozenset({"qwen3", "qwen3_moe", "dots1"})
"""Families that normalize each head of queries and keys before the rotary positions."""

EXPERTS: frozenset[Family] = frozenset({"mixtral", "qwen3_moe", "dots1"})
"""Families whose feed-forward is a mixture of experts."""


@dataclass(frozen=True)
class RopeScaling:
    """How rotary angles are changed to work beyond the context they were trained at; names as Hugging Face's.

    Attributes:
        kind: `linear` (positions divided, arXiv 2306.15595), `llama3` (long waves only, Llama 3.1), or `yarn`
            (arXiv 2309.00071).
        factor: how much longer.
        original_context: positions before; for llama3 and yarn.
        low_freq_factor: llama3: waves longer than original_context / this are divided in full.
        high_freq_factor: llama3: waves shorter than original_context / this stay.
        beta_fast: yarn: pairs that turn more often than this in the original context stay.
        beta_slow: yarn: pairs that turn less often than this are divided in full.
        attention_factor: yarn: cosines and sines times this; None: 0.1 ln(factor) + 1.
    """

    kind: RopeKind
    factor: float
    original_context: int | None = None
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    attention_factor: float | None = None

    def __post_init__(self) -> None:
        if self.kind != "linear" and self.original_context is None:
            raise refused(f"rope_scaling {self.kind} needs original_context, the positions before it was made longer")
        if self.kind == "llama3" and self.high_freq_factor <= self.low_freq_factor:
            raise refused("rope_scaling's high_freq_factor must be above its low_freq_factor")


@dataclass(frozen=True)
class Experts:
    """A mixture of experts in place of the feed-forward of each block.

    Attributes:
        count: experts of a block.
        per_token: of those, how many a token goes through.
        d_ff: inner width of one expert.
        shared: experts every token goes through besides.
        dense_layers: first blocks that keep a plain feed-forward of the model's d_ff.
        balance: what keeps experts evenly used: a `loss`, or a `bias` added to scores when experts are chosen.
        balance_weight: of the balance loss.
        z_weight: of the router's z-loss.
        bias_rate: how far a step moves the bias.
    """

    count: int
    per_token: int
    d_ff: int
    shared: int = 0
    dense_layers: int = 0
    balance: Balance = "loss"
    balance_weight: float = 0.01
    z_weight: float = 0.001
    bias_rate: float = 0.001

    def __post_init__(self) -> None:
        if not 1 <= self.per_token <= self.count:
            raise refused(f"a token cannot go through {self.per_token} of {self.count} experts")
        if self.d_ff < 1 or self.shared < 0 or self.dense_layers < 0:
            raise refused("experts need a d_ff of at least 1, and neither shared nor dense_layers below 0")


@dataclass(frozen=True)
class StateSpace:
    """Mamba-2 layers (arXiv 2405.21060) in place of attention, but for `attention_layers`.

    Attributes:
        heads: of the state-space layer; `heads * head_width` is its inner width.
        head_width: numbers per head.
        d_state: numbers of state per number of a head.
        groups: heads share the input and output maps B and C in so many groups.
        d_conv: positions the causal convolution sees.
        attention_layers: blocks that keep attention.
    """

    heads: int
    head_width: int
    d_state: int
    groups: int
    d_conv: int
    attention_layers: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "attention_layers", tuple(self.attention_layers))  # JSON has lists only
        if min(self.heads, self.head_width, self.d_state, self.groups, self.d_conv) < 1:
            raise refused("every number of state_space must be at least 1")
        if self.heads % self.groups:
            raise refused(f"{self.heads} state-space heads do not split into {self.groups} groups")

    @property
    def inner(self) -> int:
        """Width of the layer's inside."""
        return self.heads * self.head_width

    @property
    def conv_width(self) -> int:
        """Channels of the convolution: the inside, B and C."""
        return self.inner + 2 * self.groups * self.d_state


@dataclass(frozen=True)
class Architecture:
    """A resolved decoder: what `model.json` holds.

    Attributes:
        vocab_size: rows of the embedding.
        d_model: width of the residual stream.
        layers: blocks of attention (or state space) and feed-forward.
        heads: query heads.
        kv_heads: key and value heads, each shared by heads / kv_heads query heads (GQA, arXiv 2305.13245).
        d_ff: inner width of the SwiGLU feed-forward (arXiv 2002.05202).
        context: tokens in one training window, and the longest position promised to work.
        rope_theta: base of the rotary position angles (arXiv 2104.09864).
        norm_eps: added to the mean square in RMSNorm (arXiv 1910.07467).
        tied: the output head is the input embedding.
        family: the Hugging Face architecture.
        head_dim: numbers per attention head; None: d_model / heads.
        rope_scaling: None: plain angles.
        experts: of the families that have them.
        state_space: of the families that have it.
        mup_base: the width whose learning rates and initial weights this model is scaled from (`ownlm.model.mup`);
            None: standard parametrization.
        mup_base_head: the width of a head there; None: as here.
    """

    vocab_size: int
    d_model: int
    layers: int
    heads: int
    kv_heads: int
    d_ff: int
    context: int
    rope_theta: float = 10_000.0
    norm_eps: float = 1e-5
    tied: bool = True
    family: Family = "llama"
    head_dim: int | None = None
    rope_scaling: RopeScaling | None = None
    experts: Experts | None = None
    state_space: StateSpace | None = None
    mup_base: int | None = None
    mup_base_head: int | None = None

    def __post_init__(self) -> None:
        for name in ("vocab_size", "d_model", "layers", "heads", "kv_heads", "d_ff", "context"):
            if getattr(self, name) < 1:
                raise refused(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.head_dim is None and self.d_model % (2 * self.heads):
            raise refused(f"d_model {self.d_model} does not split into {self.heads} heads of an even width")
        if self.rotary_width < 2 or self.rotary_width % 2 or self.head_width < 2:
            raise refused(f"a head width of {self.head_width} leaves no even number to rotate")
        if self.heads % self.kv_heads:
            raise refused(f"{self.heads} heads cannot share {self.kv_heads} key/value heads evenly")
        if self.family not in get_args(Family):
            raise refused(f"the family {self.family!r} is none of {', '.join(get_args(Family))}")
        self._check_parts()

    def _check_parts(self) -> None:
        """What each Hugging Face class of the family can express."""
        experts, state_space = self.experts, self.state_space
        if (experts is not None) != (self.family in EXPERTS):
            raise refused(f"the family {self.family} {'needs' if experts is None else 'has no'} experts")
        if (state_space is not None) != (self.family == "bamba"):
            raise refused(f"the family {self.family} {'needs' if state_space is None else 'has no'} state_space")
        if experts is not None and self.family != "dots1" and (experts.balance == "bias" or experts.shared):
            raise refused(f"{self.family} has neither shared experts nor a balancing bias; the family dots1 has both")
        if experts is not None and self.family == "dots1" and not experts.shared:
            raise refused("the family dots1 has at least one shared expert")
        if experts is not None and self.family == "mixtral" and (experts.dense_layers or experts.d_ff != self.d_ff):
            raise refused(
                "all layers of mixtral have experts, of width d_ff; qwen3_moe and dots1 may have dense_layers"
            )
        if state_space is not None:
            if state_space.inner % self.d_model:
                raise refused(
                    f"state_space is {state_space.inner} wide, which is no multiple of d_model {self.d_model}"
                )
            if not state_space.attention_layers:
                raise refused(
                    "transformers' Bamba needs at least one attention layer; lower state_space.attention_every"
                )
            if any(not 0 <= layer < self.layers for layer in state_space.attention_layers):
                raise refused(f"attention layers {list(state_space.attention_layers)} are not all below {self.layers}")

    @property
    def head_width(self) -> int:
        """Numbers per attention head."""
        return self.d_model // self.heads if self.head_dim is None else self.head_dim

    @property
    def rotary_width(self) -> int:
        """Numbers of a head that are rotated, from its first: half of them in Bamba, elsewhere all."""
        return self.head_width // 2 if self.family == "bamba" else self.head_width

    @property
    def qk_norm(self) -> bool:
        """Queries and keys are normalized, head by head."""
        return self.family in QK_NORM

    def has_attention(self, layer: int) -> bool:
        """Whether a block mixes positions by attention, not by a state space."""
        return self.state_space is None or layer in self.state_space.attention_layers

    def has_experts(self, layer: int) -> bool:
        """Whether a block's feed-forward is a mixture of experts."""
        return self.experts is not None and layer >= self.experts.dense_layers

    @property
    def parameters(self) -> int:
        """All weights, a tied embedding counted once."""
        from ownlm.model.counting import parameters

        return parameters(self)

    @property
    def active_parameters(self) -> int:
        """Weights a token goes through: those of the experts it is not sent to left out."""
        from ownlm.model.counting import parameters

        return parameters(self, active=True)

    @property
    def training_flops_per_token(self) -> int:
        """Floating-point operations to train on one token, forward and backward; see `ownlm.model.counting`."""
        from ownlm.model.counting import training_flops_per_token

        return training_flops_per_token(self)

    def to_json(self) -> dict[str, Any]:
        """Plain values for `model.json`; what came after plain Llama is there only where it is used."""
        values = asdict(self)
        if self.state_space is not None:
            values["state_space"]["attention_layers"] = list(self.state_space.attention_layers)
        return {name: value for name, value in values.items() if name not in _ADDED or value != _ADDED[name]}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Architecture:
        """The inverse of `to_json`.

        Raises:
            ArtifactError: when a field is missing or unknown.
        """
        known = {field.name for field in fields(cls)}
        needed = known - _ADDED.keys()
        if not isinstance(values, dict) or not needed <= set(values) <= known:
            wrong = sorted((needed - set(values)) | (set(values) - known))
            raise _other_version(f"fields that differ: {wrong}")
        plain = dict(values)
        try:
            for name, part in (("rope_scaling", RopeScaling), ("experts", Experts), ("state_space", StateSpace)):
                if plain.get(name) is not None:
                    plain[name] = part(**plain[name])
            return cls(**plain)
        except (TypeError, RecipeError) as error:
            raise _other_version(str(error).splitlines()[0]) from error


def _default(field: Field[Any]) -> Any:
    return None if field.default is MISSING else field.default


_FIRST = ("vocab_size", "d_model", "layers", "heads", "kv_heads", "d_ff", "context", "rope_theta", "norm_eps", "tied")
_ADDED = {field.name: _default(field) for field in fields(Architecture) if field.name not in _FIRST}


def _other_version(reason: str) -> ArtifactError:
    return ArtifactError(
        f"model.json does not describe a model of this version of ownlm; {reason}",
        where="model.json",
        advice="train the model again, or use the version of ownlm that wrote it",
    )


def refused(reason: str) -> RecipeError:
    """The error of a model that cannot be built."""
    return RecipeError(f"this model cannot be built: {reason}", where="model", advice="change the model's settings")
