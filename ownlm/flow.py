"""The flow: which stages a recipe asks for, in order, and what each of them reads.

lake-N ─► clean-N ─► corpus ─► vocabulary ─► shards ─► train ─► evaluate
                                                         └────► export
"""

from __future__ import annotations

from functools import partial

from ownlm.data.clean.config import CleanStage, RulesConfig
from ownlm.data.clean.dedup.config import DuplicatesConfig
from ownlm.data.clean.outside import check_outside, outside_fingerprint
from ownlm.data.corpus.config import CorpusStage
from ownlm.data.lake.config import LakeStage
from ownlm.data.sources.base import SourceConfig
from ownlm.evaluate.config import EvaluateStage
from ownlm.evaluate.outside import evaluation_fingerprint
from ownlm.export.config import ExportStage
from ownlm.pipeline.stage import Stage
from ownlm.recipe.schema import Recipe
from ownlm.tokens.shards.config import ShardsStage
from ownlm.tokens.vocabulary.compare import compared_fingerprint, file_of
from ownlm.tokens.vocabulary.config import VocabularyStage
from ownlm.train.branch import branch_fingerprint
from ownlm.train.config import NOT_KEYED, TrainStage
from ownlm.train.parallel.check import check_mesh


def stages_of(recipe: Recipe) -> list[Stage]:
    """The stages of a run, inputs before their readers.

    Raises:
        OwnlmError: a source, what a rule learns from, or a tokenizer to compare with is not there; or the mesh of
            `train` does not divide the model or its batches.
    """
    check_outside(recipe.clean.part(RulesConfig))
    check_mesh(recipe.train, recipe.model.architecture(recipe.vocabulary.size, recipe.shards.context))
    rivals = recipe.vocabulary.compare
    for rival in rivals:
        file_of(rival)
    chains = [_source_stages(recipe, index, entry.kind, entry.settings) for index, entry in enumerate(recipe.sources)]
    cleaned = {f"clean_{index}": chain[-1].name for index, chain in enumerate(chains)}
    return [stage for chain in chains for stage in chain] + [
        Stage(
            "corpus",
            "ownlm.data.corpus.build:build",
            2,
            CorpusStage(duplicates=recipe.clean.part(DuplicatesConfig), split=recipe.split, layout=recipe.lake.layout),
            cleaned,
        ),
        Stage(
            "vocabulary",
            "ownlm.tokens.vocabulary.train:train",
            1,
            VocabularyStage(vocabulary=recipe.vocabulary, weights=recipe.weights),
            {"corpus": "corpus"},
            fingerprint=partial(compared_fingerprint, rivals) if rivals else None,
        ),
        Stage(
            "shards",
            "ownlm.tokens.shards.pack:pack",
            1,
            ShardsStage(shards=recipe.shards, weights=recipe.weights),
            {"corpus": "corpus", "vocabulary": "vocabulary"},
        ),
        Stage(
            "train",
            "ownlm.train.run:train",
            2,
            TrainStage(
                train=recipe.train,
                model=recipe.model,
                objectives=recipe.objectives,
                context=recipe.shards.context,
            ),
            {"shards": "shards", "vocabulary": "vocabulary"},
            resumable=True,
            fingerprint=partial(branch_fingerprint, recipe.train.branch) if recipe.train.branch else None,
            not_keyed={"train": NOT_KEYED},
        ),
        Stage(
            "evaluate",
            "ownlm.evaluate.run:evaluate",
            2,
            EvaluateStage(evaluate=recipe.evaluate),
            {"train": "train", "shards": "shards", "vocabulary": "vocabulary"},
            fingerprint=evaluation_fingerprint(recipe.evaluate),
            resumable=recipe.evaluate.suites is not None,
        ),
        Stage(
            "export",
            "ownlm.export.run:export",
            1,
            ExportStage(export=recipe.export),
            {"train": "train", "vocabulary": "vocabulary"},
        ),
    ]


def _source_stages(recipe: Recipe, index: int, kind: str, settings: SourceConfig) -> list[Stage]:
    source = settings.open()
    name = f"{index}-{kind}"
    rules, near = recipe.clean.part(RulesConfig), recipe.clean.near_duplicates
    signatures = None if near is None else near.signature
    return [
        Stage(
            f"lake-{name}",
            "ownlm.data.lake.build:build",
            2,
            LakeStage(source=settings, layout=recipe.lake.layout),
            fingerprint=source.fingerprint,
            resumable=True,
        ),
        Stage(
            f"clean-{name}",
            "ownlm.data.clean.run:clean",
            2,
            CleanStage(rules=rules, signatures=signatures, layout=recipe.lake.layout),
            {"lake": f"lake-{name}"},
            fingerprint=partial(outside_fingerprint, rules) if rules.outside() else None,
        ),
    ]
