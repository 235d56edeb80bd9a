"""A narrow copy of a recipe's model, and what is carried over from it by muP (`ownlm.model.mup`). No torch.

The proxy has the width of a named size and the model's own depth, because muP's promise is about width; heads and
feed-forward shrink along. Everything else of the recipe stays: vocabulary, context, batch, schedule, optimizer.
"""

from __future__ import annotations

from typing import Any

from ownlm.errors import RecipeError
from ownlm.model.config import SIZES, ModelConfig, MupConfig, SizeName
from ownlm.model.sizes import Size
from ownlm.train.config import CheckpointsConfig, OptimizerConfig, ScheduleConfig, TrainConfig
from ownlm.train.parallel.config import MeshConfig


def narrowed(model: ModelConfig, size: SizeName) -> ModelConfig:
    """The model as wide as a named size.

    Args:
        model: the recipe's.
        size: whose width to take.

    Raises:
        RecipeError: the model is not wider than that.
    """
    own, narrow = SIZES[model.size], SIZES[size]
    width = model.d_model or own.d_model
    if width <= narrow.d_model:
        raise RecipeError(
            f"the model is {width} wide, the proxy {size} {narrow.d_model}: there is nothing to carry over to",
            where="--proxy-size",
            advice="choose a narrower proxy, or train the model itself with a few learning rates",
        )
    d_ff = _eight(narrow.d_model * (model.d_ff or own.d_ff) / width)
    changed: dict[str, Any] = {"d_model": narrow.d_model, "layers": model.layers or own.layers, "d_ff": d_ff}
    if model.experts is not None and model.experts.d_ff is not None:
        each = _eight(narrow.d_model * model.experts.d_ff / width)
        changed["experts"] = model.experts.model_copy(update={"d_ff": each})
    return model.model_copy(update=changed | _heads(model, own, narrow) | {"size": size, "mup": None})


def _eight(width: float) -> int:
    """The nearest multiple of 8."""
    return max(8, round(width / 8) * 8)


def _heads(model: ModelConfig, own: Size, narrow: Size) -> dict[str, int | None]:
    """Fewer heads of the model's width where that divides, else the named size's; as many share keys as there."""
    heads = model.heads or own.heads
    keys = model.kv_heads or (own.kv_heads if model.heads is None else heads)
    head = model.head_dim or (model.d_model or own.d_model) // heads
    if model.head_dim is None and narrow.d_model % head:
        fewer = narrow.heads
    else:
        fewer = max(1, round(heads * narrow.d_model / (model.d_model or own.d_model)))
    divisors = (number for number in range(2, fewer + 1) if fewer % number == 0)
    shared = max((number for number in divisors if number * heads <= fewer * keys), default=1)
    return {"heads": fewer, "kv_heads": shared, "head_dim": model.head_dim}


def carried_over(model: ModelConfig, proxy: ModelConfig) -> MupConfig:
    """The model's `mup` block: at the proxy's width its learning rates are the proxy's."""
    base, own = proxy.architecture(1, 8), model.architecture(1, 8)
    same = base.head_width == own.head_width
    return MupConfig(base_d_model=base.d_model, base_head_dim=None if same else base.head_width)


def proxy_training(train: TrainConfig, steps: int, lr: float, seed: int) -> TrainConfig:
    """The recipe's training, shorter, at another learning rate; in one place, without branch.

    Args:
        train: the recipe's.
        steps: of the proxy; a warm-up shrinks in proportion.
        lr: the peak.
        seed: added to the recipe's.
    """
    return short_training(train.model_copy(update={"optimizer": with_rate(train.optimizer, lr)}), steps, seed)


def short_training(train: TrainConfig, steps: int, seed: int) -> TrainConfig:
    """The recipe's training with other steps, in one place, without branch.

    Args:
        train: the recipe's.
        steps: of the copy; a warm-up shrinks in proportion.
        seed: added to the recipe's.
    """
    sizes = {max(1, round(step * steps / train.steps)): windows for step, windows in train.batch_warmup}
    changed: dict[str, Any] = {
        "steps": steps,
        "schedule": _shortened(train.schedule, steps / train.steps),
        "seed": train.seed + seed,
        "mesh": MeshConfig(),
        "branch": None,
        "batch_warmup": [[step, windows] for step, windows in sorted(sizes.items())],
        "checkpoints": CheckpointsConfig(),
        "monitor": None,
        "eval_every": 0,
    }
    return TrainConfig.model_validate(train.model_copy(update=changed).model_dump())


def with_rate(optimizer: OptimizerConfig, lr: float) -> OptimizerConfig:
    """The optimizer at another peak; Muon's AdamW goes along in proportion."""
    if optimizer.muon is None:
        assert optimizer.adamw is not None
        return OptimizerConfig(adamw=optimizer.adamw.model_copy(update={"lr": lr}))
    rest = optimizer.muon.embeddings
    along = rest.model_copy(update={"lr": _digits(rest.lr * lr / optimizer.muon.lr)})
    return OptimizerConfig(muon=optimizer.muon.model_copy(update={"lr": lr, "embeddings": along}))


def overrides(optimizer: OptimizerConfig, lr: float, mup: MupConfig) -> list[str]:
    """The dotted settings that use a rate found on the proxy."""
    found = with_rate(optimizer, lr)
    muon = {} if found.muon is None else {"muon.lr": lr, "muon.embeddings.lr": found.muon.embeddings.lr}
    rates = muon or {"adamw.lr": lr}
    values = {f"train.optimizer.{name}": f"{value:g}" for name, value in rates.items()}
    values["model.mup.base_d_model"] = str(mup.base_d_model)
    if mup.base_head_dim is not None:
        values["model.mup.base_head_dim"] = str(mup.base_head_dim)
    return [f"{name}={value}" for name, value in values.items()]


def _digits(value: float) -> float:
    return float(f"{value:.3g}")


def _shortened(schedule: ScheduleConfig, share: float) -> ScheduleConfig:
    name, part = next((name, part) for name in ("wsd", "cosine", "linear") if (part := getattr(schedule, name)))
    steps = min(part.warmup_steps, max(1, round(part.warmup_steps * share)))
    return ScheduleConfig(**{name: part.model_copy(update={"warmup_steps": steps})})
