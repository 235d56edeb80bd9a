"""`ownlm vocab sweep` over a real corpus: what it prints, writes and refuses; and what the figures are said to mean."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from ownlm import flow
from ownlm.errors import RecipeError
from ownlm.pipeline.progress import SilentProgress
from ownlm.pipeline.store import Store
from ownlm.recipe.load import load_recipe
from ownlm.recipe.schema import Recipe
from ownlm.sweeping import Choice, Comparison, compare, print_comparison, sizes_of
from tests.test_cli import Ownlm, ownlm, refused  # noqa: F401 - the fixture
from tests.tokens.corpora import program
from tests.toy_run import carry_out

RECIPE = """name: swept
sources:
  - directory: {{path: {code}}}
    weight: 1.5
clean: {{}}
vocabulary: {{size: 540}}
shards: {{context: 48}}
model: {{size: 1m, d_model: 32, layers: 1, heads: 2, kv_heads: 1, d_ff: 48, tied: false}}
"""


@dataclass(frozen=True)
class Swept:
    """A recipe whose corpus is made."""

    home: Path
    recipe: Path
    loaded: Recipe


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Swept]:
    folder = tmp_path_factory.mktemp("swept")
    for number in range(60):
        path = folder / f"code/package{number % 12}/part{number}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(program(number, functions=4), encoding="utf-8")
    recipe = folder / "recipe.yaml"
    recipe.write_text(RECIPE.format(code=json.dumps(str(folder / "code"))), encoding="utf-8")
    loaded, whole, store = load_recipe(recipe), flow.stages_of, Store(folder / "home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ownlm.runs.stages_of", lambda recipe: whole(recipe)[:4])
        carry_out(loaded, store)
    yield Swept(store.home, recipe, loaded)
    shutil.rmtree(folder)


def _asked(ownlm: Ownlm, made: Swept, *arguments: object) -> dict[str, Any]:  # noqa: F811
    done = ownlm("vocab", "sweep", made.recipe, *map(str, arguments), "--json", "--home", made.home)
    assert done.code == 0, done
    found: dict[str, Any] = json.loads(done.out)
    return found


def test_json_tells_what_each_size_costs_the_recipes_model(ownlm: Ownlm, made: Swept) -> None:  # noqa: F811
    found = _asked(ownlm, made, "430,540")
    assert [one["size"] for one in found["sizes"]] == [430, 540]
    statistics = json.loads(next(made.home.glob("artifacts/vocabulary-*/vocabulary.json")).read_text(encoding="utf-8"))
    assert found["sizes"][1]["bytes_per_token"] == statistics["bytes_per_token"], "as the run's own vocabulary has it"
    assert (found["sample_bytes"], found["sample_documents"]) == (
        statistics["sample_bytes"],
        statistics["sample_documents"],
    )
    for one in found["sizes"]:
        model = made.loaded.model.architecture(one["size"], 48)
        assert one["parameters"] == model.parameters
        assert one["share"] == pytest.approx(2 * 32 * one["size"] / model.parameters, abs=1e-4)
        per_token = one["flops_per_byte"] * one["bytes_per_token"]
        assert per_token == pytest.approx(model.training_flops_per_token, rel=1e-3)
        assert one["window_bytes"] == pytest.approx(48 * one["bytes_per_token"], abs=0.06)
        assert one["by_language"] == {"Python": one["bytes_per_token"]}
    assert found["cheapest"] in (430, 540)
    assert found["curve"][-1]["bytes_per_token"] == found["sizes"][-1]["bytes_per_token"]
    assert found["measured_on"] == "heldout_files"


def test_a_person_gets_a_table_a_sentence_and_a_page(ownlm: Ownlm, made: Swept, tmp_path: Path) -> None:  # noqa: F811
    done = ownlm("vocab", "sweep", made.recipe, "430,540", "--home", made.home, "--out", tmp_path / "page")
    assert done.code == 0, done
    assert "430" in done.out
    assert "Python" in done.out
    assert "cost the least compute to train on a byte of code" in done.out
    page = (tmp_path / "page/index.html").read_text(encoding="utf-8")
    assert "<svg" in page
    assert "cost the least compute to train on a byte of code" in page
    figures = json.loads((tmp_path / "page/sweep.json").read_text(encoding="utf-8"))
    assert figures == _asked(ownlm, made, "540,430")
    assert (made.home / "vocab/swept/index.html").read_text(encoding="utf-8") == page


def test_a_narrow_terminal_gets_fewer_languages_and_no_broken_name(
    made: Swept,
) -> None:
    compared = compare(made.loaded, Store(made.home), [430, 540], SilentProgress(), "")
    names = ["Python", "JavaScript", "TypeScript", "Jupyter Notebook", "C++"]
    spread = [replace(one, by_language=dict.fromkeys(names, 3.0)) for one in compared.choices]
    found = replace(compared.found, bytes=dict.fromkeys(names, 1000))
    shown: dict[int, list[str]] = {}
    for width in (60, 80, 120):
        out = Console(file=io.StringIO(), width=width)
        print_comparison(out, replace(compared, found=found, choices=spread))
        lines = out.file.getvalue().splitlines()  # type: ignore[attr-defined]
        assert max(map(len, lines[1:5])) <= width
        shown[width] = [name for name in names if any(name in line for line in lines[1:3])]
    assert shown[60] == names[:1]
    assert shown[80] == names[:3]
    assert shown[120] == names


def test_settings_on_the_command_line_count(ownlm: Ownlm, made: Swept) -> None:  # noqa: F811
    found = _asked(ownlm, made, "430", "vocabulary.sample_mb=0.02")
    assert 0 < found["sample_bytes"] <= 20_000


def test_without_a_corpus_it_is_said_what_makes_one(ownlm: Ownlm, made: Swept, tmp_path: Path) -> None:  # noqa: F811
    done = ownlm("vocab", "sweep", made.recipe, "8k", "--home", tmp_path / "new")
    refused(done, 3, "corpus of this recipe is not made yet", f"`ownlm run {made.recipe}` makes it")


def test_a_size_the_corpus_cannot_fill_is_refused(ownlm: Ownlm, made: Swept) -> None:  # noqa: F811
    refused(ownlm("vocab", "sweep", made.recipe, "500,64k", "--home", made.home), 3, "ask for sizes up to")


def test_sizes_are_read() -> None:
    assert sizes_of("32k, 8k,16384,8K", 19) == [8192, 16_384, 32_768]
    assert sizes_of("397", 0) == [397]
    assert sizes_of("1024k", 0) == [1_048_576]


@pytest.mark.parametrize(
    "text", ["", "8k,", "k", "8m", "-8k", "1.5k", "415", "0", "1025k", "9" * 30, "²k", "8k 16k", "٨k"]
)
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(RecipeError, match="is no size of a vocabulary here") as caught:
        sizes_of(text, 19)
    assert "416 to 1048576" in str(caught.value)


def _compared(*points: tuple[int, float, float], curve: tuple[tuple[int, float], ...] = ()) -> Comparison:
    """Of (size, bytes a token, FLOPs a byte), and a curve of (size, FLOPs a byte)."""

    def choice(size: int, bytes_per_token: float, flops: float) -> Choice:
        return Choice(size, bytes_per_token, {}, 0, 1, 0.5, flops, 1.0)

    asked = [choice(*point) for point in points]
    return Comparison(None, None, asked, [choice(size, 3.0, flops) for size, flops in curve])  # type: ignore[arg-type]


def test_the_sentence_names_the_cheapest_size_and_where_gain_ends() -> None:
    """4096 to 8192 makes texts a tenth shorter, 8192 to 32,768 a twentieth: 2.5 % each doubling."""
    compared = _compared((4096, 3.0, 9.0), (8192, 3.0 / 0.9, 8.0), (32_768, 3.0 / 0.9 / 0.95, 8.5))
    assert (compared.cheapest.size, compared.flat_from) == (8192, 8192)
    assert compared.sentence == (
        "Of these, 8,192 tokens cost the least compute to train on a byte of code; "
        "from 8,192 on, doubling makes texts less than 5% shorter."
    )


def test_gain_is_flat_only_where_it_stays_so() -> None:
    steep = _compared((4096, 3.0, 9.0), (8192, 3.01, 8.0), (16_384, 4.0, 7.0), curve=((9000, 6.5), (16_384, 7.0)))
    assert steep.flat_from is None
    assert "(of all sizes about 9,000); every doubling up to 16,384 still" in steep.sentence
    assert _compared((4096, 3.0, 9.0)).flat_from is None
    assert _compared((4096, 3.0, 9.0), (8192, 3.01, 9.5), (16_384, 3.02, 9.9)).flat_from == 4096
