from __future__ import annotations

import hashlib
import itertools
import math
import random
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ownlm.errors import ArtifactError, CorpusError, InputError, RecipeError, StorageError, TrainingError
from ownlm.model.decoder import Decoder
from ownlm.model.load import load_model
from ownlm.pipeline.artifact import sha256_file
from ownlm.pipeline.stage import StageContext
from ownlm.pipeline.tracking.log import MetricLog
from ownlm.tokens.objectives.config import ObjectivesConfig
from ownlm.train.branch import branch_fingerprint
from ownlm.train.checkpoint import CheckpointFolder
from ownlm.train.checkpoint.place import Address
from ownlm.train.config import TrainStage
from ownlm.train.fault import heartbeat
from ownlm.train.fault.heartbeat import Heartbeat
from ownlm.train.monitor.monitors import is_clock
from ownlm.train.run import train
from tests.tokens.shards.s3 import serving
from tests.train.inputs import make_inputs, make_split, small, stage_context

WEIGHTS = "model.safetensors"


def trained(inputs: Path, work: Path, config: TrainStage) -> tuple[str, StageContext]:
    context = stage_context(inputs, work, config)
    train(context)
    return sha256_file(context.out / WEIGHTS), context


def logged(context: StageContext) -> list[dict[str, float]]:
    return [{n: v for n, v in line.items() if not is_clock(n)} for line in MetricLog.read(context.metrics.path)]


class StopError(Exception):
    """Stands for a kill; the real one is in test_kill.py."""


def stop_after(monkeypatch: pytest.MonkeyPatch, saves: int) -> None:
    """Fail when the checkpoint after `saves` more is asked for."""
    save, count = CheckpointFolder.save, [0]

    def counting(self: CheckpointFolder, checkpoint: object) -> None:
        count[0] += 1
        if count[0] > saves:
            raise StopError
        save(self, checkpoint)  # type: ignore[arg-type]

    monkeypatch.setattr(CheckpointFolder, "save", counting)


