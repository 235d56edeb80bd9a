"""One scoring: a model, and two sets of shards -> scores.json, figures by document.

shards of A, shards of B ──► documents both held out ──► bits of each, by the model's own vocabulary
                                                    └──► hidden lines of them, exact and edit similarity
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from ownlm.evaluate.ablation.common import Common, common_documents
from ownlm.evaluate.ablation.config import ScoreStage
from ownlm.evaluate.company.asking import Entry, ask_all
from ownlm.evaluate.company.hidden_lines import judge_line
from ownlm.evaluate.company.lines import choose_questions
from ownlm.evaluate.company.prompts import Prompts
from ownlm.evaluate.documents import SPLITS
from ownlm.evaluate.rivals import ModelRival
from ownlm.model.load import load_model
from ownlm.pipeline.artifact import Artifact
from ownlm.pipeline.stage import Metrics, StageContext
from ownlm.tokens.shards.reader import ShardReader
from ownlm.tokens.vocabulary.load import Vocabulary

SCORES = "scores.json"


def score(context: StageContext) -> Metrics:
    """Ask the model; write scores.json.

    Raises:
        CorpusError: no document is held out by both.
        ArtifactError: an input is damaged.
    """
    config = context.config
    assert isinstance(config, ScoreStage)
    vocabulary = Vocabulary.load(context.inputs["vocabulary"].path)
    common = common_documents(
        _splits(context, context.inputs["shards"]),
        _splits(context, context.inputs["other"]),
        vocabulary,
        config.max_bytes,
        config.document_bytes,
        config.seed,
    )
    decoder = load_model(context.inputs["train"].path)
    rival = ModelRival(decoder, vocabulary.special.end_of_text, config.overlap, config.batch)
    bits = _bits(context, common, rival, vocabulary)
    found: dict[str, Any] = {
        "counts": dict(common.counts),
        "documents": [
            {"id": span.id, "bytes": len(text.encode()), "bits": round(amount, 6)}
            for (span, text), amount in zip(common.documents, bits, strict=True)
        ],
        "lines": _lines(context, config, common, rival, vocabulary, decoder.architecture.context),
    }
    (context.out / SCORES).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return {"bits_per_byte": round(sum(bits) / common.counts["bytes"], 6), **common.counts}


def _splits(context: StageContext, shards: Artifact) -> dict[str, ShardReader]:
    names = ("train", *(name for name in SPLITS if (shards.path / name).is_dir()))
    return {name: ShardReader(shards.path / name, cache=context.cache) for name in names}


def _bits(context: StageContext, common: Common, rival: ModelRival, vocabulary: Vocabulary) -> Sequence[float]:
    encoded = vocabulary.encode_batch([text for _, text in common.documents])
    tokens = [np.asarray(ids, dtype=np.int64) for ids in encoded]
    with context.progress.task("bits per byte", sum(map(len, tokens)), "tokens") as task:
        return [-float(log2.sum()) for log2 in rival.log2_probabilities(tokens, task)]


def _lines(
    context: StageContext, config: ScoreStage, common: Common, rival: ModelRival, vocabulary: Vocabulary, room: int
) -> list[dict[str, Any]]:
    settings = config.hidden_lines
    questions = [] if settings is None else choose_questions(common.documents, settings)
    if settings is None or not questions:
        return []
    prompts = Prompts(vocabulary, room, settings)
    entries = {"model": Entry(rival, settings.order)}
    answers = ask_all("lines", questions, entries, prompts, judge_line, context.progress)["model"]
    return [
        {"id": question.document.id, "exact": answer.exact, "similarity": round(answer.similarity, 6)}
        for question, answer in zip(questions, answers, strict=True)
    ]
