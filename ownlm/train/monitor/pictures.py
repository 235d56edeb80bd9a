"""Pictures of a run from its log lines: the same on the page of a finished run and on the live one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ownlm.train.monitor.stopwatch import PLACES
from ownlm.train.monitor.written import Completion
from ownlm.web.page import Page

Lines = Sequence[Mapping[str, float]]
Points = list[tuple[float, float]]
MOST_SERIES = 8
_MEASUREMENTS_SHOWN = 4


def draw(page: Page, lines: Lines, completions: Sequence[Completion], currency: str) -> None:
    """Add all pictures for which there are numbers.

    Args:
        page: to add to.
        lines: of metrics.jsonl, in order.
        completions: of completions.jsonl, in order.
        currency: of prices.
    """
    _learning(page, lines)
    _written(page, completions)
    _layers(page, lines)
    _speed(page, lines)
    _machine(page, lines, currency)


def series(lines: Lines, name: str) -> Points:
    """(step, value) of one number, where a line has it."""
    return [(line["step"], line[name]) for line in lines if name in line]


def family(lines: Lines, prefix: str) -> dict[str, Points]:
    """The series called `prefix/NAME`, by NAME; of many those that were written most often, then by name."""
    found: dict[str, Points] = {}
    for line in lines:
        for name, value in line.items():
            if name.startswith(f"{prefix}/"):
                found.setdefault(name.removeprefix(f"{prefix}/"), []).append((line["step"], value))
    most = sorted(found, key=lambda name: (-len(found[name]), name))[:MOST_SERIES]
    return {name: found[name] for name in found if name in most}


def shares(lines: Lines) -> dict[str, Points]:
    """Each place's percent of the time between log lines; places that took none are left out."""
    found: dict[str, Points] = {}
    for line in lines:
        seconds = {place: line.get(f"time/{place}_s", 0.0) for place in PLACES}
        total = sum(seconds.values())
        for place in PLACES if total > 0 else ():
            found.setdefault(place, []).append((line["step"], 100 * seconds[place] / total))
    return {place: points for place, points in found.items() if any(share > 0 for _, share in points)}


def totals(lines: Lines) -> dict[str, float]:
    """Seconds by place over all lines."""
    sums = {place: sum(line.get(f"time/{place}_s", 0.0) for line in lines) for place in PLACES}
    return {place: seconds for place, seconds in sums.items() if seconds > 0}


def _chart(page: Page, title: str, found: Mapping[str, Points], unit: str) -> None:
    """A line chart of the series that have points; nothing when none has."""
    drawn = {name: points for name, points in found.items() if points}
    if drawn:
        page.lines(title, drawn, "step", unit)


def _learning(page: Page, lines: Lines) -> None:
    page.heading("Learning")
    bits = {"training": series(lines, "bits_per_byte"), "held-out files": series(lines, "heldout_bits_per_byte")}
    page.lines("Bits per byte", {name: points for name, points in bits.items() if points}, "step", "bits per byte")
    page.paragraph(
        "Training text contains fill-in-the-middle markers, which cost bits and stand for no bytes; the held-out "
        "sample is plain text in windows of one context. The evaluate stage measures held-out text in full."
    )
    page.lines("Loss, nats per token", {"training": series(lines, "loss")}, "step", "loss")
    _chart(page, "Loss by language", family(lines, "loss_by_language"), "nats per token")
    _chart(page, "Loss by source", family(lines, "loss_by_source"), "nats per token")
    languages = family(lines, "heldout_by_language")
    _chart(page, "Held-out files by language", languages if len(languages) > 1 else {}, "bits per byte")
    middle = {"held-out files": series(lines, "heldout_fim_loss")}
    _chart(page, "Filling in the middle: loss of the middle's tokens", middle, "nats per token")
    page.lines("Learning rate", {"training": series(lines, "lr")}, "step", "learning rate")


def _written(page: Page, completions: Sequence[Completion]) -> None:
    """Each file's continuations at a few measurements, from the first to the last."""
    if not completions:
        return
    page.heading("What it writes")
    page.paragraph("Held-out files, continued with the likeliest token every time; ▸ is where the model goes on.")
    for repo, path in dict.fromkeys((one.repo, one.path) for one in completions):
        mine = [one for one in completions if (one.repo, one.path) == (repo, path)]
        last = len(mine) - 1
        steps = sorted({round(k * last / (_MEASUREMENTS_SHOWN - 1)) for k in range(_MEASUREMENTS_SHOWN)})
        shown = [f"— step {mine[number].step} —\n▸{mine[number].written}" for number in steps]
        before, after = f"{mine[-1].before}▸", f"— the file —\n▸{mine[-1].expected}"
        page.code(f"{repo}/{path}", "\n\n".join([before, *shown, after]))


def _layers(page: Page, lines: Lines) -> None:
    page.heading("Gradients and updates")
    page.lines("Length of the gradient, before clipping", {"all": series(lines, "grad_norm")}, "step", "length")
    for prefix, title in (("grad_norm", "Length of the gradient by layers"), ("update_norm", "Length of the update")):
        found = family(lines, prefix)
        if found:
            page.lines(title, found, "step", "length", log_y=True)


def _speed(page: Page, lines: Lines) -> None:
    page.heading("Speed")
    page.lines("Tokens per second", {"training": series(lines, "tokens_per_s")}, "step", "tokens per second")
    utilisation = [(step, 100 * value) for step, value in series(lines, "mfu")]
    _chart(page, "Model FLOP utilisation (MFU)", {"MFU": utilisation}, "percent of the peak")
    _chart(page, "Where the time goes", shares(lines), "percent")
    spent = totals(lines)
    if spent:
        page.bars("Time in all", spent, "s")
    talk = [(step, 100 * value) for step, value in series(lines, "ranks/communication")]
    behind = [(step, 100 * value) for step, value in series(lines, "ranks/slowest_behind")]
    processes = {"communication, share of a step": talk, "slowest process, more work than the median": behind}
    _chart(page, "Processes", processes, "percent")


def _machine(page: Page, lines: Lines, currency: str) -> None:
    if not any("run/seconds" in line for line in lines):
        return
    page.heading("Machine and money")
    memory = {"processes": series(lines, "machine/memory_gb"), "free": series(lines, "machine/memory_free_gb")}
    _chart(page, "Memory", memory | {"GPU": series(lines, "machine/gpu_memory_gb")}, "GB")
    _chart(page, "Processor cores in use", {"cores": series(lines, "machine/cores")}, "cores")
    busy = [(step, 100 * value) for step, value in series(lines, "machine/gpu_busy")]
    _chart(page, "GPU busy", {"GPU": busy}, "percent")
    left = {"so far": series(lines, "run/seconds"), "left": series(lines, "run/seconds_left")}
    _chart(page, "Time", {name: [(s, v / 60) for s, v in points] for name, points in left.items()}, "minutes")
    cost = {"so far": series(lines, "run/cost"), "left": series(lines, "run/cost_left")}
    _chart(page, "Cost", cost, currency)
