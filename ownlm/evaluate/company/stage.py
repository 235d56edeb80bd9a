"""The part of the evaluate stage that hides lines, blocks and function bodies of held-out files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ownlm.evaluate.company import hidden_lines, hidden_regions
from ownlm.evaluate.company.asking import ask_all, by_language, entries_of
from ownlm.evaluate.company.config import HiddenBlocks, HiddenBodies, HiddenLines, HiddenRegions, RepositoryTests
from ownlm.evaluate.company.prompts import Prompts
from ownlm.evaluate.company.repository_tests import RepositoryJudge
from ownlm.evaluate.rivals import Rival
from ownlm.pipeline.progress import Progress
from ownlm.tokens.shards.reader import ShardReader
from ownlm.tokens.vocabulary.load import Vocabulary

RUN = ("model", "ngram")
"""Whose bodies are run by repositories' tests."""


class HiddenParts:
    """Asks all rivals for hidden parts of one split; each method gives keys of results.json, none where none is found.

    Args:
        rivals: "model", "untrained" and "ngram".
        reader: held-out files; None: none are held out, and nothing is hidden in them.
        vocabulary: the model's.
        context: tokens the model can look at.
        progress: where the work is shown.
    """

    def __init__(
        self,
        rivals: Mapping[str, Rival],
        reader: ShardReader | None,
        vocabulary: Vocabulary,
        context: int,
        progress: Progress,
    ) -> None:
        self._rivals, self._reader, self._vocabulary = rivals, reader, vocabulary
        self._context, self._progress = context, progress

    def lines(self, settings: HiddenLines) -> dict[str, Any]:
        """`hidden_lines`, `hidden_lines_order`, `examples`, `hidden_lines_by_language`."""
        reader = self._reader
        questions = [] if reader is None else hidden_lines.read_questions(reader, self._vocabulary, settings)
        if not questions:
            return {}
        entries = entries_of(self._rivals, settings.order)
        prompts = Prompts(self._vocabulary, self._context, settings)
        answers = ask_all("lines", questions, entries, prompts, hidden_lines.judge_line, self._progress)
        return {
            "hidden_lines": {name: hidden_lines.summarize(given, questions) for name, given in answers.items()},
            "hidden_lines_order": {name: entry.order for name, entry in entries.items()},
            "examples": hidden_lines.examples(questions, answers, settings),
            "hidden_lines_by_language": {name: by_language(given, questions) for name, given in answers.items()},
        }

    def blocks(self, settings: HiddenBlocks) -> dict[str, Any]:
        """`hidden_blocks`, `hidden_blocks_order`, `hidden_blocks_examples`."""
        return self._regions("block", "blocks", settings)

    def bodies(self, settings: HiddenBodies) -> dict[str, Any]:
        """`hidden_bodies`, `hidden_bodies_order`, `hidden_bodies_examples`."""
        return self._regions("body", "bodies", settings)

    def repositories(
        self, settings: RepositoryTests, trained: frozenset[str], workers: int, *, unsafe: bool
    ) -> dict[str, Any]:
        """`repository_tests`, `repository_tests_sandbox`, `repository_tests_samples`; see `RepositoryJudge.results`."""
        from ownlm.evaluate.sandbox.open import open_sandbox

        judge = RepositoryJudge(open_sandbox(unsafe), settings, trained, workers, self._progress)
        entries = {name: entry for name, entry in entries_of(self._rivals, settings.order).items() if name in RUN}
        prompts = Prompts(self._vocabulary, self._context, settings, one_line=False)
        return judge.results(
            lambda questions: ask_all("bodies", questions, entries, prompts, hidden_regions.judge, self._progress)
        )

    def _regions(self, what: hidden_regions.What, many: str, settings: HiddenRegions) -> dict[str, Any]:
        reader = self._reader
        questions = [] if reader is None else hidden_regions.read_questions(reader, self._vocabulary, what, settings)
        if not questions:
            return {}
        entries = entries_of(self._rivals, settings.order)
        prompts = Prompts(self._vocabulary, self._context, settings, one_line=False)
        answers = ask_all(many, questions, entries, prompts, hidden_regions.judge, self._progress)
        return {
            f"hidden_{many}": {name: hidden_regions.summarize(given, questions) for name, given in answers.items()},
            f"hidden_{many}_order": {name: entry.order for name, entry in entries.items()},
            f"hidden_{many}_examples": hidden_regions.examples(questions, answers, settings),
        }
