"""The vocabulary stage: train a byte-level BPE on a sample of the training documents.

Pre-tokenization is one of two patterns that llama.cpp and vLLM know by name ("qwen2": digits one by one; "llama-bpe":
digits in groups of up to three). There is no normalisation and no added space: every text comes back byte for byte.
The result is the same bytes on every run: counts do not depend on threads, and the trainer breaks ties by token ids.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import JsonValue
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from ownlm.errors import CorpusError
from ownlm.pipeline.progress import Progress
from ownlm.pipeline.stage import Metrics, StageContext
from ownlm.tokens.corpus import CorpusTable
from ownlm.tokens.vocabulary.config import VocabularyConfig, VocabularyStage
from ownlm.tokens.vocabulary.cut import cut
from ownlm.tokens.vocabulary.encode import PATTERNS, byte_characters
from ownlm.tokens.vocabulary.figures import figures
from ownlm.tokens.vocabulary.load import TOKENIZER_FILE, Vocabulary
from ownlm.tokens.vocabulary.measure import measure
from ownlm.tokens.vocabulary.report import write_report
from ownlm.tokens.vocabulary.rivals import load_rival, of_another_size
from ownlm.tokens.vocabulary.sample import ONE, DocumentSample, Weights, draw_sample, languages_in
from ownlm.tokens.vocabulary.special import SpecialTokens

FEWEST_MERGES = 32
RAREST = 2
"""A pair seen less often than this is not learned."""


def train(context: StageContext) -> Metrics:
    """Stage function: reads `corpus`, writes tokenizer.json, tokenizer_config.json, vocabulary.json and report/.

    Raises:
        InputError: a tokenizer to compare with is missing or damaged.
        CorpusError: when the size is too small to hold anything, or too large for the corpus; when a language that has
            a weight has no documents.
    """
    assert isinstance(context.config, VocabularyStage)
    config, corpus = context.config.vocabulary, context.inputs["corpus"]
    rivals = [load_rival(rival) for rival in config.compare]  # a damaged one is said before the work, not after
    sample = training_sample(CorpusTable(corpus.file("train")), context.config)
    tokenizer = train_tokenizer(sample, config, context.progress)
    _require_size(tokenizer, config, sample)
    save(tokenizer, SpecialTokens(config.reserved), context.out)
    vocabulary = Vocabulary.load(context.out)
    statistics = measure(vocabulary, corpus.path, config, sample)
    _write_json(context.out / "vocabulary.json", statistics)
    others = [of_another_size(one, vocabulary.special) for one in _resized(tokenizer, sample, config, context.progress)]
    report = statistics | figures(vocabulary, [*others, *rivals], corpus.path, sample, context.progress)
    (context.out / "report").mkdir(exist_ok=True)
    _write_json(context.out / "report/figures.json", report)
    write_report(report, context.out / "report/index.html")
    headline = ("size", "sample_documents", "sample_bytes", "bytes_per_token")
    return {key: statistics[key] for key in headline}


def training_sample(table: CorpusTable, stage: VocabularyStage) -> DocumentSample:
    """The documents the vocabulary is learned from: drawn by seed from what the model is trained on, as often as it is.

    Raises:
        CorpusError: there are none, or none in a language that has a weight; the size has no room to learn anything.
    """
    config = stage.vocabulary
    _require_room(config, SpecialTokens(config.reserved))
    if config.weights:
        _require_languages(table, config)
    weights = Weights(_uneven(stage.weights), _uneven(config.weights))
    sample = draw_sample(table, config.seed, int(config.sample_mb * 1e6), weights)
    _require_documents(sample, config)
    return sample


def _uneven(weights: Mapping[str, float]) -> dict[str, float]:
    return {name: weight for name, weight in weights.items() if weight != 1.0}


def train_tokenizer(sample: DocumentSample, config: VocabularyConfig, progress: Progress) -> Tokenizer:
    """Learn merges from the sample; it may come out smaller than `config.size` when the sample has too few pairs."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=config.digits == "triple"))  # as llama.cpp does for "llama-bpe"
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERNS[config.digits]), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    names = SpecialTokens(config.reserved).names
    trainer = trainers.BpeTrainer(
        vocab_size=config.size,
        min_frequency=RAREST,
        show_progress=False,
        special_tokens=[AddedToken(name, special=True, normalized=False) for name in names],
        initial_alphabet=sorted(byte_characters()),
    )
    with progress.task("vocabulary: counting words", total=sample.bytes, unit="bytes") as task:

        def counted() -> Iterator[str]:
            for text in sample:
                yield text
                task.advance(len(text.encode("utf-8")))
            task.note("merging")

        tokenizer.train_from_iterator(counted(), trainer=trainer)
    return tokenizer


