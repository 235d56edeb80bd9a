"""Problems graded by likelihood: smooth figures for models too small to solve any.

For each problem with a reference, the model scores the reference after the prompt, and wrong answers after the same
prompt. Texts of different lengths are compared by bits a byte.

    others      references of other problems in the same language, the nearest in length    knows what is asked
    mutations   the reference with one operator, number or name changed                     knows what is right

    accuracy        share of wrong answers that take more bits a byte than the reference (a tie counts half); mean over
                    problems; 0.5 is chance
    margin          their bits a byte less the reference's; mean over problems
    bits_per_byte   of all references, after their prompts

Intervals are 95 % percentile bootstraps over problems. After the idea of Schaeffer et al. (arXiv 2304.15004): what
seems to appear suddenly under a metric of all or nothing grows steadily under one of probabilities. Pure functions but
for `grade`, which asks the model. A problem with a suffix is scored after its prefix alone.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ownlm.errors import EvaluationError
from ownlm.evaluate.hash_order import hash_order
from ownlm.evaluate.likelihood_settings import LikelihoodSettings
from ownlm.evaluate.models.base import Model
from ownlm.evaluate.suites.base import Problem, Suite
from ownlm.pipeline.progress import Task
from ownlm.statistics.bootstrap import mean_interval, ratio_interval

KINDS = ("others", "mutations")
_PLACE = re.compile(r"[A-Za-z_]\w*|\d+|[<>=!]=|&&|\|\||[-+*/<>]")
_PAIRS = (
    ("==", "!="),
    ("<", ">="),
    (">", "<="),
    ("+", "-"),
    ("*", "/"),
    ("&&", "||"),
    ("and", "or"),
    ("True", "False"),
    ("true", "false"),
    ("min", "max"),
)
_OPPOSITES = dict(_PAIRS) | {other: one for one, other in _PAIRS}


@dataclass(frozen=True)
class Question:
    """A problem's reference among wrong answers.

    Attributes:
        problem: its id.
        language: as the suite calls it.
        prompt: text before the answers.
        reference: the right answer.
        wrong: wrong answers by kind.
    """

    problem: str
    language: str
    prompt: str
    reference: str
    wrong: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Graded:
    """One question, scored.

    Attributes:
        problem: its id.
        language: as the suite calls it.
        bits: of the reference after the prompt.
        bytes: of the reference.
        accuracy: by kind of wrong answer: share that takes more bits a byte than the reference.
        margin: by kind: mean bits a byte of the wrong answers less the reference's.
    """

    problem: str
    language: str
    bits: float
    bytes: int
    accuracy: dict[str, float]
    margin: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """Plain values, rounded."""
        values: dict[str, Any] = {"problem": self.problem, "language": self.language}
        values |= {"bits": round(self.bits, 6), "bytes": self.bytes}
        return values | {
            kind: {"accuracy": round(self.accuracy[kind], 6), "margin": round(self.margin[kind], 6)}
            for kind in self.accuracy
        }


@dataclass(frozen=True)
class LikelihoodScores:
    """A suite, graded.

    Attributes:
        problems: one by one, in the suite's order.
        settings: what was asked.
    """

    problems: tuple[Graded, ...]
    settings: LikelihoodSettings

    def summary(self, problems: Sequence[Graded] | None = None) -> dict[str, Any]:
        """Figures with their intervals, of all problems or of some."""
        graded = self.problems if problems is None else problems
        bits, sizes = [one.bits for one in graded], [float(one.bytes) for one in graded]
        figures: dict[str, Any] = {
            "problems": len(graded),
            "bits_per_byte": round(sum(bits) / sum(sizes), 6),
            "bits_per_byte_95": _rounded(ratio_interval(bits, sizes, self.settings.seed)),
        }
        for kind in KINDS:
            having = [one for one in graded if kind in one.accuracy]
            if having:
                figures[kind] = self._means(kind, having)
        return figures

    def to_json(self) -> dict[str, Any]:
        """Plain values: the summary, by language where there are several, and every problem."""
        by_language: dict[str, list[Graded]] = defaultdict(list)
        for one in self.problems:
            by_language[one.language].append(one)
        languages = {name: self.summary(found) for name, found in sorted(by_language.items())}
        return {
            **self.summary(),
            "by_language": languages,
            "by_problem": [one.to_json() for one in self.problems],
        }

    def _means(self, kind: str, having: Sequence[Graded]) -> dict[str, Any]:
        accuracies, margins = [one.accuracy[kind] for one in having], [one.margin[kind] for one in having]
        return {
            "accuracy": round(sum(accuracies) / len(having), 6),
            "accuracy_95": _rounded(mean_interval(accuracies, self.settings.seed)),
            "margin": round(sum(margins) / len(having), 6),
            "margin_95": _rounded(mean_interval(margins, self.settings.seed)),
        }


def grade(suite: Suite, model: Model, settings: LikelihoodSettings, task: Task) -> LikelihoodScores:
    """Grade a model; `task` is advanced by one for each different text that is scored (`texts_of` counts them).

    Raises:
        EvaluationError: the suite has no references, or the model tells no probabilities.
    """
    questions = questions_of(suite.problems(), settings)
    if not questions:
        raise EvaluationError(
            "The problems of this suite have no references, so they cannot be graded by likelihood.",
            where=suite.name,
            advice="leave likelihood out for it",
        )
    texts = texts_of(questions)
    bits = {pair: -value for pair, value in zip(texts, model.log_likelihoods(texts, task), strict=True)}
    return LikelihoodScores(tuple(_graded(question, bits) for question in questions), settings)


def questions_of(problems: Sequence[Problem], settings: LikelihoodSettings) -> list[Question]:
    """A question for each problem that has a reference."""
    having = [problem for problem in problems if problem.reference]
    by_language: dict[str, list[Problem]] = defaultdict(list)
    for problem in having:
        by_language[problem.language].append(problem)
    return [
        Question(
            problem.id,
            problem.language,
            problem.prompt,
            problem.reference or "",
            {
                "others": _others(problem, by_language[problem.language], settings),
                "mutations": mutations(problem.reference or "", settings.mutations, settings.seed, problem.id),
            },
        )
        for problem in having
    ]


def texts_of(questions: Sequence[Question]) -> list[tuple[str, str]]:
    """What the model is asked to score, each once."""
    return list(
        dict.fromkeys(
            (question.prompt, answer)
            for question in questions
            for answer in (question.reference, *(text for kind in KINDS for text in question.wrong[kind]))
        )
    )


def mutations(text: str, count: int, seed: int, *key: object) -> tuple[str, ...]:
    """`text` with one place changed: an operator or word for its opposite, a number for the next, a name for another.

    Args:
        text: an answer.
        count: how many, at most; chosen by hash.
        seed: another seed, others.
        key: what the choice depends on besides.
    """
    changed = set(_changes(text)) - {text}
    return tuple(sorted(changed, key=lambda one: hash_order(seed, "mutation", *key, one))[:count])


def _changes(text: str) -> Iterator[str]:
    names = sorted({name for name in _PLACE.findall(text) if name[0].isalpha() and name not in _OPPOSITES})
    for found in _PLACE.finditer(text):
        word = found[0]
        if word in _OPPOSITES:
            instead = [_OPPOSITES[word]]
        elif word.isdecimal():
            instead = [str(int(word) + 1)] if len(word) < 19 else []
        else:
            instead = [name for name in names if name != word]
        for other in instead:
            yield text[: found.start()] + other + text[found.end() :]


def _others(problem: Problem, all_of_language: Sequence[Problem], settings: LikelihoodSettings) -> tuple[str, ...]:
    """References of other problems, the nearest in length; equal texts once, and never the problem's own."""
    size = len((problem.reference or "").encode())
    texts = {one.reference or "": one.id for one in all_of_language if one.reference != problem.reference}
    nearest = sorted(
        texts,
        key=lambda text: (abs(len(text.encode()) - size), hash_order(settings.seed, "other", problem.id, texts[text])),
    )
    return tuple(nearest[: settings.others])


def _graded(question: Question, bits: dict[tuple[str, str], float]) -> Graded:
    def rate(text: str) -> float:
        return bits[question.prompt, text] / len(text.encode())

    right = rate(question.reference)
    accuracy, margin = {}, {}
    for kind, texts in question.wrong.items():
        if texts:
            rates = [rate(text) for text in texts]
            accuracy[kind] = sum((one > right) + (one == right) / 2 for one in rates) / len(rates)
            margin[kind] = sum(rates) / len(rates) - right
    size = len(question.reference.encode())
    return Graded(
        question.problem, question.language, bits[question.prompt, question.reference], size, accuracy, margin
    )


def _rounded(bounds: tuple[float, float]) -> list[float]:
    return [round(bound, 6) for bound in bounds]
