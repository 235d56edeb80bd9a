"""Hidden lines: the product's own question. A line of held-out code is hidden from its indentation to its end, the
rival sees the text before (and after, where it can) and writes until the line end, greedily.

The model is asked in the layout the recipe chose, and left to right for information. The n-gram sees only the text
before: it has no way to look at what follows. All rivals are asked the same lines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ownlm.evaluate.company.asking import (
    Answer,
    drawn_examples,
    exact_interval,
    grouped,
    plain_scores,
    shown_example,
)
from ownlm.evaluate.company.config import HiddenLines
from ownlm.evaluate.company.lines import choose_questions
from ownlm.evaluate.company.question import Question
from ownlm.evaluate.documents import texts_of
from ownlm.evaluate.scores.edit_similarity import edit_similarity
from ownlm.tokens.shards.reader import ShardReader
from ownlm.tokens.vocabulary.load import Vocabulary


def read_questions(reader: ShardReader, vocabulary: Vocabulary, settings: HiddenLines) -> list[Question]:
    """The hidden lines of a split; none when no line of it is worth asking."""
    return choose_questions(texts_of(reader, vocabulary), settings)


def judge_line(written: str, question: Question, taken_back: str) -> Answer:
    """Compare a written line with the question's."""
    return judge(written, question.expected, taken_back)


def judge(written: str, expected: str, taken_back: str = "") -> Answer:
    """Compare a written line with the author's; it has to begin with the blank the prompt took back."""
    text = written.rstrip()
    exact = text == taken_back + expected
    text = text.removeprefix(taken_back)
    return Answer(text, exact, edit_similarity(text, expected))


def summarize(answers: Sequence[Answer], questions: Sequence[Question]) -> dict[str, object]:
    """Exact match with its 95 % Wilson interval and mean edit similarity, overall and by kind of line."""
    by_kind = grouped(answers, questions, lambda question: question.kind, lambda given, _: plain_scores(given))
    return {**plain_scores(answers), "exact_match_95": exact_interval(answers), "by_kind": by_kind}


def examples(
    questions: Sequence[Question], answers: Mapping[str, Sequence[Answer]], settings: HiddenLines
) -> list[dict[str, object]]:
    """Some lines with all answers."""
    drawn = drawn_examples(questions, settings.examples, settings.seed)
    return [shown_example(questions[index], index, answers) for index in drawn]
