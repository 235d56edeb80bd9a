"""The benchmarks, on small problems of our own in their public formats: what is asked, trimmed and put together."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ownlm.data.clean.dedup.benchmarks import read_benchmarks
from ownlm.errors import EvaluationError
from ownlm.evaluate.suites.base import Problem, Suite
from ownlm.evaluate.suites.registry import SUITES, open_suite
from ownlm.evaluate.suites.settings import SuiteSettings
from tests.evaluate.suites.formats import (
    CHECK,
    FILES,
    HUMANEVAL,
    INFILLING,
    MBPP,
    MULTIPL_E,
    PROMPT,
    SOLUTION,
    passes,
    write_all,
    write_rows,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_all(tmp_path_factory.mktemp("benchmarks"))


def opened(name: str, path: Path, **settings: object) -> Suite:
    return open_suite(name, SuiteSettings.model_validate({"path": str(path), **settings}))


def only(suite: Suite, language: str) -> Problem:
    (found,) = [problem for problem in suite.problems() if problem.language == language]
    return found


@pytest.mark.parametrize("name", SUITES)
def test_every_suite_finds_its_own_in_one_folder(name: str, folder: Path) -> None:
    suite = opened(name, folder)
    problems = suite.problems()
    assert suite.name == name
    assert problems
    assert len({problem.id for problem in problems}) == len(problems)
    assert suite.facts["problems"] == str(len(problems))
    assert suite.facts["data"] == str(folder)
    assert {"licence", "sha256", "prompt", "stops"} <= set(suite.facts)


@pytest.mark.parametrize("name", SUITES)
def test_references_in_python_pass_and_nothing_does_not(name: str, folder: Path) -> None:
    suite = opened(name, folder)
    asked = [one for one in suite.problems() if one.language == "python" and one.reference is not None]
    assert asked
    for problem in asked:
        assert problem.reference is not None
        assert suite.trim(problem, problem.reference) == problem.reference
        assert passes(suite.source(problem, problem.reference))
        assert not passes(suite.source(problem, ""))


@pytest.mark.parametrize("name", SUITES)
@given(answer=st.text(alphabet="ab{}|\n#\"`' ", max_size=60))
def test_trim_changes_a_trimmed_answer_no_more(name: str, folder: Path, answer: str) -> None:
    suite = opened(name, folder)
    for problem in suite.problems():
        trimmed = suite.trim(problem, answer)
        assert suite.trim(problem, trimmed) == trimmed
        assert not any(stop in trimmed for stop in problem.stops)


@pytest.mark.parametrize("name", SUITES)
def test_the_decontamination_list_reads_every_format(name: str, folder: Path) -> None:
    texts = "\n".join(text for problem in read_benchmarks([folder]) for text in problem.texts)
    for problem in opened(name, folder).problems():
        if not name.startswith("mbpp"):  # whose prompt is put together from fields that are there
            assert problem.prompt in texts or problem.language == "rust"
        for solution in {problem.reference or ""} - {""}:
            assert solution.rstrip() in texts.replace("\r\n", "\n")


def test_humaneval_is_put_together_as_its_makers_do(folder: Path) -> None:
    suite = opened("humaneval", folder)
    first = suite.problems()[0]
    assert (first.id, first.prompt, first.reference) == ("Own/0", PROMPT, SOLUTION)
    assert suite.source(first, SOLUTION).text == f"{PROMPT}{SOLUTION}\n{CHECK}\ncheck(twice)\n"
    assert suite.trim(first, SOLUTION + "\ndef more():\n    pass\n") == SOLUTION.rstrip("\n") + "\n"
    assert not passes(suite.source(first, "    return values\n"))


@pytest.mark.parametrize("kind", FILES)
def test_a_hole_is_filled_between_prompt_and_suffix(kind: str, folder: Path) -> None:
    suite, row = opened(f"humaneval_infilling.{kind}", folder), INFILLING[kind]
    (problem,) = suite.problems()
    assert problem.suffix == row["suffix"]
    assert problem.reference is not None
    text = suite.source(problem, problem.reference).text
    assert text.startswith(row["prompt"] + row["canonical_solution"] + row["suffix"])
    whole = row["prompt"] + row["canonical_solution"] + row["suffix"]
    assert suite.trim(problem, whole) == problem.reference
    assert suite.trim(problem, row["prompt"] + problem.reference) == problem.reference


def test_only_a_single_line_has_a_stop(folder: Path) -> None:
    single = opened("humaneval_infilling.single_line", folder)
    (line,) = single.problems()
    assert line.stops == ("\n",)
    assert single.trim(line, "    x = 1\n    y = 2\n") == "    x = 1"
    for kind in ("multi_line", "random_span", "random_span_light"):
        suite = opened(f"humaneval_infilling.{kind}", folder)
        (problem,) = suite.problems()
        assert problem.stops == ()
        assert suite.trim(problem, "    x = 1\n\n\ndef y():\n    pass\n") == "    x = 1\n\n\ndef y():\n    pass\n"


def test_multipl_e_stops_at_the_brace_that_the_tests_bring(folder: Path) -> None:
    suite = opened("multipl_e", folder)
    cpp, script = only(suite, "cpp"), only(suite, "javascript")
    assert cpp.id == "cpp/Own_0_twice"
    answer = suite.trim(cpp, "    return 2 * x;\n}\n\nint main() {\n")
    assert answer == "    return 2 * x;"
    assert suite.source(cpp, answer).text == f"{cpp.prompt}    return 2 * x;\n{MULTIPL_E['cpp']['tests']}"
    own = suite.trim(script, "  return 2 * x;\n}\n// Test\ntwice(1)")
    assert own == "  return 2 * x;\n}"
    assert suite.source(script, own).text == f"{script.prompt}  return 2 * x;\n}}\n{MULTIPL_E['js']['tests']}"


def test_multipl_e_leaves_out_what_was_replaced(folder: Path, tmp_path: Path) -> None:
    for name in ("humaneval-cs.jsonl", "humaneval-cs-bu.jsonl", "humaneval-lua-keep/test-0.parquet"):
        write_rows(tmp_path / name, [{**MULTIPL_E["cpp"], "language": "cs"}])
    assert [problem.language for problem in opened("multipl_e", tmp_path).problems()] == ["csharp"]
    assert len(opened("multipl_e", tmp_path / "humaneval-cs-bu.jsonl").problems()) == 1


def test_multipl_e_needs_stops(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "humaneval-cpp.jsonl", [MULTIPL_E["js"], {**MULTIPL_E["cpp"], "stop_tokens": []}])
    with pytest.raises(EvaluationError, match="no stop_tokens") as caught:
        opened("multipl_e", path).problems()
    assert caught.value.where == f"{path}:2"


def test_humaneval_x_answers_end_with_their_function(folder: Path) -> None:
    suite = opened("humaneval_x", folder)
    for language in ("cpp", "go", "javascript", "rust"):
        problem = only(suite, language)
        assert problem.reference is not None
        wanted = problem.reference
        assert suite.trim(problem, wanted) == wanted
        more = wanted.rstrip() + "\n\nint other() { return"
        assert suite.trim(problem, more) == wanted.rstrip()
    java = only(suite, "java")
    body = "        return 2 * x;\n    }"
    closed = suite.source(java, java.reference or "").text
    assert suite.trim(java, body + "\n\n    public static void main(String[] args) {\n").rstrip() == body
    assert suite.source(java, body).text == closed


def test_humaneval_x_programs_say_themselves_whether_they_are_right(folder: Path) -> None:
    suite = opened("humaneval_x", folder)
    script = suite.source(only(suite, "javascript"), "  return 2 * x;\n}\n").text
    assert script.index("return 2") < script.index("console.assert = ") < script.index("console.assert(")
    rust = suite.source(only(suite, "rust"), "\n    return 2 * x;\n}\n").text
    assert "cfg(test)" not in rust
    assert "#[test]" not in rust
    assert "pub fn test_twice()" in rust
    assert "fn main() {\n    tests::test_twice();\n}" in rust
    assert "use std::cmp::max;" in rust
    assert not any(crate in rust for crate in ("use rand", "use regex", "use md5"))
    hashed = suite.source(only(suite, "rust"), "\n    md5::compute(x);\n}\n").text
    assert "use md5;" in hashed
    assert "use rand" not in hashed


def test_humaneval_x_imports_what_go_uses_and_nothing_more(folder: Path) -> None:
    suite = opened("humaneval_x", folder)
    problem = only(suite, "go")
    assert 'import "math"\n' in suite.source(problem, "    return math.Sqrt(x)\n}\n").text
    said = suite.source(problem, "    // of all strings. Or of math.\n    return x\n}\n").text
    assert '"strings"' not in said
    assert '"math"' not in said
    other = suite.source(problem, '    return float64(len(strings.Repeat("a", 2)))\n}\n').text
    assert 'import "strings"\n' in other
    assert '"math"' not in other
    assert other.count("package main") == 1


def test_humaneval_x_includes_what_cpp_prompts_leave_out(folder: Path) -> None:
    suite = opened("humaneval_x", folder)
    text = suite.source(only(suite, "cpp"), "    return 2*x;\n}\n").text
    assert text.count("#include<vector>") == 1
    assert text.startswith("#include<stdlib.h>\n")


def test_mbpp_asks_the_test_split_with_one_assertion_shown(folder: Path) -> None:
    suite, every = opened("mbpp", folder), opened("mbpp.all", folder)
    assert [problem.id for problem in suite.problems()] == ["MBPP/11", "MBPP/510"]
    assert len(every.problems()) == len(MBPP)
    first = suite.problems()[0]
    assert first.prompt == '"""\nWrite a function to double a number.\nassert double(1) == 2\n"""\n'
    assert first.reference == "def double(x):\n  return 2 * x"
    text = suite.source(first, "answer").text
    assert "three = 3\n" in text
    assert text.endswith("assert double(1) == 2\nassert double(0) == 0\nassert double(-2) == -4\n")
    kept = "from math import floor\nclass A:\n    pass\ndef double(x):\n    return 2 * x\n"
    assert suite.trim(first, kept + '\n"""\nAnother task\n') == kept
    assert suite.trim(first, f"{first.prompt}{kept}") == kept


