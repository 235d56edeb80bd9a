"""Which model to train: a named size with overrides, and the architecture they resolve to.

    recipe  model: {size: 2.6m, layers: 5}  ──ModelConfig.architecture(vocab_size, context)──►  Architecture

Light to import (no torch), so that a plan can count parameters and operations before anything is installed or run.
"""

from __future__ import annotations

from pydantic import Field

from ownlm.model.architecture import (
    EXPERTS,
    Architecture,
    Balance,
    Experts,
    Family,
    RopeKind,
    RopeScaling,
    StateSpace,
    refused,
)
from ownlm.model.sizes import SIZES, Size, SizeName
from ownlm.recipe.base import Config

__all__ = ["SIZES", "Architecture", "ModelConfig", "Size", "SizeName"]

_STATE_HEAD = 64


class RopeScalingConfig(Config):
    """Rotary positions for a context longer than the angles were made for."""

    kind: RopeKind = Field(description="linear, llama3 or yarn")
    factor: float = Field(gt=1, description="how much longer")
    original_context: int | None = Field(None, ge=1, description="positions before (llama3 and yarn)")
    low_freq_factor: float = Field(1.0, gt=0, description="llama3: longest waves that are divided only in part")
    high_freq_factor: float = Field(4.0, gt=0, description="llama3: longest waves that stay as they are")
    beta_fast: float = Field(32.0, gt=0, description="yarn: turns above which a pair stays as it is")
    beta_slow: float = Field(1.0, gt=0, description="yarn: turns below which a pair is divided in full")
    attention_factor: float | None = Field(None, gt=0, description="yarn: scale of cosines and sines; none: computed")


class ExpertsConfig(Config):
    """A mixture of experts in place of the feed-forward."""

    count: int = Field(8, ge=1, le=4096, description="experts of a block")
    per_token: int = Field(2, ge=1, le=256, description="experts a token goes through")
    d_ff: int | None = Field(
        None, ge=8, le=262144, multiple_of=8, description="width of one expert; none: active ones sum to d_ff"
    )
    shared: int | None = Field(None, ge=0, le=64, description="experts every token goes through; none: 1 in dots1")
    dense_layers: int = Field(0, ge=0, le=512, description="first blocks without experts")
    balance: Balance | None = Field(None, description="even use by a loss or a bias; none: bias in dots1, else loss")
    balance_weight: float = Field(0.01, ge=0, le=10, description="weight of the balance loss (arXiv 2101.03961)")
    z_weight: float = Field(0.001, ge=0, le=10, description="weight of the router's z-loss (arXiv 2202.08906)")
    bias_rate: float = Field(0.001, ge=0, le=1, description="step of the balancing bias (arXiv 2408.15664)")


class StateSpaceConfig(Config):
    """Mamba-2 layers; every so-manieth block keeps attention."""

    expand: int = Field(2, ge=1, le=16, description="inner width, in widths of the model")
    head_width: int | None = Field(None, ge=1, le=1024, description="numbers per head; none: 64, or what divides")
    d_state: int = Field(64, ge=1, le=1024, description="state per number of a head")
    groups: int = Field(1, ge=1, le=64, description="groups of heads that share B and C")
    d_conv: int = Field(4, ge=2, le=16, description="positions the convolution sees")
    attention_every: int = Field(4, ge=1, le=512, description="one block in so many keeps attention")


class MupConfig(Config):
    """Maximal update parametrization (arXiv 2203.03466): settings found at a small width hold at a larger one."""

    base_d_model: int = Field(ge=8, le=65536, description="the width at which learning rates were found")
    base_head_dim: int | None = Field(None, ge=2, le=1024, description="width of a head there; none: the same")


