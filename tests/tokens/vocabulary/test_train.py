from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError
from tokenizers import Regex
from tokenizers.pre_tokenizers import Split

from ownlm.errors import CorpusError
from ownlm.flow import stages_of
from ownlm.recipe.load import load_recipe
from ownlm.tokens.vocabulary.config import VocabularyConfig, VocabularyStage
from ownlm.tokens.vocabulary.load import Vocabulary
from ownlm.tokens.vocabulary.train import PATTERNS, train
from tests.context import make_context
from tests.tokens.corpora import program, small, train_vocabulary, write_corpus, write_table

ROOT = Path(__file__).resolve().parents[3]

# As written in llama.cpp (src/llama-vocab.cpp, pre-tokenizer types "qwen2" and "llama-bpe"), escapes undone.
LLAMA_CPP = {
    "single": r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "triple": r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
}


def _files(folder: Path) -> dict[str, bytes]:
    names = ("tokenizer.json", "tokenizer_config.json", "vocabulary.json")
    return {name: (folder / name).read_bytes() for name in names}


@pytest.mark.parametrize("size", [416, 417, 500, 540])
def test_the_size_is_exactly_the_one_asked(tmp_path: Path, size: int) -> None:
    vocabulary = Vocabulary.load(train_vocabulary(tmp_path, small()[0], size=size))
    assert vocabulary.size == len(vocabulary.token_bytes) == size


@pytest.mark.parametrize("reserved", [0, 3])
def test_reserved_tokens_are_part_of_the_size(tmp_path: Path, reserved: int) -> None:
    vocabulary = Vocabulary.load(train_vocabulary(tmp_path, small()[0], size=450, reserved=reserved))
    assert vocabulary.size == 450
    assert vocabulary.special.count == 109 + reserved


def test_the_same_bytes_again_and_from_other_files(tmp_path: Path) -> None:
    again = train_vocabulary(tmp_path, write_corpus(tmp_path / "corpus", files=5))
    assert _files(again) == _files(small()[2].parent / "vocabulary")


@pytest.mark.parametrize("threads", ["1", "5"])
def test_the_same_bytes_whatever_the_threads(tmp_path: Path, threads: str) -> None:
    script = (
        "import sys; from pathlib import Path; from tests.tokens.corpora import train_vocabulary;"
        "train_vocabulary(Path(sys.argv[1]), Path(sys.argv[2]))"
    )
    environment = {**os.environ, "RAYON_NUM_THREADS": threads, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": threads}
    command = [sys.executable, "-c", script, str(tmp_path), str(small()[0])]
    subprocess.run(command, check=True, env=environment, cwd=ROOT, timeout=120)
    assert _files(tmp_path / "vocabulary") == _files(small()[2].parent / "vocabulary")


def test_many_equal_counts_still_give_one_result(tmp_path: Path) -> None:
    """Every pair occurs equally often: only the tie-break decides."""
    words = [f"{first}{second}{third}" for first in "abcdefgh" for second in "ijklmnop" for third in "qrstuvwx"]
    corpora = [
        write_corpus(tmp_path / "one", {"train": ["".join(f" {word}" for word in words)] * 2}),
        write_corpus(tmp_path / "two", {"train": ["".join(f" {word}" for word in reversed(words))] * 2}),
    ]
    made = [train_vocabulary(tmp_path, corpus, name=f"v{number}", size=600) for number, corpus in enumerate(corpora)]
    # The words of the second corpus come in another order, with the same counts.
    assert (made[0] / "tokenizer.json").read_bytes() == (made[1] / "tokenizer.json").read_bytes()


@pytest.mark.parametrize("digits", ["single", "triple"])
def test_digits(tmp_path: Path, digits: str) -> None:
    texts = [f"x = {number}  # {number}{number}\n" for number in range(100, 130)] * 100
    texts += [program(seed) for seed in range(20)]
    corpus = write_corpus(tmp_path / "corpus", {"train": texts})
    vocabulary = Vocabulary.load(train_vocabulary(tmp_path, corpus, size=480, digits=digits))
    numbers = [text for text in vocabulary.token_bytes if text.strip().isdigit()]
    assert max(map(len, numbers)) == (1 if digits == "single" else 3)


@pytest.mark.parametrize("digits", ["single", "triple"])
def test_the_pattern_cuts_as_the_one_of_llama_cpp(digits: str) -> None:
    ours = Split(Regex(PATTERNS[digits]), behavior="isolated")
    theirs = Split(Regex(LLAMA_CPP[digits]), behavior="isolated")
    texts = [program(3), "DON'T don't I'Ll we'VE x's 'S", "1234567 ١٢٣٤ ½", "a\r\n\r\n  b \t\n", "…!?\n\n--- x", "  "]
    for text in texts:
        assert ours.pre_tokenize_str(text) == theirs.pre_tokenize_str(text)


def test_one_place_where_llama_cpp_cuts_otherwise() -> None:
    """As with Qwen's own pattern: the long s is an s to one who ignores case, and not to llama.cpp."""
    ours, theirs = (Split(Regex(patterns["single"]), behavior="isolated") for patterns in (PATTERNS, LLAMA_CPP))
    assert [word for word, _ in ours.pre_tokenize_str("'\u017fx")] == ["'\u017f", "x"]
    assert [word for word, _ in theirs.pre_tokenize_str("'\u017fx")] == ["'\u017fx"]


def test_a_size_without_room_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="415 tokens cannot hold 128 special ones") as caught:
        train_vocabulary(tmp_path, small()[0], size=415)
    assert "416 or more" in str(caught.value)


