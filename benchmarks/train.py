"""Training speed: the whole of ownlm's loop beside Hugging Face's Trainer, litgpt and a bare loop, in one run.

    python benchmarks/train.py                            # 2.6m, 16 windows of 256 tokens, eager
    python benchmarks/train.py --compile --size 0.8m
    PYTHONPATH=/some/folder python benchmarks/train.py    # with litgpt: pip install --no-deps --target /some/folder
                                                          #   litgpt lightning lightning-utilities torchmetrics \
                                                          #   jsonargparse pytorch-lightning accelerate

Same shape, batch, precision, AdamW, clipping, and windows of the same real text (the standard library) for all. Ours
and Hugging Face's are the real loops, loader and logging included; the bare loops are transformers' Llama and litgpt's
GPT in the fewest lines that train them. Ours keeps packed documents apart, the others let them see each other. Steps
are taken in turn, one contender after the other, and the best and the median step of each are printed: on a machine
that does other work, the best is what the code can do.

Share of the peak: (6 * matrix weights + attention's, `training_flops_per_token`) * tokens/s over the speed of this
model's own matrix products alone, forward and backward, timed in turn with the others.
"""

from __future__ import annotations

import argparse
import statistics
import sysconfig
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from torch import Tensor, nn

from ownlm.model.config import SIZES, Architecture, ModelConfig
from ownlm.model.decoder import Decoder
from ownlm.pipeline.progress import SilentProgress
from ownlm.pipeline.tracking.log import MetricLog
from ownlm.tokens.objectives.config import ObjectivesConfig
from ownlm.tokens.shards.batches import Batch, Batches
from ownlm.tokens.shards.reader import ShardReader
from ownlm.tokens.shards.writer import ShardWriter
from ownlm.tokens.vocabulary.load import Vocabulary
from ownlm.tokens.vocabulary.special import SpecialTokens
from ownlm.train.checkpoint import CheckpointFolder
from ownlm.train.config import TrainConfig
from ownlm.train.execution import choose_execution, deterministic
from ownlm.train.loop import Trainer
from ownlm.train.observer import Observer
from ownlm.train.optimizers import Optimizer
from ownlm.train.parallel.layout import Layout
from ownlm.train.parallel.place import place
from ownlm.train.resume import RunState
from ownlm.train.step import Stepper

WARM_UP = 2
"""Steps that are not measured: the first of them compiles."""

StepDone = Callable[[], None]
Contender = Callable[["Setting", StepDone], None]


@dataclass(frozen=True)
class Setting:
    """What all contenders do."""

    architecture: Architecture
    batches: Batches
    vocabulary: Vocabulary
    config: TrainConfig
    folder: Path

    @property
    def tokens(self) -> int:
        """Tokens of a step."""
        return self.config.windows * self.architecture.context

    @property
    def compiled(self) -> bool:
        """Whether all compile."""
        return self.config.compile == "on"

    def autocast(self) -> Any:
        """The precision of a forward pass."""
        return torch.autocast("cpu", torch.bfloat16) if self.config.precision == "bf16" else nullcontext()


def ownlm(setting: Setting, done: StepDone) -> None:
    """The loop of the train stage."""

    class Pace(Observer):
        def after_step(self, position: object, seen: object, batches: object) -> None:
            done()

    config = setting.config
    execution = choose_execution(config, 0.0)
    with deterministic(execution):
        decoder, computation = place(setting.architecture, config, execution, Layout())
        optimizer = Optimizer(decoder, config.optimizer)
        sizes = torch.tensor([len(token) for token in setting.vocabulary.token_bytes]).numpy()
        stepper = Stepper(decoder, optimizer, execution, config.clip, sizes, Layout(), computation)
        metrics, pace = MetricLog(setting.folder / "m.jsonl"), Pace()
        checkpoints = CheckpointFolder(setting.folder / "steps", "")
        state = RunState(decoder, optimizer, None, checkpoints, metrics, execution, Layout())
        Trainer(config, setting.batches, [], stepper, optimizer, state, metrics, SilentProgress(), [pace]).run()


def llama(architecture: Architecture) -> nn.Module:
    """transformers' model of the same shape."""
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=architecture.vocab_size,
            hidden_size=architecture.d_model,
            intermediate_size=architecture.d_ff,
            num_hidden_layers=architecture.layers,
            num_attention_heads=architecture.heads,
            num_key_value_heads=architecture.kv_heads,
            max_position_embeddings=architecture.context,
            tie_word_embeddings=architecture.tied,
            use_cache=False,
        )
    )


