"""Ask every rival the same questions, and put their answers into figures.

exact_match       what the author wrote, trailing blanks apart: with its 95 % Wilson interval
edit_similarity   1 - Levenshtein distance / length of the longer text, mean: 95 % bootstrap over files
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ownlm.evaluate.company.config import Order
from ownlm.evaluate.company.prompts import Prompts
from ownlm.evaluate.company.question import Question
from ownlm.evaluate.hash_order import hash_order
from ownlm.evaluate.rivals import Rival
from ownlm.pipeline.progress import Progress
from ownlm.statistics.bootstrap import ratio_interval
from ownlm.statistics.proportion import wilson_interval

BOOTSTRAP_SEED = 0


@dataclass(frozen=True)
class Answer:
    """What a rival wrote for one question.

    Attributes:
        text: the part of it that counts.
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


Judge = Callable[[str, Question, str], Answer]
"""Of what was written, to which question, and the blank it has to begin with."""


def entries_of(rivals: Mapping[str, Rival], order: Order) -> dict[str, Entry]:
    """Who is asked, and how: the n-gram cannot see what follows; ours is asked without it, too, for information."""
    entries = {name: Entry(rival, order) for name, rival in rivals.items()}
    entries["ngram"] = Entry(rivals["ngram"], "left_to_right")
    if order != "left_to_right":
        entries["model_left_to_right"] = Entry(rivals["model"], "left_to_right")
    return entries


def ask_all(
    what: str,
    questions: Sequence[Question],
    entries: Mapping[str, Entry],
    prompts: Prompts,
    judge: Judge,
    progress: Progress,
) -> dict[str, list[Answer]]:
    """Every rival's answer to every question, by rival.

    Args:
        what: is hidden, for the progress line: "lines".
        questions: at least one.
        entries: who is asked.
        prompts: of the model's context.
        judge: compares an answer with the author's.
        progress: where the work is shown.
    """
    answers = {}
    with progress.task(f"hidden {what}", len(questions) * len(entries), what) as task:
        for name, entry in entries.items():
            task.note(name)
            asked = prompts.build(questions, entry.order)
            made = entry.rival.complete([prompt.ids for prompt in asked], prompts.limit, prompts.stops, task)
            answers[name] = [
                judge(prompts.written(ids), question, prompt.taken_back)
                for ids, question, prompt in zip(made, questions, asked, strict=True)
            ]
    return answers


def plain_scores(answers: Sequence[Answer]) -> dict[str, object]:
    """Exact match, mean similarity and how many."""
    count = len(answers)
    return {
        "exact_match": round(sum(answer.exact for answer in answers) / count, 6),
        "edit_similarity": round(sum(answer.similarity for answer in answers) / count, 6),
        "n": count,
    }


def exact_interval(answers: Sequence[Answer]) -> list[float]:
    """The Wilson interval of exact matches."""
    return [round(bound, 6) for bound in wilson_interval(sum(answer.exact for answer in answers), len(answers))]


def sure_scores(answers: Sequence[Answer], questions: Sequence[Question]) -> dict[str, object]:
    """The same with both intervals; similarities of one file are drawn together."""
    sums: dict[str, tuple[float, int]] = {}
    for answer, question in zip(answers, questions, strict=True):
        total, count = sums.get(question.document.id, (0.0, 0))
        sums[question.document.id] = (total + answer.similarity, count + 1)
    totals, counts = zip(*sums.values(), strict=True)
    bounds = ratio_interval(totals, counts, BOOTSTRAP_SEED)
    return {
        **plain_scores(answers),
        "exact_match_95": exact_interval(answers),
        "edit_similarity_95": [round(bound, 6) for bound in bounds],
    }


def grouped(
    answers: Sequence[Answer],
    questions: Sequence[Question],
    group: Callable[[Question], str],
    scores: Callable[[Sequence[Answer], Sequence[Question]], dict[str, object]],
) -> dict[str, dict[str, object]]:
    """Scores of each group of questions, names ascending."""
    members: dict[str, list[int]] = {}
    for index, question in enumerate(questions):
        members.setdefault(group(question), []).append(index)
    return {
        name: scores([answers[index] for index in places], [questions[index] for index in places])
        for name, places in sorted(members.items())
    }


def by_language(answers: Sequence[Answer], questions: Sequence[Question]) -> dict[str, dict[str, object]]:
    """Scores with intervals, by the language of the file."""
    return grouped(answers, questions, lambda question: question.document.language, sure_scores)


def drawn_examples(questions: Sequence[Question], count: int, seed: int) -> list[int]:
    """Which questions are shown, by hash, not by success."""
    drawn = sorted(
        range(len(questions)),
        key=lambda index: hash_order(seed, "example", questions[index].document.id, questions[index].number),
    )
    return drawn[:count]


def shown_example(
    question: Question, index: int, answers: Mapping[str, Sequence[Answer]], before_lines: int = 4
) -> dict[str, object]:
    """A question with all answers, good and bad, as plain values."""
    return {
        "repo": question.document.repo,
        "path": question.document.path,
        "line": question.number,
        "kind": question.kind,
        "before": "\n".join(question.before.split("\n")[-before_lines:])[-600:],
        "expected": question.expected,
        "after": "\n".join(question.after.lstrip("\r").removeprefix("\n").split("\n")[:2]),
        "answers": {name: {"text": given[index].text, "exact": given[index].exact} for name, given in answers.items()},
    }