def test_what_cannot_fit_is_refused_before_anything_is_made(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def little(places: int) -> int:
        asked.append(places)
        return 1_000_000

    monkeypatch.setattr("ownlm.train.planning.here.memory_of_machine", little)
    context = stage_context(inputs, tmp_path, small())
    with pytest.raises(RecipeError, match=r"training needs about .* GB a process on this machine"):
        train(context)
    assert asked == [1]
    assert not list(context.out.iterdir())
    assert not context.metrics.path.exists()
    assert not list(context.scratch.rglob("*"))


def test_it_learns_and_says_so(inputs: Path, tmp_path: Path) -> None:
    context = stage_context(inputs, tmp_path, small(steps=150, batch=8, checkpoint_every=100, eval_every=50))
    metrics = train(context)
    untrained = math.log(load_model(context.out).architecture.vocab_size)
    assert isinstance(metrics["loss"], float)
    assert metrics["loss"] < 0.6 * untrained
    assert isinstance(metrics["heldout_bits_per_byte"], float)
    assert metrics["heldout_bits_per_byte"] < 4
    assert metrics["tokens"] == 150 * 8 * 32
    assert metrics["parameters"] == load_model(context.out).architecture.parameters
    lines = logged(context)
    assert [line["step"] for line in lines] == list(range(2, 151, 2))
    assert [line["step"] for line in lines if "heldout_loss" in line] == [50, 100, 150]
    norms = {f"{kind}_norm/{group}" for kind in ("grad", "update") for group in ("embedding", "layer 0")}
    assert set(lines[0]) == {"step", "loss", "bits_per_byte", "lr", "grad_norm", *norms}


def test_the_artifact_and_its_report(inputs: Path, tmp_path: Path) -> None:
    _, context = trained(inputs, tmp_path, small())
    assert {p.name for p in context.out.iterdir()} >= {WEIGHTS, "model.json", "metrics.jsonl", "report"}
    page = (context.out / "report/index.html").read_text()
    for words in ("Bits per byte", "Learning rate", "gradient", "train.optimizer.muon.lr", "execution.machine"):
        assert words in page
    assert "interrupted" not in page


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_the_same_again_gives_the_same_bytes(inputs: Path, tmp_path: Path, optimizer: str) -> None:
    runs = [trained(inputs, tmp_path / name, small(optimizer=optimizer)) for name in "ab"]
    assert runs[0][0] == runs[1][0]
    assert logged(runs[0][1]) == logged(runs[1][1])


def test_a_mix_of_all_objectives_is_learned_and_continued(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mix = ObjectivesConfig.model_validate(
        {"next_token": 0.2, "fill_in_the_middle": {"rate": 0.3, "level": "document"}, "ul2": {"rate": 0.5}}
    )
    config = small(steps=60, checkpoint_every=20).model_copy(update={"objectives": mix})
    whole, reference = trained(inputs, tmp_path / "whole", config)
    losses = [line["loss"] for line in logged(reference)]
    assert losses[-1] < 0.9 * losses[0]
    with monkeypatch.context() as patched:
        stop_after(patched, 1)
        with pytest.raises(StopError):
            train(stage_context(inputs, tmp_path / "parts", config))
    assert trained(inputs, tmp_path / "parts", config)[0] == whole


SETTINGS: dict[str, dict[str, object]] = {
    "average": {"average": {"decay": 0.9}},
    "batch warm-up": {"batch": 2, "accumulate": 3, "batch_warmup": [[2, 1], [5, 2], [7, 4]]},
    "loader in processes": {"loader": {"workers": 2}},
    "loader in turn": {"loader": {"workers": 0}},
    "linear": {"schedule": "linear"},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_continues_bit_for_bit(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    config = small(checkpoint_every=3, log_every=2, **SETTINGS[name])
    whole, reference = trained(inputs, tmp_path / "whole", config)
    with monkeypatch.context() as patched:
        stop_after(patched, 2)
        with pytest.raises(StopError):
            train(stage_context(inputs, tmp_path / "parts", config))
    weights, again = trained(inputs, tmp_path / "parts", config)
    assert (weights, logged(again)) == (whole, logged(reference))


def test_loaders_change_nothing_and_are_no_reason_to_start_over(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, _ = trained(inputs, tmp_path / "whole", small())
    with monkeypatch.context() as patched:
        stop_after(patched, 2)
        with pytest.raises(StopError):
            train(stage_context(inputs, tmp_path / "parts", small(loader={"workers": 0})))
    again = stage_context(inputs, tmp_path / "parts", small(loader={"ahead": 2}))
    train(again)
    assert sha256_file(again.out / WEIGHTS) == whole
    assert "continued from its checkpoints at step 8" in (again.out / "report/index.html").read_text()


def test_the_mean_of_the_weights_is_measured_and_saved(inputs: Path, tmp_path: Path) -> None:
    plain, averaged = small(), small(average={"decay": 0.5})
    (weights, one), (mean, other) = trained(inputs, tmp_path / "a", plain), trained(inputs, tmp_path / "b", averaged)
    assert weights != mean
    assert [line["loss"] for line in logged(one)] == [line["loss"] for line in logged(other)]  # training is the same
    assert logged(one)[-1]["heldout_loss"] != logged(other)[-1]["heldout_loss"]


def test_tokens_of_growing_batches_are_counted(inputs: Path, tmp_path: Path) -> None:
    config = small(batch=2, accumulate=2, batch_warmup=[[4, 1], [6, 2]])
    assert train(stage_context(inputs, tmp_path, config))["tokens"] == (4 * 1 + 2 * 2 + 6 * 4) * 32


def plateau(inputs: Path, work: Path, monkeypatch: pytest.MonkeyPatch, **settings: object) -> Path:
    """The checkpoint after 8 of 12 steps of a run without a decay, killed later."""
    with monkeypatch.context() as patched:
        stop_after(patched, 2)
        with pytest.raises(StopError):
            train(stage_context(inputs, work, small(schedule={"wsd": {"warmup_steps": 3, "decay": 0}}, **settings)))
    return work / "out" / "scratch" / "checkpoints" / "step-00000008"


@pytest.mark.parametrize("average", [None, {"decay": 0.9}])
def test_a_branch_is_the_run_that_decayed_there(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, average: object
) -> None:
    """16 steps, decaying from the ninth on: in one run, and as a branch of one that would have gone on."""
    point = plateau(inputs, tmp_path / "plateau", monkeypatch, average=average)
    straight = small(steps=16, schedule={"wsd": {"warmup_steps": 3, "decay": 0.5}}, average=average)
    whole, reference = trained(inputs, tmp_path / "whole", straight)
    branch = small(steps=16, schedule={"wsd": {"warmup_steps": 3, "decay": 0}}, average=average, branch=str(point))
    weights, context = trained(inputs, tmp_path / "branch", branch)
    assert weights == whole
    assert logged(context) == [line for line in logged(reference) if line["step"] > 8]
    assert "interrupted" not in (context.out / "report/index.html").read_text()


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"seed": 3}, ArtifactError, "another model, or of other data"),
        ({"batch": 4}, ArtifactError, "another model, or of other data"),
        ({"steps": 8}, RecipeError, "no steps left"),
        ({"schedule": "cosine"}, RecipeError, "plateau"),
    ],
)
def test_a_branch_that_does_not_fit_is_refused(
    inputs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, object],
    error: type[Exception],
    words: str,
) -> None:
    point = plateau(inputs, tmp_path / "plateau", monkeypatch)
    with pytest.raises(error, match=words):
        train(stage_context(inputs, tmp_path / "branch", small(**{"steps": 16, "branch": str(point), **settings})))


