from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ownlm.errors import EvaluationError
from ownlm.evaluate.likelihood import grade, mutations, questions_of, texts_of
from ownlm.evaluate.likelihood_settings import LikelihoodSettings
from ownlm.evaluate.models.base import Answer, Request
from ownlm.evaluate.runners.base import Source
from ownlm.evaluate.suites.base import Problem
from ownlm.pipeline.progress import SilentProgress, Task

PROBLEMS = [
    Problem(
        f"p{number}", "python" if number % 3 else "cpp", f"def f{number}(x):\n", reference=f"    return x + {number}\n"
    )
    for number in range(9)
]


class Listed:
    """A suite of given problems."""

    name, max_tokens, facts = "listed", 8, {}

    def __init__(self, problems: Sequence[Problem]) -> None:
        self._problems = problems

    def problems(self) -> Sequence[Problem]:
        return self._problems

    def trim(self, problem: Problem, answer: str) -> str:
        return answer

    def source(self, problem: Problem, answer: str) -> Source:
        return Source(problem.language, answer)


class Knowing:
    """Takes a bit a byte for what it knows, `others` for the rest."""

    name, identity = "knowing", {}

    def __init__(self, known: set[tuple[str, str]], others: float) -> None:
        self.known, self.others = known, others
        self.asked: list[tuple[str, str]] = []

    def answer(self, requests: Sequence[Request], task: Task) -> list[Answer]:
        raise NotImplementedError

    def log_likelihoods(self, pairs: Sequence[tuple[str, str]], task: Task) -> list[float]:
        self.asked += pairs
        return [-len(pair[1].encode()) * (1.0 if pair in self.known else self.others) for pair in pairs]


RIGHT = {(problem.prompt, problem.reference or "") for problem in PROBLEMS}


@pytest.mark.parametrize(("others", "accuracy", "margin"), [(3.0, 1.0, 2.0), (1.0, 0.5, 0.0), (0.5, 0.0, -0.5)])
def test_accuracy_and_margin_of_known_probabilities(others: float, accuracy: float, margin: float) -> None:
    with SilentProgress().task("grade") as task:
        scores = grade(Listed(PROBLEMS), Knowing(RIGHT, others), LikelihoodSettings(), task)
    told = scores.to_json()
    assert told["problems"] == 9
    assert told["bits_per_byte"] == 1.0
    assert told["bits_per_byte_95"] == [1.0, 1.0]
    for kind in ("others", "mutations"):
        assert told[kind]["accuracy"] == accuracy
        assert told[kind]["margin"] == pytest.approx(margin)
        assert told[kind]["accuracy_95"] == [accuracy, accuracy]
    assert sorted(told["by_language"]) == ["cpp", "python"]
    assert [one["problem"] for one in told["by_problem"]] == [problem.id for problem in PROBLEMS]
    assert json.loads(json.dumps(told)) == told


def test_each_text_is_scored_once() -> None:
    asked = Knowing(RIGHT, 2.0)
    with SilentProgress().task("grade") as task:
        grade(Listed([*PROBLEMS, *PROBLEMS[:2]]), asked, LikelihoodSettings(), task)
    assert len(asked.asked) == len(set(asked.asked))


def test_wrong_answers_are_wrong_and_of_the_same_language() -> None:
    references = {problem.reference: problem.language for problem in PROBLEMS}
    for question in questions_of(PROBLEMS, LikelihoodSettings(others=3)):
        assert question.reference not in (*question.wrong["others"], *question.wrong["mutations"])
        assert all(references[text] == question.language for text in question.wrong["others"])
        assert len(question.wrong["others"]) == min(3, (3 if question.language == "cpp" else 6) - 1)


def test_others_are_the_nearest_in_length() -> None:
    problems = [Problem(f"p{size}", "c", "", reference="x" * size) for size in (1, 10, 11, 12, 100)]
    found = questions_of(problems, LikelihoodSettings(others=2, mutations=0))[2]
    assert sorted(found.wrong["others"]) == ["x" * 10, "x" * 12]


def test_more_wrong_answers_keep_those_that_were_there() -> None:
    few, many = (questions_of(PROBLEMS, LikelihoodSettings(others=n, mutations=n)) for n in (1, 3))
    for one, other in zip(few, many, strict=True):
        for kind in one.wrong:
            assert other.wrong[kind][: len(one.wrong[kind])] == one.wrong[kind]
    assert len(texts_of(many)) > len(texts_of(few))


def test_a_suite_without_references_cannot_be_graded() -> None:
    bare = [Problem("p", "python", "def f():\n")]
    with SilentProgress().task("grade") as task, pytest.raises(EvaluationError, match="no references"):
        grade(Listed(bare), Knowing(set(), 1), LikelihoodSettings(), task)


def test_mutations_of_a_function() -> None:
    text = "    if a == 10 and not b:\n        return min(a, b) + 1\n"
    found = mutations(text, 1000, 0)
    assert {text.replace("==", "!="), text.replace("10", "11"), text.replace("and", "or")} <= set(found)
    assert {text.replace("min", "max"), text.replace("+ 1", "- 1")} <= set(found)
    assert mutations("()", 5, 0) == ()


@given(text=st.text(alphabet="ab1 +=<>&()\n", max_size=40), count=st.integers(0, 9), seed=st.integers(0, 3))
def test_mutations_differ_in_one_place(text: str, count: int, seed: int) -> None:
    found = mutations(text, count, seed, "p")
    assert found == mutations(text, count, seed, "p")
    assert len(set(found)) == len(found) <= count
    for one in found:
        assert one != text
        before = next(place for place in range(len(text) + 1) if text[: place + 1] != one[: place + 1])
        after = next(place for place in range(len(text) + 1) if text[-place - 1 :] != one[-place - 1 :])
        assert len(text) - before - after <= 19
