"""Settings of training. Light to import: no torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ownlm.model.config import ModelConfig
from ownlm.recipe.base import Config
from ownlm.tokens.objectives.config import ObjectivesConfig
from ownlm.tokens.shards.config import LoaderConfig
from ownlm.tokens.shards.sizes import BatchSizes
from ownlm.train.monitor.config import MonitorConfig
from ownlm.train.parallel.config import MeshConfig
from ownlm.train.spikes.config import SpikesConfig

ActivationCheckpointing = Literal["none", "selective", "full"]

DecayRule = Literal["matrices", "hidden", "all"]
"""Which weights decay: every matrix; the blocks' matrices only, no embedding and no head; norms and biases, too."""


class AdamWConfig(Config):
    """AdamW (arXiv 1711.05101) on every weight."""

    lr: float = Field(3e-3, gt=0, le=1, description="peak learning rate")
    beta1: float = Field(0.9, ge=0, lt=1, description="memory of the gradient's mean")
    beta2: float = Field(0.95, ge=0, lt=1, description="memory of the gradient's square")
    eps: float = Field(1e-8, gt=0, le=1e-2, description="added to the denominator")
    weight_decay: float = Field(0.1, ge=0, le=10, description="decay, times the learning rate")
    decay: DecayRule = Field("matrices", description="what decays: matrices, only hidden ones (the blocks'), or all")


class MuonConfig(Config):
    """Muon (kellerjordan.github.io/posts/muon) on the blocks' matrices, AdamW on embeddings and norms."""

    lr: float = Field(1e-2, gt=0, le=1, description="peak learning rate of the matrices")
    momentum: float = Field(0.95, ge=0, lt=1, description="memory of the gradient's mean")
    weight_decay: float = Field(0.1, ge=0, le=10, description="decay of the matrices, times the learning rate")
    embeddings: AdamWConfig = Field(
        AdamWConfig(lr=1e-2, weight_decay=0.0), description="AdamW for embeddings, output head and norms"
    )


class _OneOf(Config):
    """A block that holds exactly one of its parts; a bare name stands for that part with its defaults."""

    @model_validator(mode="before")
    @classmethod
    def _bare_name(cls, value: Any) -> Any:
        return {value: {}} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _exactly_one(self) -> _OneOf:
        names = list(type(self).model_fields)
        chosen = [name for name in names if getattr(self, name) is not None]
        if len(chosen) != 1:
            raise ValueError(f"choose exactly one of {', '.join(names)}; found {', '.join(chosen) or 'none'}")
        return self


class OptimizerConfig(_OneOf):
    """The rule that turns gradients into steps."""

    adamw: AdamWConfig | None = Field(None, description="AdamW on everything")
    muon: MuonConfig | None = Field(None, description="Muon on the blocks' matrices, AdamW on the rest")


class CosineConfig(Config):
    """Linear warm-up, then half a cosine down to `floor` (arXiv 1608.03983)."""

    warmup_steps: int = Field(50, ge=0, description="steps from zero to the peak")
    floor: float = Field(0.1, ge=0, le=1, description="last learning rate, as a part of the peak")


class WarmupStableDecayConfig(Config):
    """Linear warm-up, a plateau, then a straight line down to `floor` (arXiv 2404.06395, 2405.18392)."""

    warmup_steps: int = Field(50, ge=0, description="steps from zero to the peak")
    decay: float = Field(0.4, ge=0, le=1, description="part of all steps, at the end, that goes down")
    floor: float = Field(0.0, ge=0, le=1, description="last learning rate, as a part of the peak")


class LinearConfig(Config):
    """Linear warm-up, then a straight line down to `floor` at the last step (arXiv 2502.15938)."""

    warmup_steps: int = Field(50, ge=0, description="steps from zero to the peak")
    floor: float = Field(0.0, ge=0, le=1, description="last learning rate, as a part of the peak")


class ScheduleConfig(_OneOf):
    """How the learning rate goes over the steps."""

    wsd: WarmupStableDecayConfig | None = Field(None, description="warm up, stay, decay")
    cosine: CosineConfig | None = Field(None, description="warm up, then a cosine")
    linear: LinearConfig | None = Field(None, description="warm up, then a straight line down")


class AverageConfig(Config):
    """A running mean of the weights: the model that is measured and saved (arXiv 2502.06761)."""

    decay: float = Field(0.999, gt=0, lt=1, description="memory of the mean; it looks back 1 / (1 - decay) steps")


NOT_KEYED: dict[str, Any] = {
    "loader": True,
    "mesh": True,
    "fault": True,
    "monitor": True,
    "price_per_hour": True,
    "currency": True,
    "checkpoints": {"keep_last": True, "keep_every": True, "to": True},
    "spikes": {"apart": True, "incidents": True, "documents": True, "reference": True, "text_bytes": True},
}
"""Settings that say how, not what: the trained weights do not depend on them. (`checkpoints.every` says how far a
rewind goes back.)"""


class CheckpointsConfig(Config):
    """When checkpoints are made, where, and which are kept."""

    every: int = Field(200, ge=1, description="steps between points a killed run continues from")
    keep_last: int = Field(2, ge=1, description="how many of the newest stay")
    keep_every: int = Field(0, ge=0, description="those of steps divisible by this stay, too; 0: none")
    to: str = Field("", description="folder or URL (s3://...); empty: the run's scratch folder, dropped at its end")