class ModelConfig(Config):
    """The recipe's `model` block: a named size and, where wanted, single numbers of it overridden."""

    size: SizeName = Field("2.6m", description="a named shape; the name is about its number of parameters")
    family: Family = Field("llama", description="the architecture's Hugging Face family")
    d_model: int | None = Field(None, ge=8, le=65536, description="width of the model; none: the size's")
    layers: int | None = Field(None, ge=1, le=512, description="number of blocks; none: the size's")
    heads: int | None = Field(None, ge=1, le=1024, description="query heads; none: the size's")
    kv_heads: int | None = Field(None, ge=1, le=1024, description="key and value heads; none: the size's, or heads")
    head_dim: int | None = Field(None, ge=2, le=1024, description="numbers per head; none: d_model / heads")
    d_ff: int | None = Field(None, ge=8, le=262144, description="width of the feed-forward; none: the size's")
    tied: bool = Field(True, description="share the input embedding with the output head")
    rope_theta: float = Field(10_000.0, gt=1, description="base of the rotary position angles")
    rope_scaling: RopeScalingConfig | None = Field(None, description="angles for a longer context; none: plain")
    experts: ExpertsConfig | None = Field(None, description="of mixtral, qwen3_moe and dots1; none: 8, 2 a token")
    state_space: StateSpaceConfig | None = Field(None, description="of bamba; none: its defaults")
    mup: MupConfig | None = Field(None, description="width transfer of learning rates; none: standard")

    def architecture(self, vocab_size: int, context: int) -> Architecture:
        """Resolve to numbers.

        Args:
            vocab_size: tokens in the vocabulary.
            context: tokens in a training window.

        Raises:
            RecipeError: when the numbers do not fit together.
        """
        size = SIZES[self.size]
        kv_heads = self.kv_heads or (size.kv_heads if self.heads is None else self.heads)
        d_model, layers = self.d_model or size.d_model, self.layers or size.layers
        experts = self._experts(self.d_ff or size.d_ff)
        return Architecture(
            vocab_size=vocab_size,
            d_model=d_model,
            layers=layers,
            heads=self.heads or size.heads,
            kv_heads=kv_heads,
            d_ff=experts.d_ff if experts and self.family == "mixtral" else self.d_ff or size.d_ff,
            context=context,
            rope_theta=self.rope_theta,
            tied=self.tied,
            family=self.family,
            head_dim=self.head_dim,
            rope_scaling=None if self.rope_scaling is None else RopeScaling(**self.rope_scaling.model_dump()),
            experts=experts,
            state_space=self._state_space(d_model, layers),
            mup_base=None if self.mup is None else self.mup.base_d_model,
            mup_base_head=None if self.mup is None else self.mup.base_head_dim,
        )

    def _experts(self, d_ff: int) -> Experts | None:
        if self.family not in EXPERTS:
            if self.experts is not None:
                raise refused(f"the family {self.family} has no experts; {', '.join(sorted(EXPERTS))} have")
            return None
        config = self.experts or ExpertsConfig()
        shared = config.shared if config.shared is not None else int(self.family == "dots1")
        each = -(-d_ff // (8 * (config.per_token + shared))) * 8
        return Experts(
            count=config.count,
            per_token=config.per_token,
            d_ff=config.d_ff or each,
            shared=shared,
            dense_layers=config.dense_layers,
            balance=config.balance or ("bias" if self.family == "dots1" else "loss"),
            balance_weight=config.balance_weight,
            z_weight=config.z_weight,
            bias_rate=config.bias_rate,
        )

    def _state_space(self, d_model: int, layers: int) -> StateSpace | None:
        if self.family != "bamba":
            if self.state_space is not None:
                raise refused(f"the family {self.family} has no state_space; bamba has")
            return None
        config = self.state_space or StateSpaceConfig()
        inner, every = config.expand * d_model, min(config.attention_every, layers)
        width = config.head_width or next(width for width in range(_STATE_HEAD, 0, -1) if inner % width == 0)
        if inner % width:
            raise refused(f"state-space heads of {width} do not divide the inner width {inner}")
        return StateSpace(
            heads=inner // width,
            head_width=width,
            d_state=config.d_state,
            groups=config.groups,
            d_conv=config.d_conv,
            attention_layers=tuple(layer for layer in range(layers) if layer % every == every // 2),
        )
