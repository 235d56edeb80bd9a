"""Small benchmarks of our own in the public formats: the same fields, other problems."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ownlm.evaluate.runners.base import Source

SHARED = Path(__file__).resolve().parents[3].parent / "shared/benchmarks"
Rows = Sequence[Mapping[str, Any]]

PROMPT = """from typing import List


def twice(values: List[int]) -> List[int]:
    ''' Every value doubled.
    >>> twice([1])
    [2]
    '''
"""
SOLUTION = """    doubled = []
    for value in values:
        more = 2 * value
        doubled.append(more)
    return doubled
"""
CHECK = "\n\ndef check(candidate):\n    assert candidate([1, 2]) == [2, 4]\n    assert candidate([]) == []\n\n"

HUMANEVAL: Rows = [
    {
        "task_id": "Own/0",
        "prompt": PROMPT,
        "entry_point": "twice",
        "canonical_solution": SOLUTION,
        "test": CHECK,
    },
    {
        "task_id": "Own/1",
        "prompt": 'def half(x):\n    """Half of x, rounded down."""\n',
        "entry_point": "half",
        "canonical_solution": "    return x // 2\n",
        "test": "\ndef check(candidate):\n    assert candidate(7) == 3\n",
    },
]


def infilling(task: str, before: str, middle: str, after: str) -> dict[str, str]:
    """A hole in the body of `twice`."""
    return {
        "task_id": f"{task}/Own/0/{len(before)}",
        "entry_point": "twice",
        "prompt": PROMPT + before,
        "suffix": after,
        "canonical_solution": middle,
        "test": CHECK,
    }


def _holes() -> dict[str, dict[str, str]]:
    lines = SOLUTION.splitlines(keepends=True)
    light = "RandomSpanInfillingLight"
    return {
        "single_line": infilling("SingleLineInfilling", "".join(lines[:2]), lines[2], "".join(lines[3:])),
        "multi_line": infilling("MultiLineInfilling", lines[0], "".join(lines[1:3]), "".join(lines[3:])),
        "random_span": infilling("RandomSpanInfilling", SOLUTION[:30], SOLUTION[30:70], SOLUTION[70:]),
        "random_span_light": infilling(light, SOLUTION[:40], SOLUTION[40:60], SOLUTION[60:]),
    }


INFILLING = _holes()
FILES = {
    "single_line": "HumanEval-SingleLineInfilling.jsonl.gz",
    "multi_line": "HumanEval-MultiLineInfilling.jsonl.gz",
    "random_span": "HumanEval-RandomSpanInfilling.jsonl.gz",
    "random_span_light": "HumanEval-RandomSpanInfillingLight.jsonl.gz",
}

MULTIPL_E: dict[str, Mapping[str, Any]] = {
    "cpp": {
        "name": "Own_0_twice",
        "language": "cpp",
        "prompt": "#include<assert.h>\n// Twice x\nlong twice(long x) {\n",
        "tests": "}\nint main() {\n    auto candidate = twice;\n    assert(candidate((2)) == (4));\n}\n",
        "stop_tokens": ["\n}"],
    },
    "js": {
        "name": "Own_0_twice",
        "language": "js",
        "prompt": "//Twice x\nfunction twice(x){\n",
        "tests": "const assert = require('node:assert');\nassert.deepEqual(twice(2),4);\n",
        "stop_tokens": ["\nfunction ", "\n/*", "\n//", "\nconsole.log"],
    },
    "python": {
        "task_id": "Python/0",
        "prompt": PROMPT,
        "canonical_solution": SOLUTION,
        "test": CHECK + "check(twice)",
        "stop_tokens": [],
    },
}

HUMANEVAL_X: dict[str, Mapping[str, str]] = {
    "cpp": {
        "task_id": "CPP/0",
        "prompt": "/* Twice x. */\n#include<vector>\nusing namespace std;\nint twice(int x){\n",
        "canonical_solution": "    return 2*x;\n}\n\n",
        "test": "#undef NDEBUG\n#include<assert.h>\nint main(){\n    assert (twice(2)==4);\n}\n",
        "declaration": "int twice(int x){\n",
        "example_test": "",
    },
    "go": {
        "task_id": "Go/0",
        "prompt": 'import (\n    "math"\n)\n\n// The root of x.\nfunc Root(x float64) float64 {\n',
        "import": 'import (\n    "math"\n)\n',
        "docstring": "// The root of x.\n",
        "declaration": "\nfunc Root(x float64) float64 {\n",
        "canonical_solution": "    return math.Sqrt(x)\n}\n\n",
        "test": "func TestRoot(t *testing.T) {\n    assert := assert.New(t)\n    assert.Equal(2.0, Root(4.0))\n}\n",
        "test_setup": 'package main\n\nimport (\n    "testing"\n    "github.com/stretchr/testify/assert"\n)\n',
        "example_test": "",
    },
    "java": {
        "task_id": "Java/0",
        "prompt": "import java.util.*;\n\nclass Solution {\n    /** Twice x. */\n    public int twice(int x) {\n",
        "canonical_solution": "        return 2 * x;\n    }\n}",
        "test": "public class Main {\n    public static void main(String[] args) {\n"
        "        if (new Solution().twice(2) != 4) {\n            throw new AssertionError();\n        }\n    }\n}\n",
        "text": "Twice x.",
        "declaration": "class Solution {\n    public int twice(int x) {\n",
        "example_test": "",
    },
    "js": {
        "task_id": "JavaScript/0",
        "prompt": "/* Twice x */\nconst twice = (x) => {\n",
        "canonical_solution": "  return 2 * x;\n}\n\n",
        "test": "const testTwice = () => {\n  console.assert(twice(2) === 4)\n}\n\ntestTwice()\n",
        "declaration": "\nconst twice = (x) => {\n",
        "example_test": "",
    },
    "python": {
        "task_id": "Python/0",
        "prompt": PROMPT,
        "canonical_solution": SOLUTION,
        "test": CHECK + "check(twice)",
        "text": "Every value doubled.",
        "declaration": PROMPT[: PROMPT.index(":\n") + 2],
        "example_test": "",
    },
    "rust": {
        "task_id": "Rust/0",
        "prompt": "\n/*\n Twice x\n*/\n",
        "declaration": "\nuse std::cmp::max;\nuse rand::Rng;\nuse regex::Regex;\nuse md5;\n\n"
        "fn twice(x: i32) -> i32{\n",
        "canonical_solution": "\n    return 2 * x;\n}\n",
        "test": "\n#[cfg(test)]\nmod tests {\n    use super::*;\n\n    #[test]\n    fn test_twice() {\n"
        "        assert_eq!(twice(2), 4);\n    }\n\n}\n",
        "example_test": "None",
    },
}

MBPP: Rows = [
    {
        "text": "Write a function to double a number.",
        "code": "def double(x):\r\n  return 2 * x",
        "task_id": number,
        "test_setup_code": "three = 3" if number == 11 else "",
        "test_list": ["assert double(1) == 2", "assert double(0) == 0", "assert double(-2) == -4"],
        "challenge_test_list": [],
    }
    for number in (10, 11, 510, 511)
]


def write_rows(path: Path, rows: Rows) -> Path:
    """Rows as the file's name says: .jsonl, .json, either with .gz, or .parquet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), path)
        return path
    lines = path.name.removesuffix(".gz").endswith(".jsonl")
    text = "".join(json.dumps(row) + "\n" for row in rows) if lines else json.dumps(list(rows))
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def write_all(folder: Path) -> Path:
    """Every benchmark, under the names it is published with."""
    write_rows(folder / "HumanEval.jsonl.gz", HUMANEVAL)
    for kind, file in FILES.items():
        write_rows(folder / file, [INFILLING[kind]])
    for language, row in MULTIPL_E.items():
        write_rows(folder / f"multipl-e/humaneval-{language}.jsonl", [row])
    for language, row in HUMANEVAL_X.items():
        write_rows(folder / f"humaneval-x/humaneval_{language}.jsonl.gz", [row])
    write_rows(folder / "mbpp/mbpp.jsonl", MBPP)
    return folder


def passes(source: Source) -> bool:
    """Whether a trusted Python program of the tests' own comes to its end."""
    assert source.language == "python"
    done = subprocess.run([sys.executable, "-I", "-c", source.text], capture_output=True, timeout=60, check=False)
    return done.returncode == 0