class FaultConfig(Config):
    """What is done when a process or a machine is lost, or stuck, or told to stop."""

    max_restarts: int = Field(
        3, ge=0, description="how often the processes of a mesh start again from the last checkpoint"
    )
    min_nodes: int = Field(0, ge=0, description="go on with as few machines of mesh.nodes; 0: only with all")
    wait_for_nodes_s: float = Field(30, gt=0, description="seconds to wait for more machines than min_nodes")
    hang_after_s: float = Field(
        900, ge=0, description="a process without a step for so many seconds (compiling counts) is ended; 0: never"
    )
    grace_s: int = Field(30, ge=1, description="seconds that processes told to stop have for a step and a checkpoint")


class TrainConfig(Config):
    """The recipe's `train` block."""

    steps: int = Field(1000, ge=1, description="optimizer steps; fixed, so that a run can be repeated")
    batch: int = Field(16, ge=1, description="windows of tokens in one forward pass")
    accumulate: int = Field(1, ge=1, le=4096, description="forward passes per optimizer step")
    batch_warmup: list[Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=2, max_length=2)]] = Field(
        [], description="smaller batches at first: [[step, windows], ...], so many before that step"
    )
    loader: LoaderConfig = Field(LoaderConfig(), description="what makes batches ready; never what is in them")
    optimizer: OptimizerConfig = Field(OptimizerConfig(muon=MuonConfig()), description="muon or adamw")
    schedule: ScheduleConfig = Field(
        ScheduleConfig(wsd=WarmupStableDecayConfig()), description="learning rate over the steps: wsd or cosine"
    )
    z_loss: float = Field(0.0, ge=0, le=1, description="part of the squared log of softmax's denominator in the loss")
    average: AverageConfig | None = Field(None, description="train a running mean of the weights, too, and save that")
    branch: str | None = Field(
        None, description="folder of a checkpoint of another run (.../step-N) to start from, and to decay from there on"
    )
    clip: float = Field(1.0, gt=0, description="longest gradient (global norm); longer ones are scaled down")
    precision: Literal["auto", "fp32", "bf16", "fp8"] = Field(
        "auto", description="bf16 autocast where the machine is fast at it, or always, or never; or fp8 products"
    )
    compile: Literal["auto", "on", "off"] = Field(
        "auto", description="torch.compile when it pays for its start-up time, or always, or never"
    )
    activation_checkpointing: ActivationCheckpointing = Field(
        "none", description="compute activations again to save memory: none, selective (not products) or full"
    )
    seed: int = Field(0, ge=0, lt=2**63, description="of the weights and of the order of the data")
    mesh: MeshConfig = Field(MeshConfig(), description="how many places train together, and how they divide the work")
    fault: FaultConfig = Field(FaultConfig(), description="lost, stuck and stopped processes and machines")
    checkpoints: CheckpointsConfig = Field(CheckpointsConfig(), description="points a killed run continues from")
    spikes: SpikesConfig = Field(SpikesConfig(), description="steps far outside of the usual, and what is done then")
    monitor: MonitorConfig | None = Field(MonitorConfig(), description="what is watched beside the loss; null: nothing")
    price_per_hour: float | None = Field(
        None, ge=0, description="price of all machines of the run for an hour: shows what it has cost and what is left"
    )
    currency: str = Field("USD", min_length=1, max_length=8, description="the price's")
    log_every: int = Field(10, ge=1, description="steps between lines in metrics.jsonl")
    eval_every: int = Field(100, ge=0, description="steps between small held-out measurements; 0: only at the end")
    eval_batches: int = Field(8, ge=1, description="batches of held-out files in a small measurement")

    @model_validator(mode="after")
    def _batches_grow(self) -> TrainConfig:
        """The warm-up's steps ascend, and each size fills whole forward passes or less than one."""
        steps = [step for step, _ in self.batch_warmup]
        if steps != sorted(set(steps)):
            raise ValueError(f"train.batch_warmup must name later and later steps, not {steps}")
        for _, windows in self.batch_warmup:
            if windows > self.windows or (windows > self.batch and windows % self.batch):
                raise ValueError(
                    f"train.batch_warmup: {windows} windows must be at most train.batch ({self.batch}), or a multiple "
                    f"of it up to batch x accumulate ({self.windows})"
                )
        return self

    @model_validator(mode="after")
    def _rewinds_find_a_checkpoint(self) -> TrainConfig:
        """However a spike falls between two checkpoints, one that is kept is old enough to go back to."""
        back, every = self.spikes.rewind_steps, self.checkpoints.every
        if self.spikes.policy == "rewind" and back > every * (self.checkpoints.keep_last - 1):
            raise ValueError(
                f"train.spikes.rewind_steps is {back}, but the oldest checkpoint that is kept may be only "
                f"{every * (self.checkpoints.keep_last - 1)} steps old: lower it, or raise train.checkpoints.keep_last "
                "or every"
            )
        return self

    @property
    def windows(self) -> int:
        """Windows of an optimizer step, after the batches' warm-up."""
        return self.batch * self.accumulate

    def batch_sizes(self) -> BatchSizes:
        """Windows of every optimizer step."""
        starts = [0, *(step for step, _ in self.batch_warmup)]
        windows = [*(windows for _, windows in self.batch_warmup), self.windows]
        return BatchSizes(list(zip(starts, windows, strict=True)))

    def all_windows(self) -> int:
        """Windows of the whole run."""
        return self.batch_sizes().samples(self.steps).start


class TrainStage(Config):
    """Everything the trained weights depend on, beside the shards and the vocabulary."""

    train: TrainConfig = Field(TrainConfig(), description="the loop")
    model: ModelConfig = Field(ModelConfig(), description="the model's shape")
    objectives: ObjectivesConfig = Field(ObjectivesConfig(), description="what the model is asked to predict")
    context: int = Field(256, ge=8, description="tokens in one training window")