def test_a_corpus_too_small_for_the_size_says_the_largest_one(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"yield a vocabulary of (\d+), not 9000") as caught:
        train_vocabulary(tmp_path, small()[0], size=9000)
    largest = int(str(caught.value).split("vocabulary of ")[1].split(",")[0])
    assert f"set vocabulary.size to {largest} or less" in str(caught.value)
    assert "sample_mb" not in str(caught.value), "the whole corpus was used"
    assert Vocabulary.load(train_vocabulary(tmp_path, small()[0], name="largest", size=largest)).size == largest


def test_a_corpus_too_small_for_any_size_is_not_told_to_take_a_smaller_one(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus", {"train": ["x = 1\n"]})
    with pytest.raises(CorpusError, match="yield a vocabulary of 384, not 540") as caught:
        train_vocabulary(tmp_path, corpus)
    assert str(caught.value).endswith("what to do: add sources")


def test_a_small_sample_is_named_as_the_reason(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="not 540") as caught:
        train_vocabulary(tmp_path, small()[0], sample_mb=0.003)
    assert "raise vocabulary.sample_mb" in str(caught.value)


def test_a_sample_that_holds_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="none of 120 training documents") as caught:
        train_vocabulary(tmp_path, small()[0], sample_mb=0.00001)
    assert "raise vocabulary.sample_mb" in str(caught.value)


def _mixed(folder: Path) -> Path:
    """A corpus with as much Python as text without any."""
    corpus = write_corpus(folder / "corpus")
    write_table(corpus / "train", [f"lorem ipsum dolor {number} sit\n" * 40 for number in range(60)], language="Text")
    return corpus


def test_a_language_with_more_weight_gets_more_of_the_vocabulary(tmp_path: Path) -> None:
    corpus, lengths = _mixed(tmp_path), []
    for number, weights in enumerate([{"Python": 3.0, "Text": 0.1}, {}, {"Python": 0.1, "Text": 3.0}]):
        settings = {"weights": weights} if weights else {}
        folder = train_vocabulary(tmp_path, corpus, name=f"v{number}", sample_mb=0.05, size=480, **settings)
        lengths.append(len(Vocabulary.load(folder).encode("".join(program(seed) for seed in range(5)))))
    assert lengths == sorted(lengths)
    assert lengths[0] < lengths[2]


def test_the_weights_of_sources_are_part_of_what_the_stage_is_given(tmp_path: Path) -> None:
    """A document of a source with a weight is learned from as often as it is packed; the key knows the weights."""
    config = VocabularyConfig(size=480)
    stages = [VocabularyStage(vocabulary=config), VocabularyStage(vocabulary=config, weights={"test": 2.0})]
    made = []
    for number, stage in enumerate(stages):
        context = make_context(tmp_path, stage, {"corpus": small()[0]}, name=f"v{number}")
        made.append(train(context)["sample_documents"])
    assert made == [120, 240]
    assert stages[0].canonical() != stages[1].canonical()


