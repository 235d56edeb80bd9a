"""Real inputs of the train stage, small: a vocabulary and shards of generated Python-like text."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from ownlm.pipeline.stage import StageContext
from ownlm.tokens.shards.writer import ShardWriter
from ownlm.tokens.vocabulary.load import Vocabulary
from ownlm.tokens.vocabulary.special import SpecialTokens
from ownlm.train.config import TrainStage
from tests.context import make_context

torch.set_num_threads(1)

NAMES = ["alpha", "beta", "gamma", "delta", "count", "total", "index", "value"]


def document(number: int) -> str:
    """A few lines of code a small model can learn something of."""
    draw = random.Random(number)
    lines = []
    for _ in range(draw.randint(4, 16)):
        a, b, c = draw.sample(NAMES, 3)
        lines.append(f"def {a}_{b}({c}):\n    return {c} + {draw.randint(0, 99)}\n")
    return "\n".join(lines)


def make_vocabulary(path: Path) -> Vocabulary:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = SpecialTokens(reserved=3)
    trainer = trainers.BpeTrainer(
        vocab_size=special.count + 256 + 40,
        special_tokens=list(special.names),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([document(number) for number in range(50)], trainer)
    path.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(path / "tokenizer.json"))
    return Vocabulary.load(path)


def make_split(path: Path, vocabulary: Vocabulary, numbers: range) -> None:
    with ShardWriter(
        path, vocabulary_size=vocabulary.size, vocabulary=vocabulary.content, shard_bytes=10_000
    ) as writer:
        for number in numbers:
            text = document(number)
            row = {
                "id": hashlib.sha256(text.encode()).hexdigest(),
                "source": "test",
                "repo": f"repo{number % 5}",
                "path": f"file{number}.py",
                "language": "Python",
            }
            writer.add(row, [vocabulary.special.end_of_text, *vocabulary.encode(text)], len(text.encode()))


def make_inputs(path: Path, documents: int = 60) -> Path:
    """`path/vocabulary` and `path/shards`."""
    vocabulary = make_vocabulary(path / "vocabulary")
    make_split(path / "shards" / "train", vocabulary, range(documents))
    make_split(path / "shards" / "heldout_files", vocabulary, range(1000, 1010))
    return path


def stage_context(inputs: Path, work: Path, config: TrainStage) -> StageContext:
    return make_context(work, config, {"shards": inputs / "shards", "vocabulary": inputs / "vocabulary"})


def small(**train: object) -> TrainStage:
    """A stage that takes about a second. `checkpoint_every` stands for `checkpoints: {every: ...}`."""
    settings = {"steps": 12, "batch": 2, "log_every": 2, "eval_every": 4, "eval_batches": 2}
    checkpoints = {"checkpoints": {"every": train.pop("checkpoint_every", 4)}}
    settings["monitor"] = {"completions": 1, "completion_tokens": 4}
    return TrainStage.model_validate(
        {
            "train": settings | checkpoints | {"compile": "off", "schedule": {"wsd": {"warmup_steps": 3}}} | train,
            "model": {"size": "1m", "d_model": 32, "layers": 2, "heads": 2, "kv_heads": 1, "d_ff": 48},
            "context": 32,
        }
    )