def test_a_damaged_checkpoint_is_not_branched_from(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = plateau(inputs, tmp_path / "plateau", monkeypatch)
    state = point / "rank-00000.safetensors"
    state.write_bytes(state.read_bytes()[:-1])
    with pytest.raises(ArtifactError, match="damaged"):
        train(stage_context(inputs, tmp_path / "branch", small(steps=16, branch=str(point))))
    with pytest.raises(InputError, match="no checkpoint to branch from"):
        branch_fingerprint(str(tmp_path / "nowhere"), tmp_path)


@pytest.fixture(params=["file", "s3"])
def far(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "file":
        yield f"file://{tmp_path}/far"
    else:
        pytest.importorskip("moto.server")
        with serving():
            yield "s3://shards/far"


def test_a_branch_from_a_url(inputs: Path, tmp_path: Path, far: str) -> None:
    """The same weights as from a folder."""
    wsd = {"wsd": {"warmup_steps": 3, "decay": 0}}

    def kept(to: str) -> str:
        config = small(schedule=wsd, checkpoints={"every": 8, "keep_last": 2, "to": to})
        work = tmp_path / f"plateau-{hashlib.sha256(to.encode()).hexdigest()}"
        (run,) = re.findall(
            r"run-[0-9a-f]{16}", (trained(inputs, work, config)[1].out / "report/index.html").read_text()
        )[:1]
        return f"{to}/{run}/step-00000008"

    here, there = kept(str(tmp_path / "here")), kept(far)
    assert branch_fingerprint(there, tmp_path) == branch_fingerprint(f"{there}/", tmp_path)
    ends = [
        trained(inputs, tmp_path / f"branch-{number}", small(steps=16, schedule=wsd, branch=point))[0]
        for number, point in enumerate([here, there])
    ]
    assert ends[0] == ends[1]
    for nowhere in (f"{far}/step-00000099", far):
        with pytest.raises(InputError, match="no checkpoint to branch from"):
            branch_fingerprint(nowhere, tmp_path)


def test_a_branch_from_a_url_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that refuses is not one that has no checkpoint."""

    def refuse(self: Address, step: int) -> bytes:
        raise PermissionError(13, "Access Denied")

    monkeypatch.setattr(Address, "description", refuse)
    with pytest.raises(StorageError, match=r"cannot be read.*Access Denied"):
        branch_fingerprint("memory://run/step-00000008", tmp_path)


def test_a_file_in_the_place_of_the_checkpoints_folder(inputs: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    config = small(checkpoints={"every": 4, "to": str(tmp_path / "file")})
    with pytest.raises(StorageError, match=r"the checkpoint of step 4 cannot be written: .*Not a directory") as caught:
        train(stage_context(inputs, tmp_path / "work", config))
    assert str(tmp_path / "file") in str(caught.value)
    assert "what to do" in str(caught.value)


def test_a_clock_that_jumps_changes_nothing(inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Days back and forth at every look: no process is taken for a stuck one, what a run took is what it took."""
    whole, reference = trained(inputs, tmp_path / "whole", small())
    true, draw, ends = time.time, random.Random(1), list[bool]()
    monkeypatch.setattr(time, "time", lambda: true() + draw.uniform(-1e7, 1e7))
    monkeypatch.setattr(heartbeat, "_LOOKS", 10_000)
    monkeypatch.setattr(Heartbeat, "_end", lambda self: ends.append(True))
    context = stage_context(inputs, tmp_path / "jumping", small(fault={"hang_after_s": 60}))
    seconds = train(context)["seconds"]
    assert sha256_file(context.out / WEIGHTS) == whole
    assert logged(context) == logged(reference)
    assert isinstance(seconds, float)
    assert 0 <= seconds < 86400
    lines = MetricLog.read(context.metrics.path)
    assert any(later["time"] < line["time"] for line, later in itertools.pairwise(lines))
    assert all(1e-3 < line["tokens_per_s"] < 1e9 for line in lines)
    assert not ends


def test_another_seed_gives_another_model(inputs: Path, tmp_path: Path) -> None:
    assert trained(inputs, tmp_path / "a", small(seed=1))[0] != trained(inputs, tmp_path / "b", small(seed=2))[0]


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("saves", [0, 1, 2])
def test_continued_equals_uninterrupted(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, saves: int, optimizer: str
) -> None:
    """Weights, and every logged number but the clock's; log lines and checkpoints do not fall on the same steps."""
    config = small(checkpoint_every=5, log_every=3, accumulate=2, optimizer=optimizer)
    whole, reference = trained(inputs, tmp_path / "whole", config)
    context = stage_context(inputs, tmp_path / "parts", config)
    with monkeypatch.context() as patched:
        stop_after(patched, saves)
        with pytest.raises(StopError):
            train(context)
    again = stage_context(inputs, tmp_path / "parts", config)
    train(again)
    assert sha256_file(again.out / WEIGHTS) == whole
    assert logged(again) == logged(reference)
    page = (again.out / "report/index.html").read_text()
    assert ("interrupted and continued" in page) == (saves > 0)


def test_a_damaged_newest_checkpoint_costs_steps_not_the_run(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, _ = trained(inputs, tmp_path / "whole", small())
    context = stage_context(inputs, tmp_path / "parts", small())
    with monkeypatch.context() as patched:
        stop_after(patched, 2)
        with pytest.raises(StopError):
            train(context)
    newest = max((context.scratch / "checkpoints").iterdir())
    state = newest / "rank-00000.safetensors"
    state.write_bytes(state.read_bytes()[:-100])
    assert trained(inputs, tmp_path / "parts", small())[0] == whole


def test_a_checkpoint_of_other_settings_is_not_continued(inputs: Path, tmp_path: Path) -> None:
    trained(inputs, tmp_path / "one", small(seed=5))
    there, _ = trained(inputs, tmp_path / "one", small(seed=6))
    fresh, _ = trained(inputs, tmp_path / "two", small(seed=6))
    assert there == fresh


def test_a_finished_run_called_again_trains_nothing(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after training, before the manifest: the last checkpoint holds the result."""
    whole, _ = trained(inputs, tmp_path, small())
    monkeypatch.setattr(Decoder, "hidden", None)
    assert trained(inputs, tmp_path, small())[0] == whole


def test_a_loss_that_is_no_number_names_step_and_documents(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden, calls = Decoder.hidden, [0]

    def spoiled(self: Decoder, *arguments: object) -> object:
        calls[0] += 1
        return hidden(self, *arguments) * (float("nan") if calls[0] == 7 else 1.0)  # type: ignore[arg-type]

    monkeypatch.setattr(Decoder, "hidden", spoiled)
    with pytest.raises(TrainingError, match="step 7 is not a number") as caught:
        train(stage_context(inputs, tmp_path, small(eval_every=0)))
    assert "repo" in str(caught.value.where)
    assert "file" in str(caught.value.where)
    assert "learning rate" in str(caught.value.advice)


def test_a_wild_learning_rate_ends_in_words(inputs: Path, tmp_path: Path) -> None:
    config = small(
        steps=300,
        optimizer={"adamw": {"lr": 1.0, "beta2": 0.0, "weight_decay": 10.0}},
        schedule={"wsd": {"warmup_steps": 0}},
        clip=1e30,
    )
    with pytest.raises(TrainingError, match="is not a number"):
        train(stage_context(inputs, tmp_path, config))


def test_too_few_tokens_for_a_step(tmp_path: Path) -> None:
    inputs = make_inputs(tmp_path / "inputs", documents=20)
    with pytest.raises(CorpusError, match="one step wants 4000") as caught:
        train(stage_context(inputs, tmp_path, small(batch=1000, accumulate=4)))
    assert "train.batch" in str(caught.value.advice)


def test_too_few_tokens_for_the_context(tmp_path: Path) -> None:
    inputs = make_inputs(tmp_path / "inputs", documents=2)
    config = small().model_copy(update={"context": 4096})
    with pytest.raises(CorpusError, match="context of 4096"):
        train(stage_context(inputs, tmp_path, config))


def test_without_held_out_text_it_trains_and_says_so(tmp_path: Path) -> None:
    from ownlm.tokens.vocabulary.load import Vocabulary

    inputs = make_inputs(tmp_path / "inputs")
    make_split(inputs / "shards" / "heldout_files", Vocabulary.load(inputs / "vocabulary"), range(0))
    context = stage_context(inputs, tmp_path, small())
    assert train(context)["heldout_bits_per_byte"] is None
    assert "Too little text is held out" in (context.out / "report/index.html").read_text()


def test_many_passes_over_the_data_are_warned_of(tmp_path: Path) -> None:
    inputs = make_inputs(tmp_path / "inputs", documents=4)
    context = stage_context(inputs, tmp_path, small(steps=100, batch=8))
    train(context)
    assert "learns its corpus by heart" in (context.out / "report/index.html").read_text()


def test_shards_of_another_vocabulary_are_refused(inputs: Path, tmp_path: Path) -> None:
    context = stage_context(inputs, tmp_path, small())
    tokenizer = tmp_path / "other" / "tokenizer.json"
    tokenizer.parent.mkdir()
    text = (inputs / "vocabulary" / "tokenizer.json").read_text()
    tokenizer.write_text(text + "\n")
    from tests.context import artifact_at

    context.inputs["vocabulary"] = artifact_at(tokenizer.parent)  # type: ignore[index]
    with pytest.raises(ArtifactError, match="another vocabulary"):
        train(context)


def test_an_impossible_model_is_refused(inputs: Path, tmp_path: Path) -> None:
    config = small()
    bad = config.model_copy(update={"model": config.model.model_copy(update={"heads": 3})})
    with pytest.raises(RecipeError, match="heads"):
        train(stage_context(inputs, tmp_path, bad))
