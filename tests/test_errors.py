"""Errors say what, where and what to do, and each kind has its exit code."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ownlm import errors
from ownlm.errors import CorpusError, InputError, InterruptedRunError, OwnlmError, RecipeError, first_line

CODES = {
    "OwnlmError": 1,
    "RecipeError": 2,
    "InputError": 3,
    "CorpusError": 3,
    "ArtifactError": 4,
    "StorageError": 5,
    "BusyError": 6,
    "ServerError": 7,
    "DependencyError": 8,
    "TrainingError": 9,
    "StuckError": 9,
    "EvaluationError": 10,
    "SandboxError": 10,
    "EngineError": 11,
    "LostError": 9,
    "PreemptedError": 75,
    "InterruptedRunError": 130,
}
KINDS = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, OwnlmError)}


def test_every_kind_has_the_code_the_module_documents() -> None:
    assert {name: kind.exit_code for name, kind in KINDS.items()} == CODES
    documented = re.findall(r"(\w+Error)\s+(?:exit code )?(\d+)", errors.__doc__ or "")
    assert {name: int(code) for name, code in documented} == CODES


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("a\nb"), "a"),
        (ValueError("\n a\r\nb"), "a"),
        (ValueError(), "ValueError"),
        (OSError("  "), "OSError"),
    ],
)
def test_errors_of_others_are_quoted_in_a_line(error: Exception, line: str) -> None:
    assert first_line(error) == line


def test_codes_are_unique_but_for_those_of_a_narrower_kind() -> None:
    broad = [kind for kind in KINDS.values() if kind.__base__ in (OwnlmError, Exception)]
    assert len({kind.exit_code for kind in broad}) == len(broad)
    assert issubclass(CorpusError, InputError)
    shell = {kind for kind in KINDS.values() if not 0 < kind.exit_code < 126}
    assert shell == {InterruptedRunError}, "codes from 126 on are the shell's; 130 is its own for Ctrl-C"


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_the_message_has_a_line_for_each_part(kind: type[OwnlmError]) -> None:
    full = kind("It broke.", where="a.yaml:3", advice="Mend it.")
    assert str(full) == "It broke.\n  where: a.yaml:3\n  what to do: Mend it."
    assert str(kind("It broke.")) == "It broke."
    assert str(kind("It broke.", advice="Mend it.")) == "It broke.\n  what to do: Mend it."


@given(st.text(), st.none() | st.text(), st.none() | st.text())
def test_parts_are_kept_as_they_were_given(what: str, where: str | None, advice: str | None) -> None:
    error = RecipeError(what, where=where, advice=advice)
    assert (error.what, error.where, error.advice) == (what, where, advice)
    assert str(error).startswith(what)