def hugging_face(setting: Setting, done: StepDone) -> None:
    """transformers' Trainer."""
    from transformers import Trainer as TheirTrainer
    from transformers import TrainerCallback, TrainingArguments

    class Pace(TrainerCallback):
        def on_step_end(self, *arguments: Any, **named: Any) -> None:
            done()

    class Rows(torch.utils.data.Dataset[dict[str, Tensor]]):
        def __len__(self) -> int:
            return setting.config.all_windows()

        def __getitem__(self, index: int) -> dict[str, Tensor]:
            step, row = divmod(index, setting.config.windows)
            tokens_L = torch.from_numpy(setting.batches.rows(step, [row]).tokens_BL[0])
            return {"input_ids": tokens_L, "labels": tokens_L}

    config = setting.config
    TheirTrainer(
        llama(setting.architecture),
        TrainingArguments(
            output_dir=str(setting.folder / "theirs"),
            max_steps=config.steps,
            per_device_train_batch_size=config.batch,
            gradient_accumulation_steps=config.accumulate,
            learning_rate=1e-3,
            optim="adamw_torch_fused",
            max_grad_norm=config.clip,
            bf16=config.precision == "bf16",
            torch_compile=setting.compiled,
            use_cpu=True,
            logging_steps=config.log_every,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        ),
        train_dataset=Rows(),
        callbacks=[Pace()],
    ).train()


def bare_loop(setting: Setting, done: StepDone) -> None:
    """transformers' model in a loop of one's own."""
    model = llama(setting.architecture)
    run = torch.compile(model, dynamic=False) if setting.compiled else model
    _loop(setting, model, lambda tokens_BL, labels_BL: run(input_ids=tokens_BL, labels=tokens_BL).loss, done)


def litgpt(setting: Setting, done: StepDone) -> None:
    """litgpt's model and loss in a loop of one's own."""
    from litgpt.config import Config
    from litgpt.model import GPT
    from litgpt.utils import chunked_cross_entropy

    shape = setting.architecture
    model = GPT(
        Config(
            name="bench", block_size=shape.context, vocab_size=shape.vocab_size, padded_vocab_size=shape.vocab_size,
            n_layer=shape.layers, n_head=shape.heads, n_query_groups=shape.kv_heads, n_embd=shape.d_model,
            rotary_percentage=1.0, parallel_residual=False, bias=False, norm_class_name="RMSNorm",
            mlp_class_name="LLaMAMLP", intermediate_size=shape.d_ff,
        )
    )  # fmt: skip
    if shape.tied:
        model.lm_head.weight = model.transformer.wte.weight
    run = torch.compile(model, dynamic=False) if setting.compiled else model
    _loop(setting, model, lambda tokens_BL, labels_BL: chunked_cross_entropy(run(tokens_BL), labels_BL), done)


def _loop(setting: Setting, model: nn.Module, loss: Callable[[Tensor, Tensor], Tensor], done: StepDone) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    for step in range(setting.config.steps):
        batch = setting.batches.batch(step)
        for part in _parts(batch, setting.config):
            with setting.autocast():
                value = loss(torch.from_numpy(part.tokens_BL), torch.from_numpy(part.labels_BL))
            (value / setting.config.accumulate).backward()
        nn.utils.clip_grad_norm_(model.parameters(), setting.config.clip)
        optimizer.step()
        optimizer.zero_grad()
        done()


def _parts(batch: Batch, config: TrainConfig) -> Iterator[Batch]:
    for start in range(0, config.windows, config.batch):
        part = slice(start, start + config.batch)
        yield Batch(batch.tokens_BL[part], batch.labels_BL[part], batch.segments_BL[part])


CONTENDERS: dict[str, Contender] = {
    "ownlm": ownlm,
    "Hugging Face Trainer": hugging_face,
    "litgpt, bare loop": litgpt,
    "transformers, bare loop": bare_loop,
}


def in_turn(setting: Setting, contenders: dict[str, Contender]) -> dict[str, list[float] | Exception]:
    """Seconds of every contender's steps; each takes one and waits until all others have taken theirs."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    turn, waiting, failed = threading.Condition(), list(contenders), {}

    def work(name: str) -> None:
        started = 0.0

        def my_turn() -> None:
            nonlocal started
            turn.wait_for(lambda: waiting[0] == name)
            started = time.perf_counter()

        def done() -> None:
            seconds[name].append(time.perf_counter() - started)
            with turn:
                waiting.append(waiting.pop(0))
                turn.notify_all()
                my_turn()

        with turn:
            my_turn()
        try:
            contenders[name](setting, done)
        except Exception as error:  # told in the table; the others go on
            failed[name] = error
        finally:
            with turn:
                waiting.remove(name)
                turn.notify_all()

    threads = [threading.Thread(target=work, args=(name,)) for name in contenders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {name: failed.get(name, seconds[name]) for name in contenders}


class Products:
    """The model's own matrix products, forward and backward, at their shapes: the shortest time of each."""

    def __init__(self, setting: Setting) -> None:
        architecture, rows = setting.architecture, setting.config.batch * setting.architecture.context
        dtype = torch.bfloat16 if setting.config.precision == "bf16" else torch.float32
        with torch.device("meta"):
            weights = Decoder(architecture).named_parameters()
        # The tied embedding is the head: its look-up multiplies nothing.
        shapes = Counter(tuple(weight.shape) for name, weight in weights if weight.dim() == 2 and "embed" not in name)
        shapes[architecture.vocab_size, architecture.d_model] += architecture.tied
        self._times, self.flops = dict(shapes), 0.0
        self._products: dict[tuple[int, ...], list[Callable[[], object]]] = {}
        for (outer, inner), times in shapes.items():
            x, w, d = (torch.randn(*size).to(dtype) for size in ((rows, inner), (outer, inner), (rows, outer)))
            pairs = ((x, w.T), (d, w), (d.T, x))
            self._products[outer, inner] = [partial(torch.mm, *pair) for pair in pairs]
            self.flops += times * len(pairs) * 2 * rows * inner * outer
        self._best: dict[tuple[tuple[int, ...], int], float] = {}

    def __call__(self, setting: Setting, done: StepDone) -> None:
        """As a contender: every product once a step."""
        for _ in range(setting.config.steps):
            for shape, products in self._products.items():
                for number, product in enumerate(products):
                    start = time.perf_counter()
                    product()
                    taken = time.perf_counter() - start
                    self._best[shape, number] = min(taken, self._best.get((shape, number), taken))
            done()

    @property
    def speed(self) -> float:
        """FLOP/s of one step's products."""
        return self.flops / sum(self._times[shape] * seconds for (shape, _), seconds in self._best.items())


