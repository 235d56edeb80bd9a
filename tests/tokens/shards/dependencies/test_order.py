from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ownlm.tokens.shards.dependencies.order import dependency_order

NAMES = [f"{folder}{letter}.py" for folder in ("", "a/", "z/") for letter in "abcd"]
GRAPHS = st.dictionaries(st.sampled_from(NAMES), st.sets(st.sampled_from(NAMES), max_size=3), max_size=8)


def reachable(edges: Mapping[str, Sequence[str]]) -> set[tuple[str, str]]:
    """Every (file, file it needs, directly or not): the transitive closure, pair by pair until nothing is new."""
    pairs = {(path, target) for path, targets in edges.items() for target in targets}
    while new := {(a, d) for a, b in pairs for c, d in pairs if b == c} - pairs:
        pairs |= new
    return pairs


def reference_order(paths: Sequence[str], edges: Mapping[str, Sequence[str]]) -> list[str]:
    """The definition, by recursion: a file's imports by path, then the file."""
    written: list[str] = []

    def write(path: str, under_way: tuple[str, ...]) -> None:
        for target in sorted(edges.get(path, ())):
            if target not in written and target not in under_way:
                write(target, (*under_way, path, target))
        if path not in written:
            written.append(path)

    readmes = [path for path in sorted(paths) if "/" not in path and path.upper().startswith("README")]
    for path in [*readmes, *sorted(paths)]:
        write(path, (path,))
    return written


@given(GRAPHS, st.randoms())
def test_each_file_once_and_after_its_imports(found: dict[str, set[str]], draws: random.Random) -> None:
    edges = {path: sorted(targets - {path}) for path, targets in found.items()}
    paths = draws.sample(NAMES, len(NAMES))
    order = dependency_order(paths, edges)
    assert sorted(order) == sorted(NAMES)
    assert order == reference_order(NAMES, edges), "whatever the order of the table"
    needs, place = reachable(edges), {path: number for number, path in enumerate(order)}
    for path, targets in edges.items():
        for target in targets:
            assert place[target] < place[path] or (target, path) in needs, "only imports inside a cycle are passed over"


def test_files_without_imports_come_by_path() -> None:
    assert dependency_order(["b", "a/c", "a.d", "B"], {}) == ["B", "a.d", "a/c", "b"]


def test_a_readme_of_the_root_comes_first() -> None:
    paths = ["CHANGES.md", "README.md", "docs/README.md", "a.py", "readme.rst"]
    assert dependency_order(paths, {}) == ["README.md", "readme.rst", "CHANGES.md", "a.py", "docs/README.md"]


def test_a_file_stands_right_behind_what_it_needs() -> None:
    edges = {"app/one.py": ["lib/x.py"], "app/two.py": ["lib/x.py", "lib/y.py"]}
    paths = ["app/one.py", "app/two.py", "lib/x.py", "lib/y.py"]
    assert dependency_order(paths, edges) == ["lib/x.py", "app/one.py", "lib/y.py", "app/two.py"]


def test_a_cycle_is_opened_where_it_is_entered_first() -> None:
    edges = {"a": ["b"], "b": ["c"], "c": ["a", "d"], "d": []}
    assert dependency_order("abcd", edges) == ["d", "c", "b", "a"]


def test_a_long_chain_is_no_recursion() -> None:
    names = [f"{number:06d}" for number in range(50_000)]
    edges = {name: [following] for name, following in pairwise(names)}
    assert dependency_order(names, edges) == names[::-1]
