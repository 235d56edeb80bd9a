"""The command line: every way it ends has its exit code and, for an error, one message on stderr."""

from __future__ import annotations

import errno
import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from ownlm import __version__, cli
from ownlm.errors import OwnlmError, TrainingError
from ownlm.pipeline.store import Store
from ownlm.recipe.load import load_recipe
from ownlm.train.spikes.records import RUN
from tests.test_rate_sweep import WIDE, Proxies
from tests.toy_run import STAGES, toy_stages, write_recipe

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


Ownlm = Callable[..., Done]


@pytest.fixture
def ownlm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ownlm:
    """Run a command in this process, in a folder of its own, as the shell would."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str | Path) -> Done:
        monkeypatch.setattr(sys, "argv", ["ownlm", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        written = capsys.readouterr()
        code = ended.value.code
        return Done(code if isinstance(code, int) else 0, written.out, written.err)

    return call


def refused(done: Done, code: int, *words: str) -> None:
    assert done.code == code, done
    assert done.err.startswith("error: ")
    assert "Traceback" not in done.err
    for word in words:
        assert word in done.err


def test_version(ownlm: Ownlm) -> None:
    assert ownlm("--version") == Done(0, f"ownlm {__version__}\n", "")


def test_a_wrong_command_line_ends_with_two(ownlm: Ownlm) -> None:
    unknown = ownlm("pland")
    assert unknown.code == 2
    assert "Did you mean 'plan'?" in unknown.err
    for wrong in (["plan"], ["run", "r.yaml", "--nothing"], ["serve", "--port", "99999"], ["serve", "--port", "-1"]):
        assert ownlm(*wrong).code == 2, wrong
    assert ownlm("complete", "x", "--temperature", "3").code == 2
    for command in ("init", "plan", "run", "show", "serve", "complete"):
        assert command in ownlm("--help").out


def test_init_then_plan(ownlm: Ownlm, tmp_path: Path) -> None:
    write_recipe(tmp_path)
    done = ownlm("init", "own.yaml", "--source", "code")
    assert (done.code, done.out) == (0, "Wrote own.yaml. Next: ownlm plan own.yaml\n")
    assert load_recipe(Path("own.yaml")).name == "own"
    planned = ownlm("plan", "own.yaml", "train.steps=10")
    assert planned.code == 0, planned.err
    assert "10 steps" in planned.out
    assert all(name in planned.out for name in STAGES)
    assert Path(".ownlm").is_dir()


def test_init_writes_over_nothing_unless_told(ownlm: Ownlm) -> None:
    Path("recipe.yaml").write_text("mine")
    refused(ownlm("init"), 2, "recipe.yaml", "--force")
    assert Path("recipe.yaml").read_text() == "mine"
    assert ownlm("init", "--force").code == 0
    assert load_recipe(Path("recipe.yaml")).name == "recipe"


@pytest.mark.parametrize("name", ["none/r.yaml", ".", "x" * 300])
def test_init_where_no_file_can_be(ownlm: Ownlm, name: str) -> None:
    refused(ownlm("init", name, "--force"), 5, "refuses", name, "what to do")


@pytest.mark.parametrize("folder", ['a "b" \\n', "ünï", "a: b", "-", "#x", "{a}", "\t"])
def test_init_names_any_folder(ownlm: Ownlm, folder: str) -> None:
    assert ownlm("init", "r.yaml", "--source", folder).code == 0
    assert load_recipe(Path("r.yaml")).sources[0].settings.path == folder


def test_init_cannot_name_what_yaml_cannot_write(ownlm: Ownlm) -> None:
    refused(ownlm("init", "r.yaml", "--source", os.fsdecode(b"\xff")), 2, "UTF-8")


def test_plan_and_show_before_a_run(ownlm: Ownlm, tmp_path: Path) -> None:
    refused(ownlm("plan", "none.yaml"), 2, "none.yaml", "ownlm init")
    assert "Nothing was made here yet" in ownlm("show").out
    refused(ownlm("show", "train"), 4, "No artifact")
    refused(ownlm("show", "--lineage"), 2, "needs the name")
    for command in (["serve"], ["complete", "x"], ["complete", "-"]):
        refused(ownlm(*command), 3, "ownlm run")
    Path("file").write_text("")
    refused(ownlm("plan", write_recipe(tmp_path), "--home", "file"), 5, "home folder", "--home")
    refused(ownlm("plan", "small.yaml", "--source", "file"), 3, "not a folder")


@pytest.mark.parametrize(
    "override",
    [
        "train.clip=.inf",
        "train.clip=.nan",
        "model.heads=3",
        "sources.0.directory=null",
        "name=2026-01-01",
        "name=2026-13-45",
        "ask=[[[[[[]]]]]]",
        "sources.²=1",
        "=",
        "a=[",
        "train=5",
        "track=&a [*a]",
        f"name={'x' * 300}",
    ],
)
def test_a_wrong_setting_is_named(ownlm: Ownlm, tmp_path: Path, override: str) -> None:
    path = write_recipe(tmp_path)
    refused(ownlm("run", path, override), 2, f"command line: {override}")
    assert not list(Path(".ownlm").glob("*/*")), "nothing was begun"


def test_run_show_and_run_again(ownlm: Ownlm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toy_stages(monkeypatch)
    path = write_recipe(tmp_path)
    done = ownlm("run", path, "--no-serve", "--workers", "1", "--home", "home")
    assert done.code == 0, done.err
    assert [line.split()[1] for line in done.out.splitlines() if line.startswith("✓")] == STAGES
    assert "index.html" in done.out
    monkeypatch.setenv("OWNLM_HOME", "home")
    assert ownlm("run", path, "--no-serve").out.count("cached") == 8
    assert "nothing to make" in ownlm("plan", path).out
    assert "run small: complete" in ownlm("show", "--verify").out
    assert ownlm("show", "train", "--verify").out.startswith("artifact     train-")
    assert "sources" in ownlm("show", "train", "--lineage").out


def test_plan_proposes_layouts(ownlm: Ownlm, tmp_path: Path) -> None:
    path = write_recipe(tmp_path)
    done = ownlm("plan", path, "--gpus", "4", "--gpu", "l4-24gb", "--price", "0.5")
    assert done.code == 0, done.err
    assert "layouts on 4 l4-24gb: " in done.out
    (line,) = (line for line in done.out.splitlines() if line.startswith("settings"))
    settings = line.split()[1:]
    assert math.prod(int(one.split("=")[1]) for one in settings if one.startswith("train.mesh.")) == 4
    planned = ownlm("plan", path, *settings)
    assert planned.code == 0, planned.err
    assert "layouts" not in planned.out
    refused(ownlm("plan", path, "--gpus", "4", "--gpu", "abacus"), 2, "abacus", "l4-24gb")
    refused(ownlm("plan", path, "--gpus", "9", "--nodes", "2"), 2, "--nodes", "give --nodes 3")


def test_a_learning_rate_is_swept_for(ownlm: Ownlm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    proxies = Proxies(monkeypatch)
    command = ["train", "sweep", write_recipe(tmp_path), *WIDE, "--lrs", "3e-3,6e-3,1.2e-2", "--seeds", "1"]
    done = ownlm(*command, "--steps", "30", "--out", "found")
    assert done.code == 0, done.err
    assert [config.train.steps for config in proxies.trained] == [30] * 3
    assert "train.optimizer.adamw.lr=" in done.out
    assert "page  found/" in done.out
    assert json.loads(Path("found", "sweep.json").read_text())["overrides"]
    refused(ownlm(*command[:-4], "--lrs", "1e-3"), 2, "at least two rates")


def test_incidents_for_programs(ownlm: Ownlm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toy_stages(monkeypatch)
    path = write_recipe(tmp_path)
    assert ownlm("run", path, "--no-serve", "--workers", "1").code == 0
    (made,) = Path(".ownlm/artifacts").glob("train-*")
    (made / RUN).parent.mkdir(parents=True, exist_ok=True)
    (made / RUN).write_text("{}")  # which the toy's training does not write
    assert ownlm("train", "incidents", path, "--json").out == "[]\n"
    assert "No incidents in" in ownlm("train", "incidents", path).out
    for step in (20, 7):
        folder = made / "report" / "incidents" / f"step-{step:08d}"
        folder.mkdir(parents=True)
        one = {"step": step, "loss": 9.5, "grad_norm": "NaN", "action": "noted", "documents": []}
        (folder / "incident.json").write_text(json.dumps(one))
    found = json.loads(ownlm("train", "incidents", path, "--json").out)
    assert [one["step"] for one in found] == [7, 20]
    assert all(Path(one["page"]).parent.is_dir() for one in found)
    assert "step 20: loss 9.500" in ownlm("train", "incidents", path).out
    (folder / "incident.json").write_text("{")
    refused(ownlm("train", "incidents", path, "--json"), 4, "cannot be read")


def raising(error: BaseException) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


def test_an_error_is_one_message_and_its_code(ownlm: Ownlm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toy_stages(monkeypatch, {"train": raising(TrainingError("No [red] loss.", where="[/x]", advice="Lower lr."))})
    done = ownlm("run", write_recipe(tmp_path), "--no-serve")
    refused(done, 9)
    assert done.err == "error: No [red] loss.\n  where: [/x]\n  what to do: Lower lr.\n"


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (OwnlmError("It broke."), 1, "error: It broke."),
        (KeyboardInterrupt(), 130, "Interrupted. What was made is kept"),
        (OSError(errno.ENOSPC, "No space left on device"), 5, "The disk is full."),
        (PermissionError(errno.EACCES, "Permission denied", "/a/[b]"), 5, "Permission denied.\n  where: /a/[b]"),
    ],
)
def test_every_way_a_stage_may_end(
    ownlm: Ownlm,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    code: int,
    said: str,
) -> None:
    toy_stages(monkeypatch, {"shards": raising(error)})
    done = ownlm("run", write_recipe(tmp_path), "--no-serve")
    assert done.code == code
    assert said in done.err
    assert "Traceback" not in done.err
    assert len(list(Store(Path(".ownlm")).artifacts.iterdir())) == 4, "what was made is kept"


def test_our_own_mistakes_are_not_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of the program shows its trace: that is what a report needs."""
    monkeypatch.chdir(tmp_path)
    toy_stages(monkeypatch, {"lake": raising(RuntimeError("a bug"))})
    monkeypatch.setattr(sys, "argv", ["ownlm", "run", str(write_recipe(tmp_path)), "--no-serve"])
    with pytest.raises(RuntimeError, match="a bug"):
        cli.main()


def test_the_program_itself_speaks_where_the_terminal_knows_no_signs(tmp_path: Path) -> None:
    """As a process: output that knows no umlaut costs a letter, not the command."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "ownlm.cli", "init", "ü.yaml"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Wrote ?.yaml. Next: ownlm plan ?.yaml\n"
