"""The spike story, by the command line: files poisoned, a run that notices, blame that finds them, replay elsewhere."""

from __future__ import annotations

import base64
import json
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.whole_way import Workplace, environment
from tests.train.inputs import document

RECIPE = """\
name: spiky
sources:
  - directory: {path: CODE}
clean: {encoding: {}, exact_duplicates: {}, line_length: null, alphanumeric: null, data_literals: null, syntax: null,
        secrets: null, personal_data: null, near_duplicates: null}
split: {files: 0.03}
vocabulary: {size: 600}
shards: {context: 64}
objectives: {fill_in_the_middle: null}
model: {size: 1m, d_model: 48, layers: 2, heads: 2, kv_heads: 2, d_ff: 96}
train:
  steps: 240
  batch: 8
  optimizer: {muon: {lr: 0.02, embeddings: {lr: 0.02}}}
  schedule: {wsd: {warmup_steps: 5}}
  compile: "off"
  checkpoints: {every: 60, keep_every: 60, to: KEPT}
  spikes: {warmup_steps: 60, window: 64, apart: 1, incidents: 40}
evaluate: {bits_per_byte: {max_tokens: 2000}, hidden_lines: null}
export: {huggingface: {}, ctranslate2: null}
serve: {port: 0}
"""
KINDS = ("noise", "repeated", "shuffled")


def make(folder: Path) -> Workplace:
    """Twelve repositories of simple code, one of them with poisoned files in it."""
    place = Workplace(folder)
    for number in range(600):
        repo = place.code / f"repo{number % 12}" / "src"
        repo.mkdir(parents=True, exist_ok=True)
        (repo / f"part{number}.py").write_text(document(number))
    for target in (f"repo{n}" for n in range(12)):  # which repositories are held out is decided by their names
        for kind in KINDS:
            (place.code / target / "src" / f"{kind}.py").write_text(_poisoned(kind, random.Random(f"{kind} {target}")))
    text = RECIPE.replace("CODE", json.dumps(str(place.code))).replace("KEPT", json.dumps(str(folder / "kept")))
    (folder / "spiky.yaml").write_text(text)
    return place


def _poisoned(kind: str, draw: random.Random) -> str:
    if kind == "noise":
        return base64.b64encode(draw.randbytes(90)).decode() + "\n"
    if kind == "repeated":
        return chr(draw.randint(0x400, 0x4FF)) * 100 + "\n"
    words = document(9000 + draw.randrange(1000)).split()[:60]
    draw.shuffle(words)
    return " ".join(words) + "\n"


def ownlm_train(place: Workplace, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """`ownlm train ...`, to its end."""
    command = [sys.executable, "-m", "ownlm.cli", "train", *map(str, arguments), "--home", str(place.home)]
    return subprocess.run(
        command, cwd=place.folder, env=environment(), capture_output=True, text=True, timeout=170, check=False
    )


def is_poison(one: dict[str, Any]) -> bool:
    return Path(one["path"]).stem in KINDS


@pytest.mark.slow
def test_from_the_spike_to_the_files_and_back(tmp_path: Path) -> None:
    place = make(tmp_path)
    done = place.ownlm("run", tmp_path / "spiky.yaml", "--no-serve", timeout=400)
    assert done.returncode == 0, done.stdout + done.stderr
    folder = next((place.home / "artifacts").glob("train-*"))
    found = [json.loads(path.read_text()) for path in sorted(folder.glob("report/incidents/*/incident.json"))]
    assert len(found) >= 3
    assert all(is_poison(one["documents"][0]) for one in found)
    listed = ownlm_train(place, "incidents", tmp_path / "spiky.yaml")
    assert listed.stdout.count("noted: training went on") == len(found)
    copied = place.home / "runs" / "spiky" / "report" / "incidents"
    assert len(list(copied.glob("*/index.html"))) == len(found)
    _blamed(place, tmp_path / "spiky.yaml", found[-1])
    _elsewhere(place, folder, found[-1]["step"], tmp_path)


def _blamed(place: Workplace, recipe: Path, incident: dict[str, Any]) -> None:
    """Blame says of the step, replayed, what the incident said when it happened."""
    done = ownlm_train(place, "blame", recipe, "--step", str(incident["step"]), "-n", "8", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout)
    assert said["identical"] is True
    assert said["documents"] == incident["documents"]
    assert said["layers"] == incident["layers"]


def _elsewhere(place: Workplace, folder: Path, step: int, tmp_path: Path) -> None:
    """Another home with the shards, the vocabulary and one checkpoint; no sources, no recipe."""
    other = Workplace(tmp_path / "other")
    (other.home / "artifacts").mkdir(parents=True)
    for made in (*place.home.glob("artifacts/shards-*"), *place.home.glob("artifacts/vocabulary-*")):
        shutil.copytree(made, other.home / "artifacts" / made.name)
    shutil.copytree(folder, tmp_path / "brought", ignore=shutil.ignore_patterns("*.safetensors"))
    shutil.move(tmp_path / "kept", tmp_path / "moved")
    shutil.move(place.code, tmp_path / "gone")
    kept = next((tmp_path / "moved").glob("run-*/step-00000060"))
    done = ownlm_train(other, "replay", tmp_path / "brought", "--step", str(step), "--checkpoint", kept)
    assert f"step {step}, replayed from the checkpoint of step 60" in done.stdout, done.stdout + done.stderr
    assert f"identical: all {step - 60} steps replayed are what the run logged, to the last bit" in done.stdout
