"""What a GGUF says beside its weights: the model's numbers and the vocabulary.

Keys as in llama.cpp's gguf-py/gguf/constants.py; the writer of the `gguf` package knows most of them by name.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ownlm.errors import ArtifactError
from ownlm.export.config import GgufType
from ownlm.export.gguf.tensors import ARCHITECTURES
from ownlm.model.architecture import Architecture, RopeScaling
from ownlm.tokens.vocabulary.encode import PATTERNS
from ownlm.tokens.vocabulary.load import TOKENIZER_FILE
from ownlm.tokens.vocabulary.special import SpecialTokens

if TYPE_CHECKING:
    from gguf import GGUFWriter

PRE_TOKENIZERS = {"single": "qwen2", "triple": "llama-bpe"}
"""How digits are cut -> llama.cpp's name of the pattern (docs/vocabulary.md)."""

FIM = {
    "fim_pre": SpecialTokens.fim_prefix,
    "fim_suf": SpecialTokens.fim_suffix,
    "fim_mid": SpecialTokens.fim_middle,
    "fim_pad": SpecialTokens.fim_pad,
    "fim_rep": SpecialTokens.repo_name,
    "fim_sep": SpecialTokens.file_sep,
}
"""llama.cpp's names of the tokens its /infill uses -> ids."""


def describe_model(writer: GGUFWriter, architecture: Architecture, name: str, stored: GgufType) -> None:
    """Write the model's numbers."""
    from gguf import GGML_QUANT_VERSION, LlamaFileType

    kinds = {
        "f32": LlamaFileType.ALL_F32,
        "f16": LlamaFileType.MOSTLY_F16,
        "q8_0": LlamaFileType.MOSTLY_Q8_0,
    }
    writer.add_type("model")
    writer.add_name(name)
    writer.add_file_type(kinds[stored])
    writer.add_quantization_version(GGML_QUANT_VERSION)
    writer.add_vocab_size(architecture.vocab_size)
    writer.add_context_length(architecture.context)
    writer.add_embedding_length(architecture.d_model)
    writer.add_block_count(architecture.layers)
    writer.add_feed_forward_length(architecture.d_ff)
    writer.add_head_count(architecture.heads)
    writer.add_head_count_kv(architecture.kv_heads)
    writer.add_key_length(architecture.head_width)
    writer.add_value_length(architecture.head_width)
    writer.add_layer_norm_rms_eps(architecture.norm_eps)
    writer.add_rope_dimension_count(architecture.rotary_width)
    writer.add_rope_freq_base(architecture.rope_theta)
    if architecture.experts is not None:
        writer.add_expert_count(architecture.experts.count)
        writer.add_expert_used_count(architecture.experts.per_token)
        if ARCHITECTURES[architecture.family] == "qwen3moe":
            writer.add_expert_feed_forward_length(architecture.experts.d_ff)
    if architecture.rope_scaling is not None:
        _describe_scaling(writer, architecture.rope_scaling)


def _describe_scaling(writer: GGUFWriter, scaling: RopeScaling) -> None:
    from gguf import RopeScalingType

    if scaling.kind == "llama3":
        return  # a tensor of factors says it all
    writer.add_rope_scaling_type(RopeScalingType.YARN if scaling.kind == "yarn" else RopeScalingType.LINEAR)
    writer.add_rope_scaling_factor(scaling.factor)
    if scaling.kind == "yarn":
        assert scaling.original_context is not None
        writer.add_rope_scaling_orig_ctx_len(scaling.original_context)
        writer.add_rope_scaling_yarn_beta_fast(scaling.beta_fast)
        writer.add_rope_scaling_yarn_beta_slow(scaling.beta_slow)
        if scaling.attention_factor is not None:  # llama.cpp multiplies its own 0.1 ln(factor) + 1 with this
            own = 0.1 * math.log(scaling.factor) + 1
            writer.add_rope_scaling_attn_factors(scaling.attention_factor / own)


def describe_vocabulary(writer: GGUFWriter, folder: Path, rows: int) -> None:
    """Write the vocabulary of a folder's tokenizer.json.

    A document starts with the end-of-text token in training, so llama.cpp is told to put it before a text.

    Args:
        writer: of the file.
        folder: where tokenizer.json is; `Vocabulary.load` has read it.
        rows: of the embedding; those past the vocabulary get names nobody writes.

    Raises:
        ArtifactError: words are cut in a way that llama.cpp does not know.
    """
    from gguf import TokenType

    described = json.loads((folder / TOKENIZER_FILE).read_text(encoding="utf-8"))
    special = {token["id"]: token["content"] for token in described["added_tokens"]}
    by_id = {number: text for text, number in described["model"]["vocab"].items()} | special
    padding = [f"[PAD{number}]" for number in range(len(by_id), rows)]
    kinds = [TokenType.CONTROL if number in special else TokenType.NORMAL for number in range(len(by_id))]
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in described["model"]["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre_tokenizer(described, folder))
    writer.add_token_list([by_id[number] for number in range(len(by_id))] + padding)
    writer.add_token_types([*kinds, *[TokenType.UNUSED] * len(padding)])
    writer.add_token_merges(merges)
    writer.add_bos_token_id(SpecialTokens.end_of_text)
    writer.add_eos_token_id(SpecialTokens.end_of_text)
    writer.add_eot_token_id(SpecialTokens.im_end)
    writer.add_pad_token_id(SpecialTokens.fim_pad)
    writer.add_add_bos_token(True)
    for name, number in FIM.items():
        writer.add_uint32(f"tokenizer.ggml.{name}_token_id", number)


def pre_tokenizer(described: dict[str, Any], folder: Path) -> str:
    """llama.cpp's name of how a tokenizer.json cuts words.

    Raises:
        ArtifactError: it has none.
    """
    steps = described.get("pre_tokenizer", {}).get("pretokenizers", [])
    patterns = [step["pattern"].get("Regex") for step in steps if step.get("type") == "Split"]
    for digits, pattern in PATTERNS.items():
        if patterns == [pattern] and bool(described["model"].get("ignore_merges")) == (digits == "triple"):
            return PRE_TOKENIZERS[digits]
    raise ArtifactError(
        "This vocabulary cuts words in a way that llama.cpp has no name for.",
        where=folder / TOKENIZER_FILE,
        advice="Train a vocabulary by ownlm (digits: single or triple), or leave gguf out.",
    )
