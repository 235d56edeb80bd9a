from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ownlm.tokens.shards.dependencies.files import Files, joined, nearest

PARTS = st.sampled_from(["a", "b", "ab", "c.h", "b.c", "lib"])
PATHS = st.lists(PARTS, min_size=1, max_size=4).map("/".join)


@given(st.sets(PATHS, max_size=30), PATHS)
def test_files_are_found_by_the_end_of_their_path(paths: set[str], tail: str) -> None:
    expected = {path for path in paths if path == tail or path.endswith(f"/{tail}")}
    found = Files("r", paths).ending(tail)
    assert set(found) == expected
    assert len(found) == len(expected)


@given(st.sets(PATHS, max_size=30))
def test_every_file_is_in_its_folder(paths: set[str]) -> None:
    files = Files("r", paths)
    assert {path for folder in files.folders.values() for path in folder} == paths
    assert all(path.rpartition("/")[0] == folder for folder, held in files.folders.items() for path in held)
    assert all(held == sorted(held) for held in files.folders.values())


@given(st.sets(PATHS, min_size=1, max_size=10), PATHS)
def test_the_nearest_shares_most_folders(paths: set[str], path: str) -> None:
    def shared(other: str) -> int:
        count = 0
        for one, two in zip(path.split("/")[:-1], other.split("/")[:-1], strict=False):
            if one != two:
                break
            count += 1
        return count

    found = nearest(sorted(paths), path)
    assert found is not None
    assert shared(found) == max(map(shared, paths))
    assert found == min(other for other in paths if shared(other) == shared(found))


def test_relative_references_stay_in_the_repository() -> None:
    assert joined("a/b.c", "x/../y.h") == "a/y.h"
    assert joined("a/b.c", "../y.h") == "y.h"
    assert joined("b.c", "./y.h") == "y.h"
    assert joined("a/b.c", "../../y.h") is None
    assert joined("b.c", "..") is None
    assert joined("b.c", "/etc/passwd") is None


def test_a_very_common_name_does_not_take_forever() -> None:
    files = Files("r", [f"{number:05d}/index.js" for number in range(5000)])
    assert len(files.ending("index.js")) == 256
    assert files.ending("04999/index.js") == ["04999/index.js"]


def test_folders_are_found_by_their_end() -> None:
    files = Files("r", ["x/a/b/f.go", "y/a/b/f.go", "a/bb/f.go"])
    assert files.folder("a/b", "y/z.go") == "y/a/b"
    assert files.folder("b", "x/z.go") == "x/a/b"
    assert files.folder("c", "x/z.go") is None
