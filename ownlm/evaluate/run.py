"""The evaluate stage: train + shards + vocabulary -> results.json and a report.

    shards/train ──► 5-gram ──────┐
    train ──► model, untrained ───┼──► bits per byte on heldout_repos and heldout_files
    shards/heldout_* ─────────────┴──► hidden lines, blocks, function bodies of heldout_files

Deterministic: documents and lines are chosen by hash, decoding is greedy, figures are rounded to six digits.
Memory: the n-gram counts dominate, about 60 bytes a training token while counting.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import JsonValue

from ownlm.errors import ArtifactError
from ownlm.evaluate.bits_per_byte import SplitBits, measure_split
from ownlm.evaluate.company.stage import HiddenParts
from ownlm.evaluate.config import EvaluateConfig, EvaluateStage
from ownlm.evaluate.documents import open_splits, training_stream
from ownlm.evaluate.report import write_report
from ownlm.evaluate.rivals import ModelRival, NgramRival, Rival
from ownlm.evaluate.suites_part import run_suites
from ownlm.evaluate.summary import headline as suites_headline
from ownlm.model.decoder import Decoder
from ownlm.model.load import load_model
from ownlm.ngram import kneser_ney
from ownlm.pipeline.stage import Metrics, StageContext
from ownlm.tokens.shards.reader import ShardReader
from ownlm.tokens.vocabulary.load import Vocabulary

RESULTS = "results.json"
UNTRAINED_SEED = 0
HIDDEN = ("hidden_lines", "hidden_blocks", "hidden_bodies")


def evaluate(context: StageContext) -> Metrics:
    """Measure the model and its rivals; write results.json and the report.

    Raises:
        CorpusError: nothing is held out.
        ArtifactError: an input is damaged, or the parts do not belong together.
    """
    assert isinstance(context.config, EvaluateStage)
    config = context.config.evaluate
    vocabulary = Vocabulary.load(context.inputs["vocabulary"].path)
    decoder = load_model(context.inputs["train"].path)
    shards = context.inputs["shards"].path
    training, splits = ShardReader(shards / "train", cache=context.cache), open_splits(shards, context.cache)
    _check_vocabulary(vocabulary, decoder, [training, *splits.values()])
    counted = _count(context, config, training, vocabulary)
    rivals = _rivals(config, decoder, counted, vocabulary)
    results: dict[str, Any] = {
        "model": {"parameters": decoder.architecture.parameters, "context": decoder.architecture.context},
        "ngram": {"order": counted.order, "ngrams": counted.ngrams},
    }
    if config.bits_per_byte is not None:
        settings, table = config.bits_per_byte, vocabulary.token_bytes
        measured = {
            name: measure_split(name, reader, rivals, table, settings, context.progress)
            for name, reader in splits.items()
        }
        results |= _bits_results(measured)
    hidden = HiddenParts(
        rivals, splits.get("heldout_files"), vocabulary, decoder.architecture.context, context.progress
    )
    results |= _hidden_results(config, hidden)
    if config.repository_tests is not None:
        trained = frozenset(training.ids())
        results |= hidden.repositories(config.repository_tests, trained, context.workers, unsafe=config.unsafe)
    if config.suites is not None:
        results |= run_suites(context, config)
    (context.out / RESULTS).write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    write_report(results, context.out / "report" / "index.html")
    return headline(results)


def headline(results: Mapping[str, Any]) -> dict[str, JsonValue]:
    """The few figures that stand for the rest."""
    figures: dict[str, JsonValue] = {}
    for split, by_rival in results.get("bits_per_byte", {}).items():
        for rival, value in by_rival.items():
            figures[f"bits_per_byte.{split}.{rival}"] = value
    for part in HIDDEN:
        for rival, scores in results.get(part, {}).items():
            for score in ("exact_match", "edit_similarity"):
                figures[f"{part}.{rival}.{score}"] = scores[score]
    for name, repository in results.get("repository_tests", {}).items():
        for rival, scores in repository["rivals"].items():
            figures[f"repository_tests.{name}.{rival}.pass_rate"] = scores["pass_rate"]
    return figures | suites_headline(results)


def _check_vocabulary(vocabulary: Vocabulary, decoder: Decoder, readers: Sequence[ShardReader]) -> None:
    """Refuse parts of different runs: their token ids mean different things."""
    for reader in readers:
        if reader.vocabulary != vocabulary.content:
            raise ArtifactError(
                "These shards were made with another vocabulary.",
                where=reader.where,
                advice="Evaluate with the shards and the vocabulary of one run.",
            )
    if decoder.architecture.vocab_size < vocabulary.size:
        raise ArtifactError(
            f"The model knows {decoder.architecture.vocab_size} tokens, the vocabulary has {vocabulary.size}.",
            advice="Evaluate the model with the vocabulary it was trained with.",
        )


def _count(
    context: StageContext, config: EvaluateConfig, training: ShardReader, vocabulary: Vocabulary
) -> kneser_ney.NgramModel:
    stream, starts = training_stream(training, config.ngram.max_tokens)
    with context.progress.task(f"{config.ngram.order}-gram", len(stream) * config.ngram.order, "tokens") as task:
        return kneser_ney.train(
            stream,
            starts,
            vocabulary.size,
            vocabulary.special.end_of_text,
            config.ngram.order,
            advance=lambda: task.advance(len(stream)),
        )


def _rivals(
    config: EvaluateConfig, decoder: Decoder, counted: kneser_ney.NgramModel, vocabulary: Vocabulary
) -> dict[str, Rival]:
    """Ours first."""
    boundary = vocabulary.special.end_of_text
    overlap = 0.0 if config.bits_per_byte is None else config.bits_per_byte.overlap
    untrained = Decoder(decoder.architecture, UNTRAINED_SEED)
    return {
        "model": ModelRival(decoder, boundary, overlap, config.batch),
        "untrained": ModelRival(untrained, boundary, overlap, config.batch),
        "ngram": NgramRival(counted),
    }


def _bits_results(measured: Mapping[str, SplitBits]) -> dict[str, Any]:
    def rounded(values: Mapping[str, float]) -> dict[str, float]:
        return {name: round(value, 6) for name, value in values.items()}

    return {
        "bits_per_byte": {name: rounded(split.bits_per_byte) for name, split in measured.items()},
        "bits_per_byte_95": {
            name: {rival: [round(bound, 6) for bound in bounds] for rival, bounds in split.intervals.items()}
            for name, split in measured.items()
        },
        "bits_per_byte_on": {
            name: {"documents": split.documents, "repos": split.repos, "tokens": split.tokens, "bytes": split.bytes}
            for name, split in measured.items()
        },
        "bits_per_byte_by_repo": {name: rounded(split.by_repo) for name, split in measured.items()},
        "bits_per_byte_by_language": {name: rounded(split.by_language) for name, split in measured.items()},
    }


def _hidden_results(config: EvaluateConfig, hidden: HiddenParts) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if config.hidden_lines is not None:
        found |= hidden.lines(config.hidden_lines)
    if config.hidden_blocks is not None:
        found |= hidden.blocks(config.hidden_blocks)
    if config.hidden_bodies is not None:
        found |= hidden.bodies(config.hidden_bodies)
    return found