@pytest.mark.parametrize(
    "row",
    [
        {"task_id": 12, "prompt": "Double.", "test": ["assert double(1) == 2"], "code": "def double(x): return 2 * x"},
        {
            "source_file": "x",
            "task_id": 12,
            "prompt": "Double.",
            "code": "def double(x): return 2 * x",
            "test_imports": ["import math"],
            "test_list": ["assert double(1) == 2 * math.floor(1.5)"],
        },
    ],
)
@pytest.mark.parametrize("file", ["mbpp.jsonl", "sanitized-mbpp.json", "full/test-00000-of-00001.parquet"])
def test_mbpp_in_its_other_layouts(row: dict[str, object], file: str, tmp_path: Path) -> None:
    write_rows(tmp_path / file, [row])
    suite = opened("mbpp", tmp_path)
    (problem,) = suite.problems()
    assert passes(suite.source(problem, problem.reference or ""))


def test_languages_and_limit(folder: Path, tmp_path: Path) -> None:
    some = opened("multipl_e", folder, languages=["C++", "js"])
    assert {problem.language for problem in some.problems()} == {"cpp", "javascript"}
    write_rows(tmp_path / "HumanEval.jsonl", HUMANEVAL)
    assert [one.id for one in opened("humaneval", tmp_path, limit=1).problems()] == ["Own/0"]
    assert len(opened("humaneval_x", folder, limit=1).problems()) == 6
    with pytest.raises(EvaluationError, match="no problem in lua"):
        opened("multipl_e", folder, languages=["cpp", "lua"]).problems()


def test_the_same_data_elsewhere_has_the_same_hash(folder: Path, tmp_path: Path) -> None:
    other = write_all(tmp_path / "copy")
    assert opened("mbpp", folder).facts["sha256"] == opened("mbpp", other).facts["sha256"]
    write_rows(other / "mbpp/mbpp.jsonl", MBPP[1:])
    assert opened("mbpp", folder).facts["sha256"] != opened("mbpp", other).facts["sha256"]
