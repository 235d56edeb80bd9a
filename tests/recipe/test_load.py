"""Recipes: strict, with the place of every fault and the nearest known key."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from ownlm.errors import RecipeError
from ownlm.recipe.base import canonical_json
from ownlm.recipe.init import commented_recipe
from ownlm.recipe.load import known_keys, lines_as_places, load_recipe, serve_settings, validate
from ownlm.recipe.schema import Recipe
from ownlm.recipe.yaml_file import parse_yaml
from ownlm.runs import recipe_text
from ownlm.serve.config import ServeConfig
from ownlm.serve.feedback import FeedbackConfig

ROOT = Path(__file__).resolve().parents[2]
RECIPES = sorted((ROOT / "recipes").glob("*.yaml"))


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "r.yaml"
    path.write_text("name: small\nsources:\n  - python: {}\ntrain:\n  steps: 10\n  optimizer: {adamw: {lr: 1.0e-3}}\n")
    return path


def from_text(text: str) -> Recipe:
    values, lines = parse_yaml(text, "text")
    return validate(values, lines_as_places(lines, "text"), "text")


@pytest.mark.parametrize(
    ("line", "what", "advice"),
    [
        ("clean: {natural_language: yes please}", "this is a block of settings (found 'yes please').", "`{}`"),
        ("clean: {quality: {}}", "'clean.quality.good' is missing.", "a folder of files as you want them"),
        (
            "clean: {size: {min_characters: 9, max_characters: 5}}",
            "clean.size: `min_characters` is above `max_characters`: every document would be rejected.",
            None,
        ),
        ("clean: {comment_share: {min_share: 0.9, max_share: 0.1}}", "`min_share` is above `max_share`", None),
        (
            "clean: {syntax: {max_errors: {Pyton: 0.1}}}",
            "clean.syntax.max_errors: no grammar is there for 'Pyton'; did you mean 'Python'?",
            None,
        ),
        ("clean: {syntax: {max_errors: {QQQ: 0.1}}}", "there are C, C#, C++", None),
        ("clean: {syntax: {max_errors: {Python: 7}}}", "clean.syntax.max_errors.Python: Input should be less", None),
    ],
)
def test_settings_of_rules_that_cannot_be_meant_are_told(
    recipe: Path, line: str, what: str, advice: str | None
) -> None:
    recipe.write_text(recipe.read_text() + line + "\n")
    with pytest.raises(RecipeError) as caught:
        load_recipe(recipe)
    assert what in caught.value.what
    assert (advice or "") in (caught.value.advice or "")
    assert str(caught.value.where) == f"{recipe}:7"


@pytest.mark.parametrize(
    ("licenses", "what"),
    [
        ("[MITT]", "sources.0.directory.licenses: 'MITT' is no SPDX licence identifier; did you mean 'MIT'?"),
        ("permisive", "sources.0.directory.licenses: Input should be 'any' or 'permissive' (found 'permisive')."),
        ("5", "sources.0.directory.licenses: Input should be a valid list (found 5)."),
    ],
)
def test_of_a_choice_only_the_branch_that_was_meant_is_told(recipe: Path, licenses: str, what: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(recipe, [f"sources=[{{directory: {{path: ., licenses: {licenses}}}}}]"])
    assert caught.value.what == what


def test_defaults_fill_what_is_left_out(recipe: Path) -> None:
    loaded = load_recipe(recipe)
    assert loaded.train.steps == 10
    assert loaded.vocabulary.size == Recipe.model_fields["vocabulary"].default.size
    assert loaded.sources[0].kind == "python"


@pytest.mark.parametrize(
    ("line", "where", "expected"),
    [
        ("  stps: 5\n", ":7", "Did you mean 'steps'?"),
        ("  schedule: {wsd: {warmup: 5}}\n", ":7", "Did you mean 'warmup_steps'?"),
        ("vocabluary: {size: 512}\n", ":7", "Did you mean 'vocabulary'?"),
        ("model: {siez: 1m}\n", ":7", "Did you mean 'size'?"),
        ("zzzzzz: 1\n", ":7", "Known here:"),
        ("track: {mlflow: {url: x}}\n", ":7", "Did you mean 'uri'?"),
    ],
)
def test_an_unknown_key_names_file_line_and_nearest(recipe: Path, line: str, where: str, expected: str) -> None:
    recipe.write_text(recipe.read_text() + line)
    with pytest.raises(RecipeError, match="Unknown key") as caught:
        load_recipe(recipe)
    assert str(caught.value.where) == f"{recipe}{where}"
    assert expected in str(caught.value.advice)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("  batch: many\n", "train.batch: Input should be a valid integer"),
        ("  batch: 0\n", "train.batch: Input should be greater than or equal to 1"),
        ("  batch: true\n", "train.batch"),
        ("  clip: '1'\n", "train.clip"),
        ("  schedule: {wsd: {}, cosine: {}}\n", "exactly one of"),
        ("model: {size: huge}\n", "model.size"),
    ],
)
def test_a_wrong_value_names_key_and_line(recipe: Path, line: str, expected: str) -> None:
    recipe.write_text(recipe.read_text() + line)
    with pytest.raises(RecipeError) as caught:
        load_recipe(recipe)
    assert expected in caught.value.what
    assert str(caught.value.where) == f"{recipe}:7"


def test_sources_are_needed_and_name_one_kind() -> None:
    with pytest.raises(RecipeError, match="'sources' is missing"):
        from_text("name: x\n")
    with pytest.raises(RecipeError, match="a source is one of"):
        from_text("sources: [{python: {}, directory: {path: a}}]\n")
    with pytest.raises(RecipeError, match=r"Unknown key 'sources\.0\.pyhton'") as caught:
        from_text("sources: [{pyhton: {}}]\n")
    assert "Did you mean 'python'?" in str(caught.value.advice)


@pytest.mark.parametrize("name", ["../up", "", ".hidden", "a/b", "a b", "a\n"])
def test_a_name_that_is_no_folder_is_refused(name: str) -> None:
    with pytest.raises(RecipeError, match="name"):
        validate({"name": name, "sources": [{"python": {}}]}, {}, "text")


def test_overrides(recipe: Path) -> None:
    loaded = load_recipe(
        recipe,
        [
            "train.steps=7",
            "train.optimizer.adamw.lr=0.5",
            "train.schedule=cosine",
            "model={size: 1m}",
            "sources.0.python.tests=false",
            "clean.line_length=null",
        ],
    )
    assert loaded.train.steps == 7
    assert loaded.train.optimizer.adamw is not None
    assert loaded.train.optimizer.adamw.lr == 0.5
    assert loaded.train.schedule.cosine is not None
    assert loaded.model.size == "1m"
    assert loaded.sources[0].settings.tests is False
    assert loaded.clean.line_length is None


@pytest.mark.parametrize(
    ("override", "what"),
    [
        ("train.stps=7", "Unknown key 'train.stps'"),
        ("train.steps=seven", "train.steps: Input should be a valid integer"),
        ("train.steps", "key.sub=value"),
        ("=5", "key.sub=value"),
        ("train.steps.more=1", "not a block"),
        ("sources.3.python.tests=true", "no item of the list"),
        ("train.steps=[1", "not valid YAML"),
    ],
)
def test_a_wrong_override_is_named_as_such(recipe: Path, override: str, what: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(recipe, [override])
    assert what in caught.value.what
    assert caught.value.where == f"command line: {override}"


@pytest.mark.parametrize("override", ["train.optimizer.muon={}", "model.heads=5", "sources.0.python=null"])
def test_a_fault_of_a_whole_block_names_the_override_below_it(recipe: Path, override: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(recipe, ["train.steps=3", override])
    assert caught.value.where == f"command line: {override}"


def test_a_model_that_cannot_be_built_is_said_when_the_recipe_is_read(recipe: Path) -> None:
    recipe.write_text(recipe.read_text() + "model: {d_model: 64, heads: 3}\n")
    with pytest.raises(RecipeError, match="does not split into 3 heads") as caught:
        load_recipe(recipe)
    assert caught.value.where == f"{recipe}:7"


@pytest.mark.parametrize(
    ("override", "shown"),
    [
        ("train=5", "this is a block of settings (found 5)"),
        ("train.steps={a: 1}", "(found a block)"),
        ("train.steps=[1]", "(found a list)"),
        ("name=2026-01-01", "(found the date 2026-01-01)"),
        (f"train.steps={'x' * 500}", "xxx...)"),
    ],
)
def test_the_value_found_is_shown_in_few_words(recipe: Path, override: str, shown: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(recipe, [override])
    assert shown in caught.value.what


@pytest.mark.parametrize("value", [".inf", "-.inf", ".nan"])
def test_a_number_that_is_none_is_refused(recipe: Path, value: str) -> None:
    """It could not be part of a key."""
    with pytest.raises(RecipeError, match=r"train\.clip"):
        load_recipe(recipe, [f"train.clip={value}"])


def test_source_option_replaces_the_sources(recipe: Path, tmp_path: Path) -> None:
    loaded = load_recipe(recipe, [], [tmp_path, Path("other")])
    assert [entry.kind for entry in loaded.sources] == ["directory", "directory"]
    assert loaded.sources[0].settings.path == str(tmp_path)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_every_recipe_we_ship_loads(path: Path) -> None:
    assert load_recipe(path).sources


def test_init_writes_a_recipe_that_is_the_defaults() -> None:
    text = commented_recipe("own", "src/my code")
    written = from_text(text)
    assert written == validate({"name": "own", "sources": [{"directory": {"path": "src/my code"}}]}, {}, "")
    for key in Recipe.model_fields:
        assert f"\n{key}:" in text
    assert all(len(line) < 160 for line in text.splitlines())


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20))
def test_init_keeps_any_folder_name(source: str) -> None:
    assert from_text(commented_recipe("own", source)).sources[0].settings.path == source


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_the_saved_recipe_is_the_recipe(path: Path) -> None:
    loaded = load_recipe(path, ["objectives.fill_in_the_middle=null", "clean.syntax=null"])
    assert from_text(recipe_text(loaded)) == loaded


def test_the_saved_recipe_keeps_weights_and_keys_that_are_numbers(recipe: Path) -> None:
    loaded = load_recipe(recipe, ["sources.0.weight=2.5", "clean.repetition={max_top_ngrams: {2: 0.5}}"])
    again = from_text(recipe_text(loaded))
    assert again.weights == {"python": 2.5}
    assert again.clean.repetition is not None
    assert again.clean.repetition.max_top_ngrams == {2: 0.5}


@pytest.mark.parametrize("block", ["fill_in_the_middle", "ul2"])
def test_a_rate_names_a_source_that_is_there(recipe: Path, block: str) -> None:
    label = load_recipe(recipe).sources[0].settings.label
    loaded = load_recipe(recipe, [f"objectives.{block}={{rate: 0.1, sources: {{{label}: 0.2}}}}"])
    assert loaded.objectives.named_sources == {label}
    with pytest.raises(RecipeError, match=f"a source called 'nobody'; the sources are .*{label}"):
        load_recipe(recipe, [f"objectives.{block}={{rate: 0.1, sources: {{nobody: 0.2}}}}"])


def test_ul2_is_turned_on_as_the_new_recipe_says() -> None:
    text = commented_recipe()
    assert "  # ul2:  (" in text
    on = from_text(text.replace("  # ul2:  (", "  ul2: {}  # ("))
    assert on.objectives.rates(None) == (0.5, 0.25)
    assert from_text(recipe_text(on)) == on


def test_the_saved_recipe_holds_no_credentials(recipe: Path) -> None:
    loaded = load_recipe(recipe, ["track.mlflow.uri=http://ann:s3cret@tracking:5000"])
    assert "s3cret" not in recipe_text(loaded)


def all_models(model: type[BaseModel], seen: set[type[BaseModel]]) -> set[type[BaseModel]]:
    from ownlm.recipe.load import _models_in

    if model not in seen:
        seen.add(model)
        for field in model.model_fields.values():
            for inner in _models_in(field.annotation):
                all_models(inner, seen)
    return seen


@pytest.mark.parametrize("model", sorted(all_models(Recipe, set()), key=lambda model: model.__name__))
def test_every_setting_is_described_and_frozen(model: type[BaseModel]) -> None:
    assert model.model_config["frozen"]
    assert model.model_config["extra"] == "forbid"
    for name, field in model.model_fields.items():
        assert field.description, f"{model.__name__}.{name} has no description"
        assert "\n" not in field.description


def test_known_keys_walk_the_schema() -> None:
    assert "steps" in known_keys(("train",))
    assert known_keys(("train", "optimizer")) == ["adamw", "muon"]
    assert "path" in known_keys(("sources", 0, "directory"))
    assert known_keys(("train", "steps")) == []


@given(st.dictionaries(st.text(max_size=4), st.integers() | st.booleans() | st.text(max_size=4) | st.none()))
def test_canonical_json_is_one_text_for_equal_values(values: dict[str, object]) -> None:
    assert canonical_json(values) == canonical_json(dict(reversed(values.items())))


@pytest.mark.parametrize("value", [{1, 2}, b"bytes", object(), Path("x")])
def test_what_cannot_be_fingerprinted_is_an_error(value: object) -> None:
    with pytest.raises(TypeError):
        canonical_json(value)


def test_nan_has_no_fingerprint() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json(float("nan"))


def test_a_model_the_export_cannot_take_is_told_before_anything_runs(recipe: Path) -> None:
    with pytest.raises(RecipeError, match="not qwen3_moe") as caught:
        load_recipe(recipe, ["model.family=qwen3_moe"])
    assert caught.value.advice is not None
    assert "huggingface" in caught.value.advice
    assert load_recipe(recipe, ["model.family=qwen3_moe", "export=[huggingface]"]).model.family == "qwen3_moe"
    assert load_recipe(recipe, ["model.family=qwen3_moe", "export=[gguf]"]).model.family == "qwen3_moe"
    for form, words in (("gguf", "not of dots1"), ("triton", "not dots1")):
        with pytest.raises(RecipeError, match=words) as raised:
            load_recipe(recipe, ["model.family=dots1", f"export=[{form}]"])
        assert "export" in str(raised.value.where)


def test_settings_of_serving_come_from_a_recipe_or_the_defaults(recipe: Path) -> None:
    assert serve_settings((), None) == ServeConfig()
    assert serve_settings(("serve.queue=9", "serve.feedback={keep_text: true}"), None) == ServeConfig(
        queue=9, feedback=FeedbackConfig(keep_text=True)
    )
    of_recipe = load_recipe(recipe).serve
    assert serve_settings((), recipe) == of_recipe
    assert serve_settings(("serve.queue=9",), recipe) == of_recipe.model_copy(update={"queue": 9})
    with pytest.raises(RecipeError, match="Only settings of serving"):
        serve_settings(("train.steps=3",), recipe)
