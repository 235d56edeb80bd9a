"""The figures of the report, against plain counting, and what they may change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ownlm.errors import InputError
from ownlm.pipeline.artifact import content_hash, describe_files
from ownlm.pipeline.progress import SilentProgress
from ownlm.tokens.corpus import CorpusTable
from ownlm.tokens.vocabulary import figures as module
from ownlm.tokens.vocabulary import heldout
from ownlm.tokens.vocabulary.compare import RivalConfig
from ownlm.tokens.vocabulary.heldout import measure_side_by_side
from ownlm.tokens.vocabulary.load import Vocabulary
from ownlm.tokens.vocabulary.rivals import load_rival, own
from ownlm.tokens.vocabulary.usage import Usage
from tests.tokens.corpora import program, small, train_vocabulary, write_corpus, write_table
from tests.tokens.vocabulary.rivals_on_disk import byte_level, word_pieces, write_ranks

GO = "package main\n\nfunc Add%d(left int, right int) int {\n\treturn left + right\n}\n"


def on_disk(tmp_path: Path) -> list[dict[str, str]]:
    """A tokenizer.json of each kind and a file of ranks, as the recipe names them."""
    for name, tokenizer in (("gpt", byte_level()), ("bert", word_pieces())):
        (tmp_path / name).mkdir()
        tokenizer.save(str(tmp_path / name / "tokenizer.json"))
    ranks = write_ranks(tmp_path / "own.tiktoken", r"\w+|\W")
    return [
        {"path": str(tmp_path / "gpt")},
        {"path": str(tmp_path / "bert" / "tokenizer.json"), "name": "lower case"},
        {"path": str(ranks), "pattern": r"\w+|\W"},
    ]


def figures_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "report/figures.json").read_text(encoding="utf-8"))
    return found


def test_tokenizers_are_measured_on_the_same_documents_by_language(tmp_path: Path) -> None:
    vocabulary = small()[1]
    python, go = [*map(program, range(2000, 2006)), 'x = "\u4e00"\n'], [GO % number for number in range(9)]
    split = write_table(write_table(tmp_path / "split", python), go, language="Go")
    rivals = [load_rival(RivalConfig(**one)) for one in on_disk(tmp_path)]
    usage = Usage(vocabulary.size)
    measured = measure_side_by_side([own(vocabulary), *rivals], split, 0, usage, SilentProgress())
    assert [list(one.languages) for one in measured] == [["Go", "Python"]] * 4
    for one in measured:
        for language, texts in (("Go", go), ("Python", python)):
            tokens = sum(len(one.coder.encode([text])[0]) for text in texts)
            size = sum(len(text.encode()) for text in texts)
            assert (one.languages[language].bytes, one.languages[language].tokens) == (size, tokens)
            assert one.bytes_per_token(language) == pytest.approx(size / tokens, abs=1e-4)
            assert one.languages[language].identifiers is not None
        whole = [one.languages[name] for name in ("Go", "Python")]
        expected = sum(figures.bytes for figures in whole) / sum(figures.tokens for figures in whole)
        assert one.bytes_per_token() == pytest.approx(expected, abs=1e-4)
    assert [one.keeps_text for one in measured] == [True, True, False, True]
    assert measured[2].languages["Python"].unknown > 0 == measured[1].languages["Python"].unknown
    assert usage.held_out.sum() == sum(figures.tokens for figures in measured[0].languages.values())


def test_each_language_is_measured_up_to_its_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A document larger than the share is measured all the same when there is no other."""
    python = [program(seed) for seed in range(40)]
    split = write_table(write_table(tmp_path / "split", python), [GO % 1 * 100], language="Go")
    size = sum(len(text.encode()) for text in python)
    monkeypatch.setattr(heldout, "MEASURED_BYTES", size)
    monkeypatch.setattr(heldout, "LEAST_BYTES", 100)
    monkeypatch.setattr(heldout, "PARSED_BYTES", 2)
    (one,) = measure_side_by_side([own(small()[1])], split, 0, Usage(small()[1].size), SilentProgress())
    assert 0.3 * size < one.languages["Python"].bytes <= size // 2
    assert one.languages["Go"].bytes == len(GO % 1 * 100)
    found = one.languages["Python"].identifiers
    assert found is not None
    assert found.occurrences < 200, "of the first document only"


def test_an_empty_part_is_no_language(tmp_path: Path) -> None:
    split = write_table(write_table(tmp_path / "split", [program(1)]), [], language="Go")
    (one,) = measure_side_by_side([own(small()[1])], split, 0, Usage(small()[1].size), SilentProgress())
    assert list(one.languages) == ["Python"]


