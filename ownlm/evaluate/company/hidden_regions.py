"""Hidden blocks and hidden function bodies: several lines of held-out code, written in one go, greedily.

The rival writes until it ends by itself or its room is full; what counts is what comes before the first line that is
indented less than the hidden part (`regions.cut`). Lines are compared without trailing blanks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from ownlm.evaluate.company.asking import (
    Answer,
    by_language,
    drawn_examples,
    grouped,
    shown_example,
    sure_scores,
)
from ownlm.evaluate.company.config import LANGUAGES, HiddenRegions
from ownlm.evaluate.company.question import Question, spread
from ownlm.evaluate.company.regions import cut, questions_in
from ownlm.evaluate.documents import texts_of
from ownlm.evaluate.hash_order import hash_order
from ownlm.evaluate.scores.edit_similarity import edit_similarity
from ownlm.tokens.shards.reader import DocumentSpan, ShardReader
from ownlm.tokens.vocabulary.load import Vocabulary

What = Literal["block", "body"]
BEFORE_LINES = 8
"""Of the text before an example."""


def read_questions(reader: ShardReader, vocabulary: Vocabulary, what: What, settings: HiddenRegions) -> list[Question]:
    """Blocks or bodies of a split; none where no file has one.

    Files are parsed in an order by hash until so many have one as are wanted: the rest could not be asked any more.
    """

    parts: dict[str, list[Question]] = {}

    def files() -> Iterator[tuple[DocumentSpan, str]]:
        filled = 0
        spans = (reader.document(index) for index in range(reader.documents))
        known = [span for span in spans if span.language in LANGUAGES]
        known.sort(key=lambda span: hash_order(settings.seed, what, span.id))
        for document, text in texts_of(reader, vocabulary, known):
            parts[document.id] = list(questions_in(document, text, what, settings.min_lines, settings.max_lines))
            filled += bool(parts[document.id])
            yield document, text
            if filled == settings.count:
                return

    return spread(files(), lambda document, _: parts[document.id], settings.count, settings.seed)


def judge(written: str, question: Question, taken_back: str) -> Answer:
    """Compare what was written with the author's lines; it has to begin with the blank the prompt took back."""
    text, expected = cut(written.removeprefix(taken_back), question.indentation), tidy(question)
    exact = text == expected and written.startswith(taken_back)
    return Answer(text, exact, edit_similarity(text, expected))


def tidy(question: Question) -> str:
    """The author's lines without trailing blanks."""
    return cut(question.expected, question.indentation)


def summarize(answers: Sequence[Answer], questions: Sequence[Question]) -> dict[str, object]:
    """Both scores with intervals: overall, by kind and by language."""
    return {
        **sure_scores(answers, questions),
        "by_kind": grouped(answers, questions, lambda question: question.kind, sure_scores),
        "by_language": by_language(answers, questions),
    }


def examples(
    questions: Sequence[Question], answers: Mapping[str, Sequence[Answer]], settings: HiddenRegions
) -> list[dict[str, object]]:
    """Some questions with all answers."""
    drawn = drawn_examples(questions, settings.examples, settings.seed)
    return [shown_example(questions[index], index, answers, BEFORE_LINES) for index in drawn]
