"""Twenty seconds at saturation by the benchmark itself: nothing lost, nothing doubled, nothing wrong."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "soak.py"


@pytest.fixture(scope="module")
def soak() -> ModuleType:
    spec = importlib.util.spec_from_file_location("soak", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["soak"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_twenty_seconds_at_saturation(soak: ModuleType, export_dir: Path, tmp_path: Path) -> None:
    found = asyncio.run(soak.soak([export_dir], 20, 40, 0, tmp_path))
    assert found.problems == []
    assert found.swaps >= 1
    assert found.counts["answered"] > 0
    assert found.counts["left"] + found.counts["answered before it could leave"] > 0
    assert found.growth_mb() < 100


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((200, "a", "right", 1), "answered"),
        ((200, "a", "wrong", 1), "wrong"),
        ((200, "a", "right", 0), "lost"),
        ((200, "a", "right", 2), "doubled"),
        ((200, "old", "right", 1), "doubled"),
        ((500, "", "", 0), "lost"),
        ((429, "", "", 0), "come again (429)"),
    ],
)
def test_what_it_counts(
    soak: ModuleType, monkeypatch: pytest.MonkeyPatch, answer: tuple[object, ...], kind: str
) -> None:
    async def answered(client: object, asked: object) -> tuple[object, ...]:
        return answer

    async def main() -> object:
        for way in ("_whole", "_stream"):
            monkeypatch.setattr(soak, way, answered)
        monkeypatch.setattr(soak, "CANCELLED", 0.0)
        found = soak.Found(ids={"old"})
        said = [{"right"}] * (2 * len(soak.PROMPTS))
        await soak.ask(None, "m", said, found, soak.random.Random(0))
        return found

    found = asyncio.run(main())
    assert dict(found.counts) == {kind: 1}  # type: ignore[attr-defined]
