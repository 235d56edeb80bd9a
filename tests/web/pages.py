"""Pages the web tests share: one with every block, one from any text."""

from __future__ import annotations

import math

from ownlm.web.page import Page


def full_page() -> Page:
    """Every kind of block, with the awkward cases."""
    page = Page("Training", "2.6 M parameters on 12.1 MB of code")
    page.facts({"Loss": 1.23456, "Steps": 900, "Compiled": True, "Device": "cpu", "Spikes": None})
    page.heading("Loss")
    page.paragraph("Measured every ten steps.")
    page.lines(
        "Loss",
        {
            "training": [(step, 1.5 + 7 * math.exp(-step / 90)) for step in range(0, 900, 10)],
            "held out": [(0, 8.4), (300, math.nan), (450, 1.9), (890, 1.7)],
        },
        "step",
        "nats per token",
    )
    page.lines("Learning rate", {"rate": [(0, 0.0), (10, 1e-4), (90, 3e-3), (900, 1e-5)]}, "step", "rate", log_y=True)
    page.lines("Nothing", {}, "step", "loss")
    page.heading("Loss")
    page.bars("Exact match", {"ownlm": 0.31, "untrained": 0.0, "5-gram": 0.12, "broken": math.nan}, "of lines")
    page.grouped_bars("Bytes per token", {"Go": {"ours": 2.4, "theirs": 2.9}, "C": {"ours": 2.3, "theirs": math.nan}})
    page.histogram("File sizes", [1, 10, 100, 1000], [3, 0, 12], "bytes")
    page.scatter(
        "Topics", {"web": [(0, 1, "a.py"), (0.5, -1, "<b>.py")], "data": [(1, 0, ""), (math.inf, 0, "lost")]}, "x", "y"
    )
    page.table(["file", "tokens", "share"], [["a.py", 12345, 0.1234], ["<b>.py", 7, None]], "Largest files")
    page.code("Example", "\ndef f():\n    return '<&>'\n")
    page.annotated("Sample", "a = 1\n<b>", ["rejected: line 2", "<i>"])
    page.link("Metrics", "../metrics.jsonl")
    return page


def page_of(words: str, number: float) -> Page:
    """The same text (and number) wherever text (or a number) may be given."""
    page = Page(words, words)
    page.facts({words: words, "number": number})
    page.heading(words)
    page.paragraph(words)
    page.lines(words, {words: [(0, 1), (1, number), (number, 2)], "other": [(0, 1), (1, 2)]}, words, words)
    page.bars(words, {words: number}, words)
    page.grouped_bars(words, {words: {words: abs(number), "other": 1}}, words)
    page.histogram(words, [0, 1, 2], [1, 2], words)
    page.scatter(words, {words: [(0, 1, words), (number, 1, words), (2, number, words)], "other": []}, words, words)
    page.table([words, "n"], [[words, number]], words)
    page.code(words, words)
    page.link(words, words)
    return page
