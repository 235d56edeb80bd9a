"""The index of a repository: what is declared, which files, what is found, kept fresh, and stays while typing."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise
from math import log
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ownlm.data.clean.grammars import GRAMMARS
from ownlm.errors import InputError
from ownlm.serve.call import CodeContext
from ownlm.serve.config import ServeConfig
from ownlm.serve.model import ServedModel
from ownlm.serve.prompt.repository.config import RepositoryConfig
from ownlm.serve.prompt.repository.declarations import LANGUAGES, Declaration, declarations_in
from ownlm.serve.prompt.repository.files import MAX_BYTES, files_of, read
from ownlm.serve.prompt.repository.index import COMMON, NAME_WEIGHT, B, Index, K, parts_of, words_in
from ownlm.serve.prompt.repository.names import repository_name
from ownlm.serve.prompt.repository.nearby import question, settled_lines
from ownlm.serve.prompt.repository.watched import Repositories, Repository
from tests.serve.prompt.repository_files import DECLARED
from tests.serve.running import eventually, serving
from tests.serve.scripted import ScriptedEngine

STACK = 'class Stack:\n    """Last in, first out."""\n\n    def push_item(self, item: int) -> None:\n        pass\n'
AREA = "def area_of_circle(radius):\n    return 3 * radius * radius\n"


def test_every_language_with_functions_has_a_case() -> None:
    assert set(DECLARED) == LANGUAGES == set(GRAMMARS) - {"CSS", "HTML", "JSON"}


@pytest.mark.parametrize("language", sorted(DECLARED))
def test_declarations(language: str) -> None:
    text, expected = DECLARED[language]
    assert declarations_in(text.encode(), language) == [Declaration(*one) for one in expected]


@given(
    st.sampled_from(sorted(LANGUAGES)), st.sampled_from(sorted(DECLARED)), st.integers(0, 300), st.binary(max_size=20)
)
@settings(max_examples=150, deadline=None)
def test_broken_files_are_read_without_an_error(language: str, other: str, cut: int, dirt: bytes) -> None:
    data = DECLARED[other][0].encode()
    for found in declarations_in(data[:cut] + dirt + data[cut:], language):
        assert found.name
        assert found.signature


def test_names_of_repositories() -> None:
    for address in (
        "https://github.com/Owner/Name.git",
        "https://me:secret@github.com/Owner/Name/",
        "git@github.com:Owner/Name.git",
        "ssh://git@github.com:22/Owner/Name",
    ):
        assert repository_name(address) == "github.com/Owner/Name"
    assert repository_name("my project") == "my project"


def test_words_of_identifiers() -> None:
    assert parts_of("parseHTTPAddress") == {"parse", "http", "address", "parsehttpaddress"}
    assert parts_of("_push_item2") == {"push", "item", "push_item2"}
    assert words_in("größe = größe + x1")["größe"] == 2


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    files = {
        "src/stack.py": STACK,
        "src/area.py": AREA,
        "own.py": "def own_function():\n    pass\n",
        "ignored/secret.py": "def ignored_function(): pass\n",
        ".gitignore": "ignored/\n",
        "node_modules/a.js": "function in_package() {}\n",
        "notes.txt": "def not_code(): pass\n",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / ".git").mkdir()
    (folder / "large.py").write_text("def in_large(): pass\n" + "x = 1\n" * (MAX_BYTES // 6))
    (folder / "binary.py").write_bytes(b"def in_binary(): pass\n\0")
    (folder / "latin.py").write_bytes(b"def in_latin(): pass  # \xe9\n")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "out.py").write_text("def outside_function(): pass\n")
    (folder / "link.py").symlink_to(outside / "out.py")
    (folder / "linked").symlink_to(outside)
    return folder


def opened(folder: Path, url: str = "https://host.org/a/b") -> Repository:
    return Repository(RepositoryConfig(path=str(folder), url=url))


def test_which_files_are_read(repository: Path) -> None:
    found = {file.path: read(repository, file) for file in files_of(repository)}
    assert set(found) == {"src/stack.py", "src/area.py", "own.py", "binary.py", "latin.py"}
    assert {path for path, data in found.items() if data} == {"src/stack.py", "src/area.py", "own.py"}


def test_a_folder_that_becomes_a_link_is_not_followed(repository: Path) -> None:
    (found,) = [file for file in files_of(repository) if file.path == "src/area.py"]
    outside = repository.parent / "outside"
    (outside / "area.py").write_text("def outside_function(): pass\n")
    (repository / "src").rename(repository / "moved")
    (repository / "src").symlink_to(outside)
    assert read(repository, found) == b""


def test_what_is_near_is_shown(repository: Path) -> None:
    watched = opened(repository)
    watched.refresh()
    context = CodeContext("from stack import Stack\nstack = Stack()\n\nstack.pu", None, "Python", "own.py")
    (snippet,) = watched.shown(context).snippets
    assert (snippet.path, snippet.kind) == ("src/stack.py", "repository")
    assert snippet.text == ("# Last in, first out.\nclass Stack:\n    def push_item(self, item: int) -> None:\n")
    own = CodeContext("own_function()\n\n", None, "Python", str(repository / "own.py"))
    assert watched.shown(own).snippets == ()


def test_only_what_changed_is_read_again(repository: Path) -> None:
    watched = opened(repository)
    assert watched.refresh() == 5
    assert watched.refresh() == 0
    (repository / "src/area.py").write_text("def area_of_square(side):\n    return side * side\n")
    (repository / "src/stack.py").unlink()
    (repository / "src/new.py").write_text("def brand_new(): pass\n")
    assert watched.refresh() == 3
    words = "area_of_square brand_new own_function area_of_circle push_item Stack\n\n"
    found = watched.best(CodeContext(words, words, "Python"))
    assert {placed.declaration.name for placed, _ in found} == {"area_of_square", "brand_new", "own_function"}


def test_a_thread_keeps_it_fresh(repository: Path) -> None:
    repositories = Repositories([RepositoryConfig(path=str(repository), url="git@host.org:a/b.git")])
    repositories.start()
    try:
        context = CodeContext("area_of_circle\n", None, "Python", "", "https://host.org/a/b")
        eventually(lambda: len(repositories.shown(context).snippets) == 1)
        assert repositories.shown(CodeContext("area_of_circle\n", None, "Python", "", "host.org/other")).snippets == ()
        file = CodeContext("area_of_circle\n", None, "Python", str(repository / "own.py"))
        assert len(repositories.shown(file).snippets) == 1
        assert repositories.shown(CodeContext("area_of_circle\n", None, "Python", "elsewhere.py")).snippets == ()
    finally:
        repositories.close()


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a folder"):
        Repositories([RepositoryConfig(path=str(tmp_path / "nowhere"))])


NAMES = st.sampled_from(["push", "pushItem", "item", "area", "areaOfItem", "Stack"])
DECLARATIONS = st.builds(
    Declaration, NAMES, st.sampled_from(["", "class Stack"]), NAMES.map("def {}(item)".format), st.just("")
)


@given(
    st.dictionaries(st.sampled_from(["a.py", "b/stack.py", "c.py"]), st.lists(DECLARATIONS, max_size=5), max_size=3),
    st.dictionaries(st.sampled_from(["push", "item", "stack", "area", "pushitem"]), st.floats(0.1, 1), max_size=4),
    st.integers(1, 6),
    st.sampled_from(["", "a.py"]),
)
def test_scores_equal_the_formula(
    files: dict[str, list[Declaration]], query: dict[str, float], count: int, without: str
) -> None:
    documents = []
    for path in sorted(files):
        for declaration in files[path]:
            words = words_in(declaration.signature) + words_in(path.rsplit(".", 1)[0].replace("/", " "))
            words.update(dict.fromkeys(parts_of(declaration.name), NAME_WEIGHT))
            words.update(dict.fromkeys(words_in(declaration.owner), 1))
            documents.append((path, declaration, words))
    mean = sum(words.total() for _, _, words in documents) / max(1, len(documents))
    expected = []
    for path, _, words in documents:
        score = 0.0
        for word, weight in query.items():
            having = sum(word in other for _, _, other in documents)
            if having and word in words and having <= max(50, COMMON * len(documents)):
                idf = log(1 + (len(documents) - having + 0.5) / (having + 0.5))
                score += weight * idf * words[word] * (K + 1) / (words[word] + K * (1 - B + B * words.total() / mean))
        expected.append(0.0 if path == without else score)
    found = Index(files).best(query, count, {without})
    highest = sorted((score for score in expected if score > 0), reverse=True)[:count]
    assert [score for _, score in found] == pytest.approx(highest, rel=1e-4)


@given(
    st.dictionaries(
        st.sampled_from(["a.py", "b.py", "c.py"]), st.lists(DECLARATIONS, min_size=1, max_size=4), min_size=1
    ),
    st.sampled_from(["push", "item", "stack"]),
)
def test_a_small_index_scores_as_the_large_one_does(files: dict[str, list[Declaration]], word: str) -> None:
    """Files that changed are an index of their own: what it finds stands beside what the large one finds."""
    whole = Index(files)
    expected = {(placed.path, placed.number): score for placed, score in whole.best({word: 1.0}, 100)}
    for path, declared in files.items():
        for placed, score in Index({path: declared}, like=whole).best({word: 1.0}, 100):
            assert score == pytest.approx(expected[placed.path, placed.number], rel=1e-4)


def test_many_changes_make_the_index_anew(tmp_path: Path) -> None:
    for number in range(60):
        (tmp_path / f"file_{number}.py").write_text(f"def first_{number}(): pass\n")
    watched = opened(tmp_path)
    watched.refresh()
    for number in range(60):
        (tmp_path / f"file_{number}.py").write_text(f"def second_{number}(one): pass\n")
        if number in (5, 59):
            watched.refresh()
            found = watched.best(CodeContext(f"first_{number} second_{number}\n\n", None, "Python"))
            named = {placed.declaration.name for placed, _ in found}
            assert f"second_{number}" in named
            assert f"first_{number}" not in named


def test_the_question_stays_while_a_line_is_typed() -> None:
    text = "".join(f"value_{number} = compute_{number}(item)\n" for number in range(60))
    questions = [question(CodeContext(text[:cursor])) for cursor in range(len(text) - 1500, len(text), 5)]
    changes = sum(before != after for before, after in pairwise(questions))
    assert changes < 1500 / 25 / 2  # fewer than every second line


def test_the_question_is_the_same_for_every_window_of_a_file() -> None:
    lines = [f"value_{number} = compute_{number}(item)" for number in range(200)]
    assert settled_lines("\n".join(lines)) == settled_lines("\n".join(lines[80:]))


def test_nothing_heavy_is_imported_without_repositories() -> None:
    code = (
        "import sys, ownlm.serve.prompt.repository.watched, ownlm.serve.prompt.build\n"
        "print(sorted({'tree_sitter', 'pyarrow', 'torch', 'ownlm.data'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ))
    assert run.stdout.strip() == "[]"


def test_an_editor_is_shown_declarations_of_its_repository(scripted: ServedModel, repository: Path) -> None:
    """All the way: the folder is indexed by a gateway's own thread, and Tabby's request reaches the engine with it."""
    engine = scripted.engine
    assert isinstance(engine, ScriptedEngine)
    engine.say("radius)) * 2\n")
    config = ServeConfig(repositories=[RepositoryConfig(path=str(repository), url="git@host.org:a/b.git")])
    segments = {"prefix": "x = area_of_circle(2)\ny = (", "suffix": ")\n", "filepath": "own.py"}
    segments["git_url"] = "https://host.org/a/b"
    with serving(scripted, config) as url:

        def prompt() -> str:
            answer = httpx.post(f"{url}/v1/completions", json={"language": "python", "segments": segments}, timeout=20)
            assert answer.json()["choices"][0]["text"] == "radius"
            return scripted.vocabulary.decode(engine.requests[-1].prompt)

        eventually(lambda: "# def area_of_circle(radius)" in prompt())
    assert "ignored_function" not in prompt_texts(engine)


def prompt_texts(engine: ScriptedEngine) -> str:
    return "".join(engine.vocabulary.decode(request.prompt) for request in engine.requests)
