"""Tokenizers of others, as they lie on a disk: made by the real libraries from a few programs."""

from __future__ import annotations

import base64
from functools import cache
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from tests.tokens.corpora import program

SPECIAL = "<|endoftext|>"


@cache
def texts() -> tuple[str, ...]:
    return tuple(program(seed) for seed in range(40))


def byte_level() -> Tokenizer:
    """As GPT-2's: byte-level BPE with the text cut by its own pattern."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    _train(tokenizer, trainers.BpeTrainer(vocab_size=400, special_tokens=[SPECIAL], initial_alphabet=alphabet))
    return tokenizer


def sentence_pieces() -> Tokenizer:
    """As Llama 2's: a space before every text, spaces as ▁, bytes for characters it does not know."""
    names = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    tokenizer.decoder = decoders.Sequence(steps)
    _train(tokenizer, trainers.BpeTrainer(vocab_size=500, special_tokens=names))
    return tokenizer


def word_pieces() -> Tokenizer:
    """As BERT's: lower case, white space lost, what it does not know is [UNK]; cut to 16 tokens and padded."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    _train(tokenizer, trainers.WordPieceTrainer(vocab_size=200, special_tokens=["[PAD]", "[UNK]"]))
    tokenizer.enable_truncation(16)
    tokenizer.enable_padding(length=16)
    return tokenizer


def _train(tokenizer: Tokenizer, trainer: trainers.Trainer) -> None:
    trainer.show_progress = False
    tokenizer.train_from_iterator(texts(), trainer)


def write_folder(path: Path, tokenizer: Tokenizer) -> Path:
    """A Hugging Face folder, written by transformers."""
    from transformers import PreTrainedTokenizerFast

    PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(path)
    return path


def write_ranks(path: Path, words: str) -> Path:
    """A file of ranks, learned by tiktoken's own trainer."""
    from tiktoken._educational import bpe_train

    ranks = bpe_train("\n".join(texts()[:4]), 300, words, visualise=None)
    lines = (base64.b64encode(token) + f" {rank}\n".encode() for token, rank in ranks.items())
    path.write_bytes(b"".join(lines))
    return path
