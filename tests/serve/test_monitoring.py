"""The files for Prometheus and Grafana name metrics the gateway has, and promtool finds nothing wrong in them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ownlm.serve.app import app_for
from ownlm.serve.config import ServeConfig
from ownlm.serve.model import ServedModel

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "recipes" / "monitoring"
PROMTOOL = shutil.which("promtool", path=f"{ROOT / '.promtool/usr/bin'}{os.pathsep}{os.environ['PATH']}")


def exposed(model: ServedModel) -> set[str]:
    """Names of all series, whether they have samples yet or not."""
    text = app_for(model, ServeConfig()).state.gateway.metrics.text().decode()
    names = set()
    for family in text_string_to_metric_families(text):
        ends = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(family.type, [""])
        names |= {family.name + end for end in ends}
    return names


def expressions() -> list[str]:
    board = json.loads((FOLDER / "grafana.json").read_text())
    texts = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    return [*texts, (FOLDER / "alerts.yml").read_text()]


def test_every_metric_named_is_one_the_gateway_has(model: ServedModel) -> None:
    named = {name for text in expressions() for name in re.findall(r"\bownlm_[a-z_]+", text)}
    assert len(named) > 10
    assert named <= exposed(model)


def test_panels_of_the_board_do_not_overlap() -> None:
    board = json.loads((FOLDER / "grafana.json").read_text())
    taken = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken
        assert place["x"] + place["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


@pytest.mark.skipif(PROMTOOL is None, reason="promtool not installed")
@pytest.mark.parametrize(
    "arguments",
    [("check", "rules", "alerts.yml"), ("test", "rules", "alerts_test.yml"), ("check", "config", "prometheus.yml")],
)
def test_promtool(arguments: tuple[str, ...]) -> None:
    done = subprocess.run([str(PROMTOOL), *arguments], cwd=FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