def make_data(folder: Path, size: int) -> Vocabulary:
    """A vocabulary and shards of this machine's standard library."""
    files = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in files]
    special = SpecialTokens(reserved=3)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=size, special_tokens=list(special.names), show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        ),
    )  # fmt: skip
    (folder / "vocabulary").mkdir()
    tokenizer.save(str(folder / "vocabulary/tokenizer.json"))
    vocabulary = Vocabulary.load(folder / "vocabulary")
    with ShardWriter(
        folder / "shards", vocabulary_size=vocabulary.size, vocabulary=vocabulary.content, shard_bytes=10**9
    ) as writer:
        for path, text in zip(files, texts, strict=True):
            row = {"id": path.name, "source": "python", "repo": "python", "path": path.name, "language": "Python"}
            writer.add(row, [vocabulary.special.end_of_text, *vocabulary.encode(text)], len(text.encode()))
    return vocabulary


def loader_seconds(setting: Setting) -> float:
    """To make the rows of a step, in one thread."""
    start = time.perf_counter()
    for step in range(20):
        setting.batches.batch(step)
    return (time.perf_counter() - start) / 20


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="2.6m", choices=list(SIZES))
    parser.add_argument("--vocabulary", type=int, default=4096)
    parser.add_argument("--context", type=int, default=256)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--accumulate", type=int, default=1)
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"])
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--steps", type=int, default=10, help="measured steps")
    parser.add_argument("--only", nargs="*", default=list(CONTENDERS), help="contenders")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        vocabulary = make_data(folder, given.vocabulary)
        config = TrainConfig.model_validate(
            {
                "steps": given.steps + WARM_UP, "batch": given.batch, "accumulate": given.accumulate,
                "optimizer": "adamw", "precision": given.precision, "compile": "on" if given.compile else "off",
                "checkpoints": {"every": 10**6}, "eval_every": 0,
            }
        )  # fmt: skip
        plain = ObjectivesConfig(fill_in_the_middle=None)
        reader = ShardReader(folder / "shards")
        batches = Batches(reader, plain, vocabulary, given.context, config.batch_sizes(), 0)
        architecture = ModelConfig(size=given.size).architecture(vocabulary.size, given.context)
        report(Setting(architecture, batches, vocabulary, config, folder), given.only)


def report(setting: Setting, names: Sequence[str]) -> None:
    """Measure and print."""
    architecture, products = setting.architecture, Products(setting)
    print(f"{architecture.parameters:,} parameters, {setting.tokens} tokens a step, {torch.get_num_threads()} threads")
    results = in_turn(setting, {name: CONTENDERS[name] for name in names} | {"products": products})
    results.pop("products")
    print(f"the matrix products alone: {products.speed / 1e9:.0f} GFLOP/s, {setting.config.precision}")
    for name, found in results.items():
        if isinstance(found, Exception):
            print(f"{name:24} absent: {type(found).__name__}: {found}")
            continue
        steps = found[WARM_UP:]
        best, middle = min(steps), statistics.median(steps)
        speed = architecture.training_flops_per_token * setting.tokens / best
        print(
            f"{name:24} {setting.tokens / best:8.0f} tokens/s (median {setting.tokens / middle:8.0f}) "
            f"{speed / 1e9:6.0f} GFLOP/s, {speed / products.speed:4.0%} of the peak, first step {found[0]:5.1f} s"
        )
        if name == "ownlm":
            share = loader_seconds(setting) / best
            print(f"{'':24} its rows take {share:.2%} of a step to make, in a thread beside it")


if __name__ == "__main__":
    main()
