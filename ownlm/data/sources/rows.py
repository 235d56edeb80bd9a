"""What the sources that read tables share: settings, a row -> a document, and what to do about damaged parts."""

from __future__ import annotations

import glob
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from ownlm.data.lake.language import language_by_name, language_of
from ownlm.data.sources.base import Skipped, Source
from ownlm.data.sources.columns import Columns
from ownlm.data.sources.index import FileIndex
from ownlm.data.sources.notebooks import is_notebook
from ownlm.data.sources.notebooks.source import NotebooksConfig, notebook_text
from ownlm.errors import InputError
from ownlm.recipe.base import local_path

if TYPE_CHECKING:
    from ownlm.data.lake.document import Document

SPAN_BYTES = 16 << 20
"""How much text a unit of a large table holds, about: enough to be worth a process, little enough to share out."""

Row = Mapping[str, Any]


class RowsConfig(NotebooksConfig):
    """Settings of sources that read rows of tables."""

    default_language: str | None = Field(
        None, min_length=1, description="the language of rows for which neither a column nor the path tells one"
    )
    languages: list[str] | None = Field(
        None, min_length=1, description="only these languages, as Linguist names them; all when null"
    )


class MappedRowsConfig(RowsConfig):
    """Settings of sources whose columns the recipe names."""

    columns: Columns = Field(Columns(), description="the names of its columns")


@dataclass(frozen=True)
class Table:
    """Where rows come from.

    Attributes:
        name: the repository of rows that name none.
        language: the language of all its rows, as the folder it lies in says; None when that says nothing.
        columns: of its rows.
        filtered: its rows are taken only if they are in a language the recipe asks for.
    """

    name: str
    columns: Columns
    language: str | None = None
    filtered: bool = True


class RowSource(Source):
    """A source whose documents are rows.

    Attributes:
        notebooks: what becomes of notebooks.
        languages: Linguist's names of those asked for; all when None.
        max_bytes: larger documents are skipped.
    """

    def __init__(self, config: RowsConfig, where: str) -> None:
        super().__init__(config, where)
        self.notebooks = config.notebooks
        self.max_bytes = config.max_file_kb * 1024
        self._default = _named(config.default_language)
        self.languages = None if config.languages is None else {_named(name) or name for name in config.languages}

    def document(self, row: Row, number: int, table: Table) -> Document:
        """One row as a document.

        Args:
            row: by column name; only the columns asked for need to be there.
            number: of the row in its table, for a path where no column has one.
            table: where it comes from.

        Raises:
            Skipped: it is none.
        """
        from ownlm.data.lake.document import Document

        columns = table.columns
        data, path = columns.content_of(row), columns.text(row, "path")
        if data is None or (path is None and columns.path is not None):
            raise Skipped("no content or path")
        if not data:
            raise Skipped("empty")
        if len(data) > self.max_bytes:
            raise Skipped("too large")
        licenses = columns.licenses_of(row)
        language, text = self._text(row, data, path, table)
        if table.filtered and self.languages is not None and language not in self.languages:
            raise Skipped("another language")
        self.admit_licenses(licenses)
        repo, revision, inner = columns.place_of(row, table.name, number)
        return Document(
            self.label,
            repo,
            revision,
            inner,
            language,
            text,
            licenses,
            columns.attributes_of(row),
            columns.scores_of(row),
        )

    def _text(self, row: Row, data: bytes, path: str | None, table: Table) -> tuple[str, str]:
        if path is not None and is_notebook(path) and data.lstrip()[:1] == b"{":
            return notebook_text(self, data, self.notebooks)
        named = table.columns.text(row, "language")
        if named is not None:
            language = language_by_name(named)
        else:
            language = table.language or (language_of(path, data) if path else None) or self._default
        if language is None:
            raise Skipped("unknown language")
        return language, self.text(data, language)


class FilesSource(RowSource):
    """A source whose rows are in files that the recipe's path names.

    Attributes:
        columns: of their rows.
    """

    suffixes: ClassVar[tuple[str, ...]]
    kind_of_file: ClassVar[str]

    def __init__(self, config: MappedRowsConfig, path: str) -> None:
        super().__init__(config, path)
        self.columns = config.columns

    def files(self) -> list[Path]:
        """The files, sorted.

        Raises:
            InputError: there are none.
        """
        return find_files(self.where, self.where, self.suffixes, self.kind_of_file)

    def index(self, cache: Path | None) -> FileIndex:
        """The hashes of the files as they were last seen."""
        return FileIndex(f"{type(self).__name__}:{self.where}", cache)


def find_files(path: str, where: str, suffixes: tuple[str, ...], kind: str) -> list[Path]:
    """The files a recipe's path names: a file, all of a kind below a folder, or a glob pattern; sorted.

    Raises:
        InputError: there are none.
    """
    named = local_path(path)
    if named.is_dir():
        found = sorted(file for file in named.rglob("*") if file.name.endswith(suffixes) and file.is_file())
    elif named.exists():
        found = [named]
    else:
        found = sorted(Path(name) for name in glob.glob(str(named), recursive=True))  # noqa: PTH207 - absolute too
    if not found:
        raise InputError(
            f"There is no {kind} file.",
            where=where,
            advice=f"Give a file, a folder that holds *{suffixes[0]} files, or a glob pattern in quotes.",
        )
    return found


def _named(language: str | None) -> str | None:
    return None if language is None else language_by_name(language) or language