def test_the_flow_gives_the_vocabulary_the_weights_of_sources(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_text(
        f"sources:\n  - directory: {{path: {tmp_path}, name: mine}}\n    weight: 0.5\n"
        "vocabulary: {weights: {Python: 2.0, C++: 0}}\n"
    )
    stage = next(stage for stage in stages_of(load_recipe(file)) if stage.kind == "vocabulary")
    assert isinstance(stage.config, VocabularyStage)
    assert stage.config.weights == {"mine": 0.5}
    assert stage.config.vocabulary.weights == {"Python": 2.0, "C++": 0.0}
    other = load_recipe(file, ["vocabulary.weights.Python=3.0"])
    assert other.vocabulary.weights == {"Python": 3.0, "C++": 0.0}


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"Pyton": 2.0}, "did you mean 'Python'?"),
        ({"COBOL": 2.0}, "name one of Python, Text"),
    ],
)
def test_a_language_that_is_not_there_is_refused(tmp_path: Path, weights: dict[str, float], said: str) -> None:
    with pytest.raises(CorpusError, match="no training document is in") as caught:
        train_vocabulary(tmp_path, _mixed(tmp_path), weights=weights)
    assert said in str(caught.value)
    assert "vocabulary.weights" in str(caught.value)


def test_weights_that_leave_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="leave none of 120 training documents"):
        train_vocabulary(tmp_path, small()[0], weights={"Python": 0.0})


def test_an_empty_corpus_is_refused(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus", {"train": []})
    with pytest.raises(CorpusError, match="no training documents"):
        train_vocabulary(tmp_path, corpus)


def test_statistics_and_page(tmp_path: Path) -> None:
    folder = small()[2].parent / "vocabulary"
    statistics = json.loads((folder / "vocabulary.json").read_text(encoding="utf-8"))
    vocabulary = Vocabulary.load(folder)
    assert statistics["size"] == 540
    assert statistics["content"] == vocabulary.content
    assert statistics["sample_documents"] == 120
    texts = [program(seed) for seed in range(2000, 2006)]
    expected = sum(len(text.encode()) for text in texts) / sum(map(len, vocabulary.encode_batch(texts)))
    assert statistics["bytes_per_token"] == pytest.approx(expected, abs=1e-4)
    assert statistics["bytes_per_token_by_split"]["heldout_files"] == statistics["bytes_per_token"]
    page = (folder / "report/index.html").read_text(encoding="utf-8")
    assert "Bytes per token" in page
    assert "·return" in page


def test_without_held_out_documents_the_sample_is_measured(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus", {"train": [program(seed) for seed in range(50)]})
    folder = train_vocabulary(tmp_path, corpus, size=450)
    statistics = json.loads((folder / "vocabulary.json").read_text(encoding="utf-8"))
    assert statistics["bytes_per_token_by_split"]["heldout_files"] is None
    assert statistics["bytes_per_token"] == statistics["bytes_per_token_by_split"]["sample"] > 2


@pytest.mark.parametrize(
    "wrong", [{"size": 10}, {"sample_mb": 0}, {"reserved": -1}, {"digits": "two"}, {"sizes": 1}, {"weights": {"C": -1}}]
)
def test_settings_are_checked(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        VocabularyConfig(**wrong)


def test_the_density_of_a_large_sample_is_that_of_all_its_languages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C comes before Python by name; of each as large a part is measured. Digits cost a token each, so C is dear."""
    table = tmp_path / "corpus" / "train"
    write_table(table, [f"{number:09d}" * 60 for number in range(40)], language="C")
    write_table(table, [program(number, functions=4) for number in range(40)], language="Python")
    found = {}
    for budget in (10**9, 20_000):
        monkeypatch.setattr("ownlm.tokens.vocabulary.measure.MEASURED_BYTES", budget)
        folder = train_vocabulary(tmp_path, tmp_path / "corpus", name=f"at-most-{budget}", size=540)
        found[budget] = json.loads((folder / "vocabulary.json").read_bytes())["bytes_per_token_by_split"]["sample"]
    assert found[20_000] != found[10**9], "a part was measured"
    assert found[20_000] == pytest.approx(found[10**9], rel=0.3)
    assert found[20_000] > 1.3, "not C alone, whose tokens are a byte each"
