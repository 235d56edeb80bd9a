"""Small parts: what of a window is a middle, bands of layers, spans, the machine, the console's note."""

from __future__ import annotations

import io
import sys
import types
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from ownlm.pipeline.progress import LineProgress
from ownlm.tokens.shards.batches import Batch
from ownlm.tokens.vocabulary.special import SpecialTokens
from ownlm.train.execution import Execution
from ownlm.train.monitor.communication import covered, slowest
from ownlm.train.monitor.console import note, show
from ownlm.train.monitor.heldout import middles
from ownlm.train.monitor.machine import Gpu, Machine
from ownlm.train.monitor.norms import MOST_BANDS, bands, group_of
from ownlm.train.monitor.peak import peak_of
from ownlm.train.monitor.written import FILE, Completion, line_of, read_completions

SPECIAL = SpecialTokens(reserved=3)


def test_a_middle_goes_from_its_marker_to_the_next_special_token() -> None:
    s, a = SPECIAL, SPECIAL.count
    row = [s.end_of_text, s.fim_prefix, a, s.fim_suffix, a, s.fim_middle, a, a, s.end_of_text, a, s.fim_middle, a]
    tokens_BL = np.array([row])
    found = middles(Batch(tokens_BL, tokens_BL, np.zeros_like(tokens_BL, dtype=np.int32)), s)
    assert found.astype(int).tolist() == [[0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 1, 1]]


@given(st.integers(1, 200))
def test_every_layer_is_in_one_band(layers: int) -> None:
    found = bands(layers)
    assert [layer for band in found for layer in band] == list(range(layers))
    assert len(found) == min(layers, MOST_BANDS)
    assert max(map(len, found)) - min(map(len, found)) <= 1
    assert len({group_of(f"layers.{layer}.mlp.up_proj.weight", layers) for layer in range(layers)}) == len(found)


def test_the_rest_is_embedding_or_head() -> None:
    assert group_of("embed_tokens.weight", 2) == "embedding"
    assert group_of("norm.weight", 2) == group_of("lm_head.weight", 2) == "head"
    assert group_of("layers.3.input_layernorm.weight", 24) == "layers 0-3"


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)), max_size=12))
def test_spans_that_overlap_count_once(spans: Sequence[tuple[int, int]]) -> None:
    points = {point for start, length in spans for point in range(start, start + length)}
    assert covered([(start, start + length) for start, length in spans]) == len(points)


def test_the_slowest_is_named_with_how_much_it_is_behind() -> None:
    found = slowest(np.array([1.0, 1.0, 1.5, 0.9]))
    assert found == {"ranks/slowest": 2.0, "ranks/slowest_behind": pytest.approx(0.5)}


def test_the_machine_says_cores_and_memory() -> None:
    clock = iter(range(100))
    machine = Machine("cpu", lambda: float(next(clock)))
    sum(range(200_000))
    found = machine.numbers() | Machine.free()
    assert set(found) == {"cores", "memory_gb", "memory_free_gb"}
    assert 0.01 < found["memory_gb"] < 100
    assert 0 <= found["cores"] < 1e3


class _NVMLError(Exception):
    pass


def fake_nvml(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands for the driver's library, which is not on machines without a GPU."""

    def power(handle: str) -> int:
        raise _NVMLError

    module = types.ModuleType("pynvml")
    values = {
        "NVMLError": _NVMLError,
        "nvmlInit": lambda: None,
        "nvmlDeviceGetHandleByUUID": lambda uuid: uuid,
        "nvmlDeviceGetUtilizationRates": lambda handle: types.SimpleNamespace(gpu=50 if handle == "GPU-x" else 0),
        "nvmlDeviceGetMemoryInfo": lambda handle: types.SimpleNamespace(used=3_000_000_000),
        "nvmlDeviceGetPowerUsage": power,
    }
    for name, value in values.items():
        setattr(module, name, value)
    monkeypatch.setitem(sys.modules, "pynvml", module)
    monkeypatch.setattr("torch.cuda.current_device", lambda: 0)
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda index: types.SimpleNamespace(uuid="x"))


def test_a_gpu_says_what_nvml_says_and_leaves_out_what_it_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_nvml(monkeypatch)
    gpu = Gpu()
    for now in (0.0, 0.5, 1.0, 2.5):
        gpu.look(now)
    assert gpu.numbers() == {"gpu_busy": 0.5, "gpu_memory_gb": 3.0}
    assert gpu.numbers() == {"gpu_memory_gb": 3.0}


def test_without_nvml_there_are_no_numbers_of_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    gpu = Gpu()
    gpu.look(0.0)
    assert gpu.numbers() == {}


@pytest.mark.parametrize(
    ("machine", "peak"),
    [("NVIDIA H200", 989e12), ("NVIDIA H100 NVL", 835e12), ("NVIDIA A100-SXM4-80GB", 312e12), ("Other", None)],
)
def test_the_peak_of_a_gpu_is_in_the_table(machine: str, peak: float | None) -> None:
    assert peak_of(Execution("cuda", True, True, 1, machine)) == peak


def test_the_peak_of_a_cpu_is_measured() -> None:
    peak = peak_of(Execution("cpu", False, False, 1, "x86_64"))
    assert peak is not None
    assert peak > 1e8


def test_a_note_has_what_is_there() -> None:
    assert note({}) == ""
    line = {
        "loss": 2.0,
        "bits_per_byte": 1.0,
        "heldout_bits_per_byte": 1.25,
        "machine/gpu_memory_gb": 71.26,
        "run/cost": 2.0,
    }
    assert note(line, "EUR") == "loss 2.000, 1.000 bits per byte, held-out 1.250, GPU 71.3 GB, 2.00 EUR spent"


def test_lines_and_completions_are_shown_when_piped(tmp_path: Path) -> None:
    written = Completion(7, "repo", "[red]a.py", "x = [\n    1,\n", "", "\x1b[31m    2,\n]\nmore\nlines")
    (tmp_path / FILE).write_text(line_of(written) + line_of(Completion(3, "repo", "b.py", "", "", "")) + '{"torn')
    out = io.StringIO()
    with LineProgress(Console(file=out, width=60)).task("train", 10.0, "tokens") as task:
        show(task, tmp_path, 7, {"loss": 1.0, "bits_per_byte": 1.0, "heldout_bits_per_byte": 1.5})
    assert out.getvalue() == "  step 7, repo/[red]a.py: …1,⏎▸·[31m    2,⏎]⏎more\n"
    assert [one.step for one in read_completions(tmp_path / FILE)] == [7, 3]
    assert read_completions(tmp_path / "none") == []