def _resized(
    tokenizer: Tokenizer, sample: DocumentSample, config: VocabularyConfig, progress: Progress
) -> list[Tokenizer]:
    """A vocabulary of another size from the same sample, or of all the tokens that yields; none if it is no other."""
    least = fewest(SpecialTokens(config.reserved))
    size = max(config.compare_size or config.size // 2, least)
    if size < config.size:
        return [cut(tokenizer, size)]
    if size == config.size:
        return []
    larger = train_tokenizer(sample, config.model_copy(update={"size": size}), progress)
    return [larger] if larger.get_vocab_size(with_added_tokens=True) > config.size else []


def save(tokenizer: Tokenizer, special: SpecialTokens, out: Path) -> None:
    """Write the folder that `transformers.AutoTokenizer.from_pretrained` and `Vocabulary.load` read."""
    (out / TOKENIZER_FILE).write_text(tokenizer.to_str(pretty=True) + "\n", encoding="utf-8")
    names = special.names
    settings: dict[str, JsonValue] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": names[special.end_of_text],
        "eos_token": names[special.end_of_text],
        "pad_token": names[special.fim_pad],
        "add_bos_token": False,
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 10**9,
    }
    _write_json(out / "tokenizer_config.json", settings)


def _write_json(path: Path, value: dict[str, JsonValue]) -> None:
    path.write_text(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def fewest(special: SpecialTokens) -> int:
    """The smallest size a vocabulary can have."""
    return special.count + 256 + FEWEST_MERGES


def _require_room(config: VocabularyConfig, special: SpecialTokens) -> None:
    needed = fewest(special)
    if config.size < needed:
        raise CorpusError(
            f"{config.size} tokens cannot hold {special.count} special ones, the 256 bytes and a few learned ones",
            where="vocabulary.size",
            advice=f"set vocabulary.size to {needed} or more (4096 suits small models), or lower vocabulary.reserved",
        )


def _require_languages(table: CorpusTable, config: VocabularyConfig) -> None:
    known = sorted(languages_in(table))
    for name in sorted(set(config.weights) - set(known)):
        near = difflib.get_close_matches(name, known, 1, 0.5)
        others = f"one of {', '.join(known)}" if known else "nothing: there are no training documents"
        raise CorpusError(
            f"no training document is in {name!r}, which has a weight",
            where="vocabulary.weights",
            advice=f"did you mean {near[0]!r}?" if near else f"name {others}",
        )


def _require_documents(sample: DocumentSample, config: VocabularyConfig) -> None:
    if sample.documents:
        return
    documents, size = sample.table.size()
    if documents and sample.limit == ONE:
        raise CorpusError(
            f"the weights of sources and languages leave none of {documents} training documents",
            where="vocabulary.weights",
            advice="give a language that is there more weight",
        )
    if documents:
        raise CorpusError(
            f"none of {documents} training documents ({size} bytes) was drawn into a sample of {config.sample_mb} MB",
            where="vocabulary.sample_mb",
            advice="raise vocabulary.sample_mb: the first document drawn is larger than that",
        )
    raise CorpusError(
        "there are no training documents",
        where=sample.table.path,
        advice="look at what the sources found and what the cleaning rules rejected (the report pages list both)",
    )


def _require_size(tokenizer: Tokenizer, config: VocabularyConfig, sample: DocumentSample) -> None:
    reached = tokenizer.get_vocab_size(with_added_tokens=True)
    if reached >= config.size:
        return
    ways = ["add sources"]
    if reached >= fewest(SpecialTokens(config.reserved)):
        ways.insert(0, f"set vocabulary.size to {reached} or less")
    if sample.limit < ONE:
        ways.append("raise vocabulary.sample_mb")
    raise CorpusError(
        f"{sample.documents} documents ({sample.bytes} bytes) yield a vocabulary of {reached}, not {config.size}",
        where=sample.table.path,
        advice=", or ".join(ways),
    )
