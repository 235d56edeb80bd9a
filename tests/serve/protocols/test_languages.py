"""Names of languages: Linguist's, and extensions as the lake takes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ownlm.data.lake import language as lake
from ownlm.serve.protocols.languages import LANGUAGES, language_of


def test_every_name_is_one_of_the_lakes() -> None:
    assert set(LANGUAGES) <= lake.LANGUAGES


def test_no_identifier_or_extension_means_two_languages() -> None:
    names = {name.lower() for name in LANGUAGES}
    for column in (0, 1):
        words = [word.lower() for columns in LANGUAGES.values() for word in columns[column].split()]
        assert len(words) == len(set(words))
        assert column == 1 or not [word for word in words if word in names]


@pytest.mark.parametrize("extension", [word for _, words in LANGUAGES.values() for word in words.split()])
def test_extensions_mean_what_they_mean_to_the_lake(extension: str) -> None:
    assert language_of("", f"a/b.{extension}") == lake.language_of_path(f"a/b.{extension}")


@pytest.mark.parametrize(
    ("identifier", "path", "name"),
    [
        ("python", "", "Python"),
        ("typescriptreact", "", "TSX"),
        ("javascriptreact", "x.ts", "JavaScript"),
        ("shellscript", "", "Shell"),
        ("sh", "", "Shell"),
        ("objective-c", "", "Objective-C"),
        ("cuda-cpp", "", "Cuda"),
        ("vim", "", "Vim Script"),
        ("plaintext", "", "Text"),
        ("plaintext", "src/lib.rs", "Rust"),
        ("no such", "C:\\src\\Main.JAVA", "Java"),
        (None, "a/Dockerfile", "Dockerfile"),
        (None, "x.blade.php", "Blade"),
        ("", "", ""),
        ("nonsense", "x.nonsense", ""),
    ],
)
def test_what_editors_call_them(identifier: str | None, path: str, name: str) -> None:
    assert language_of(identifier, path) == name


@given(st.text(max_size=30), st.text(max_size=60))
def test_whatever_is_sent_gives_a_known_name_or_none(identifier: str, path: str) -> None:
    assert language_of(identifier, path) in {*LANGUAGES, ""}
