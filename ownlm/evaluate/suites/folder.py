"""A benchmark of one's own: a folder with suite.yaml and problems.jsonl (docs/suites.md has one to copy).

    suite.yaml       name, language, stops, max_tokens, how a program is put together, licence
    problems.jsonl   a row a problem: id, prompt, tests; also suffix, reference, language, stops, and any other text
                     field that the program names

Also problems.jsonl.gz, problems.json or problems.parquet.
"""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import Field, ValidationError

from ownlm.errors import EvaluationError, RecipeError
from ownlm.evaluate.runners.base import Source
from ownlm.evaluate.suites.base import Problem
from ownlm.evaluate.suites.data import Home
from ownlm.evaluate.suites.files import FileSuite
from ownlm.evaluate.suites.languages import language_key
from ownlm.evaluate.suites.rows import Row
from ownlm.evaluate.suites.settings import SuiteSettings
from ownlm.evaluate.suites.trim import declaration_of, trim
from ownlm.recipe.base import Config

SUITE_FILE = "suite.yaml"
_NAMED = re.compile(r"\{(\w+)\}")


class SuiteFile(Config):
    """suite.yaml."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_.]*$", description="as `--suite` tables and results.json call it")
    about: str = Field("", description="one line for people")
    licence: str = Field("", description="SPDX")
    language: str | None = Field(None, description="of every problem that names none")
    stops: list[str] = Field([], description="an answer ends before the first of these, unless its row has others")
    max_tokens: int = Field(512, ge=1, description="an answer's length")
    program: str = Field(
        "{prompt}{answer}{suffix}\n{tests}\n", description="the test program; {NAME} is the text of that field"
    )


class FolderSuite(FileSuite):
    """The suite of a folder.

    Args:
        folder: has suite.yaml and problems.jsonl.
        settings: `languages` and `limit` count; the data is the folder's.

    Raises:
        EvaluationError: suite.yaml is not there or wrong.
    """

    def __init__(self, folder: Path, settings: SuiteSettings) -> None:
        super().__init__(settings.model_copy(update={"path": str(folder), "dataset": None, "files": None}))
        self._file = read_suite_file(folder / SUITE_FILE)
        self.name, self.max_tokens = self._file.name, self._file.max_tokens
        self.home = Home(
            title=self._file.about or self._file.name,
            url=str(folder),
            dataset=None,
            licence=self._file.licence or "not said",
            patterns=("problems.jsonl", "problems.jsonl.gz", "problems.json", "problems.parquet"),
        )
        self.conventions = {"prompt": "the row's", "stops": "the suite's", "program": self._file.program}

    def problem(self, row: Row) -> Problem:
        """See `FileSuite.problem`."""
        language = row.text("language") if row.has("language") else self._file.language
        if language is None:
            raise row.damaged(f"Neither the problem nor {SUITE_FILE} names a language")
        prompt = row.text("prompt")
        texts = {name: value for name, value in row.values.items() if isinstance(value, str)}
        unknown = sorted(set(_NAMED.findall(self._file.program)) - set(texts) - {"answer", "suffix"})
        if unknown:
            raise row.damaged(f"The problem has no {', '.join(unknown)}, which the program of {SUITE_FILE} names")
        key = language_key(language)
        start = f"def {texts['entry_point']}(" if key == "python" and "entry_point" in texts else None
        return Problem(
            row.name("id"),
            key,
            prompt,
            suffix=row.text("suffix") if row.has("suffix") else None,
            stops=row.texts("stops") if row.has("stops") else tuple(self._file.stops),
            reference=row.text("reference") if row.has("reference") else None,
            fields={**texts, "declaration": declaration_of(prompt, start) if key != "python" or start else ""},
        )

    def trim(self, problem: Problem, answer: str) -> str:
        """See `Suite.trim`."""
        return trim(problem, answer)

    def source(self, problem: Problem, answer: str) -> Source:
        """See `Suite.source`."""
        texts = {"suffix": "", **problem.fields, "answer": answer}
        return Source(problem.language, _NAMED.sub(lambda found: texts[found[1]], self._file.program))


def read_suite_file(path: Path) -> SuiteFile:
    """Read suite.yaml.

    Raises:
        EvaluationError: it is not there, not YAML, or has a key or value it may not have; with its line.
    """
    from ownlm.recipe.yaml_file import parse_yaml

    try:
        values, lines = parse_yaml(path.read_text(encoding="utf-8"), str(path))
        return SuiteFile.model_validate(values)
    except (OSError, UnicodeDecodeError) as error:
        advice = f"A suite of your own is a folder with {SUITE_FILE} and problems.jsonl: see docs/suites.md."
        raise EvaluationError(f"{SUITE_FILE} cannot be read.", where=path, advice=advice) from error
    except RecipeError as error:
        raise EvaluationError(f"{SUITE_FILE} is not valid YAML.", where=error.where, advice=error.what) from error
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        key = ".".join(map(str, fault["loc"]))
        line = lines.get(tuple(fault["loc"]))
        raise EvaluationError(
            f"{SUITE_FILE}: {key}: {fault['msg']}.",
            where=path if line is None else f"{path}:{line}",
            advice=f"Its keys are {', '.join(SuiteFile.model_fields)}.",
        ) from error
