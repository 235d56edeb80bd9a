"""Hidden lines: the product's own question. A line of held-out code is hidden from its indentation to its end, the
rival sees the text before (and after, where it can) and writes until the line end, greedily.

    exact_match       the line is the author's, trailing blanks apart
    edit_similarity   1 - Levenshtein distance / length of the longer line; mean over lines

The model is asked in the layout the recipe chose, and left to right for information. The n-gram sees only the text
before: it has no way to look at what follows. All rivals are asked the same lines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ownlm.evaluate.company.lines import Question, choose_questions
from ownlm.evaluate.company.prompts import Prompts
from ownlm.evaluate.config import HiddenLines, Order
from ownlm.evaluate.documents import tokens_of
from ownlm.evaluate.hash_order import hash_order
from ownlm.evaluate.rivals import Rival
from ownlm.evaluate.scores.edit_similarity import edit_similarity
from ownlm.evaluate.scores.proportion import wilson_interval
from ownlm.pipeline.progress import Progress
from ownlm.tokens.shards.reader import ShardReader
from ownlm.tokens.vocabulary.load import Vocabulary


@dataclass(frozen=True)
class Answer:
    """What a rival wrote for one line.

    Attributes:
        text: the line, without trailing blanks.
        exact: it is the author's.
        similarity: edit similarity to the author's.
    """

    text: str
    exact: bool
    similarity: float


@dataclass(frozen=True)
class Entry:
    """A rival and the layout it is asked in."""

    rival: Rival
    order: Order


def read_questions(reader: ShardReader, vocabulary: Vocabulary, settings: HiddenLines) -> list[Question]:
    """The hidden lines of a split; none when no line of it is worth asking."""
    spans = (reader.document(index) for index in range(reader.documents))
    files = (
        (span, vocabulary.decode_bytes(tokens_of(reader, span).tolist()).decode("utf-8", errors="replace"))
        for span in spans
    )
    return choose_questions(files, settings)


def ask_all(
    questions: Sequence[Question], entries: Mapping[str, Entry], prompts: Prompts, progress: Progress
) -> dict[str, list[Answer]]:
    """Every rival's answer to every question, by rival."""
    answers = {}
    with progress.task("hidden lines", len(questions) * len(entries), "lines") as task:
        for name, entry in entries.items():
            task.note(name)
            asked = prompts.build(questions, entry.order)
            made = entry.rival.complete([prompt.ids for prompt in asked], prompts.limit, prompts.stops, task)
            answers[name] = [
                judge(prompts.line(ids), question.expected, prompt.taken_back)
                for ids, question, prompt in zip(made, questions, asked, strict=True)
            ]
    return answers


def judge(written: str, expected: str, taken_back: str = "") -> Answer:
    """Compare a written line with the author's; it has to begin with the blank the prompt took back."""
    text = written.rstrip()
    exact = text == taken_back + expected
    text = text.removeprefix(taken_back)
    return Answer(text, exact, edit_similarity(text, expected))


def summarize(answers: Sequence[Answer], questions: Sequence[Question]) -> dict[str, object]:
    """Exact match with its 95 % Wilson interval and mean edit similarity, overall and by kind of line."""
    kinds = sorted({question.kind for question in questions})
    by_kind = {
        kind: _scores([answer for answer, question in zip(answers, questions, strict=True) if question.kind == kind])
        for kind in kinds
    }
    exact = sum(answer.exact for answer in answers)
    interval = [round(bound, 6) for bound in wilson_interval(exact, len(answers))]
    return {**_scores(answers), "exact_match_95": interval, "by_kind": by_kind}


def examples(
    questions: Sequence[Question], answers: Mapping[str, Sequence[Answer]], settings: HiddenLines
) -> list[dict[str, object]]:
    """Some questions with all answers, good and bad: the first ones by hash."""
    drawn = sorted(
        range(len(questions)),
        key=lambda index: hash_order(settings.seed, "example", questions[index].document.id, questions[index].number),
    )
    return [
        {
            "repo": questions[index].document.repo,
            "path": questions[index].document.path,
            "line": questions[index].number,
            "kind": questions[index].kind,
            "before": _last_lines(questions[index].before),
            "expected": questions[index].expected,
            "after": "\n".join(questions[index].after.lstrip("\r").removeprefix("\n").split("\n")[:2]),
            "answers": {
                name: {"text": given[index].text, "exact": given[index].exact} for name, given in answers.items()
            },
        }
        for index in drawn[: settings.examples]
    ]


def _scores(answers: Sequence[Answer]) -> dict[str, object]:
    count = len(answers)
    return {
        "exact_match": round(sum(answer.exact for answer in answers) / count, 6),
        "edit_similarity": round(sum(answer.similarity for answer in answers) / count, 6),
        "n": count,
    }


def _last_lines(text: str, lines: int = 4, longest: int = 600) -> str:
    return "\n".join(text.split("\n")[-lines:])[-longest:]