def test_figures_of_a_vocabulary_and_its_rivals(tmp_path: Path) -> None:
    folder = train_vocabulary(tmp_path, small()[0], compare=on_disk(tmp_path))
    found = figures_of(folder)
    assert found["measured_on"] == "heldout_files"
    assert [(one["name"], one["kind"], one["size"]) for one in found["tokenizers"]] == [
        ("ours, 540 tokens", "own", 540),
        ("ours, 416 tokens", "own, another size", 416),
        ("gpt", "huggingface", 400),
        ("lower case", "huggingface", 200),
        ("own", "tiktoken", 300),
    ]
    vocabulary = Vocabulary.load(folder)
    ours = found["tokenizers"][0]
    assert ours["bytes_per_token"] == found["bytes_per_token"]
    assert ours["bytes_per_token"] > found["tokenizers"][1]["bytes_per_token"]
    assert sum(found["token_bytes"].values()) == 540 - 128
    lengths = [len(token) for token in vocabulary.token_bytes[128:]]
    assert found["token_bytes"] == {str(length): lengths.count(length) for length in sorted(set(lengths))}
    assert found["repositories"]["count"] == 24
    assert sum(found["repositories"]["learned_tokens"].values()) == 540 - 128 - 256
    assert found["unused"]["learned"] == len(found["unused"]["tokens"]) == _never_used(vocabulary)
    page = (folder / "report/index.html").read_text(encoding="utf-8")
    for name in ("ours, 540 tokens", "ours, 416 tokens", "gpt", "lower case", "Tokens of a single repository"):
        assert name in page


def _never_used(vocabulary: Vocabulary) -> int:
    used: set[int] = set()
    for split in ("train", "heldout_files"):
        for batch in CorpusTable(small()[0] / split).batches(["content"]):
            used.update(*vocabulary.encode_batch(batch.column("content").to_pylist()))
    return len(set(range(128 + 256, vocabulary.size)) - used)


def test_the_same_figures_again_and_from_other_files(tmp_path: Path) -> None:
    again = train_vocabulary(tmp_path, write_corpus(tmp_path / "corpus", files=5))
    before = small()[2].parent / "vocabulary"
    for name in ("report/figures.json", "report/index.html"):
        assert (again / name).read_bytes() == (before / name).read_bytes()


def test_naming_a_rival_changes_nothing_that_later_stages_depend_on(tmp_path: Path) -> None:
    compared = train_vocabulary(tmp_path, small()[0], compare=on_disk(tmp_path), compare_size=450)
    plain = small()[2].parent / "vocabulary"
    assert content_hash(describe_files(compared)) == content_hash(describe_files(plain))


@pytest.mark.parametrize("size", [500, 560])
def test_another_size_is_the_vocabulary_trained_to_it(tmp_path: Path, size: int) -> None:
    compared = figures_of(train_vocabulary(tmp_path, small()[0], compare_size=size))["tokenizers"][1]
    apart = figures_of(train_vocabulary(tmp_path, small()[0], name="apart", size=size))["tokenizers"][0]
    assert compared == apart | {"kind": "own, another size"}


def test_a_size_the_sample_does_not_reach_is_the_one_it_reaches(tmp_path: Path) -> None:
    folder = train_vocabulary(tmp_path, small()[0], compare_size=9000)
    assert [one["size"] for one in figures_of(folder)["tokenizers"]] == [540, 566]
    largest = train_vocabulary(tmp_path, small()[0], name="largest", size=566, compare_size=9000)
    assert [one["size"] for one in figures_of(largest)["tokenizers"]] == [566]


def test_the_same_size_is_no_other(tmp_path: Path) -> None:
    folder = train_vocabulary(tmp_path, small()[0], compare_size=540)
    assert [one["kind"] for one in figures_of(folder)["tokenizers"]] == ["own"]


def test_a_damaged_rival_is_said_before_anything_is_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tokenizer.json").write_text("{")
    monkeypatch.setattr("ownlm.tokens.vocabulary.train.train_tokenizer", lambda *_: pytest.fail("trained"))
    with pytest.raises(InputError, match="cannot be read"):
        train_vocabulary(tmp_path, small()[0], compare=[{"path": str(tmp_path)}])


def test_what_one_repository_repeats_is_found(tmp_path: Path) -> None:
    """Five documents are a repository: the third one's are full of a word nobody else knows."""
    texts = [program(seed) for seed in range(60)]
    for number in range(10, 15):
        texts[number] += "qxzzyqxzzy = qxzzyqxzzy\n" * 200
    folder = train_vocabulary(tmp_path, write_corpus(tmp_path / "corpus", {"train": texts, "heldout_files": texts[:1]}))
    found = figures_of(folder)["repositories"]
    first = found["tokens"][0]
    assert first["text"].strip("·") == "qxzzyqxzzy"
    assert (first["repository"], first["documents"], first["times"]) == ("repo-Python-2", 5, 1000)
    assert first["path"] == "pkg/module_00010.py"
    assert found["often_in_one"] == len(found["tokens"]) >= 2
    assert len(found["tokens"]) <= module.LISTED
