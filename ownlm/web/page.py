"""`Page`: one self-contained HTML file a person reads: facts, tables, charts, code.

No request to anywhere (the page forbids itself any), no script but one that is given (allowed by its hash), light and
dark, made for paper too. Everything given is text: nothing in it becomes markup. The same calls give the same bytes.

    page = Page("Training", "2.6 M parameters on 12.1 MB of code")
    page.facts({"Loss": 1.234, "Steps": 900})
    page.lines("Loss", {"training": [(0, 8.3), (10, 5.1)]}, "step", "nats per token")
    page.write(context.out / "report/index.html")
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

from ownlm.errors import StorageError
from ownlm.web import charts
from ownlm.web.grouped import grouped_bar_chart
from ownlm.web.html import Html, anchor, safe_href, text
from ownlm.web.numbers import Cell, is_number, show, show_column
from ownlm.web.scale import Point
from ownlm.web.scatter import LabelledPoint, scatter_chart

MOST_ROWS = 1000
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


class Page:
    """Collects blocks in the order they are to be read; `write` makes the file.

    Args:
        title: the page's heading and its name in the browser.
        subtitle: one line below it.
        script: our own JavaScript, run once the page is there; nothing that anybody gave may be part of it.
    """

    def __init__(self, title: str, subtitle: str = "", script: str = "") -> None:
        self.title = title
        self.subtitle = subtitle
        self.script = script
        self._blocks: list[Html] = []
        self._anchors: set[str] = set()

    def add(self, block: Html) -> None:
        """A block of ready markup (see `ownlm.web.html.Html`); every other method ends here."""
        self._blocks.append(block)

    def facts(self, values: Mapping[str, object]) -> None:
        """Headline values as tiles; numbers are formatted, everything else shown as it is."""
        tiles = "".join(
            f"<div><dt>{text(name)}</dt><dd>{text(show(value))}</dd></div>" for name, value in values.items()
        )
        if tiles:
            self.add(Html(f'<dl class="facts">{tiles}</dl>'))

    def heading(self, label: str) -> None:
        """Begins a section; links may point at it (`anchor`)."""
        name = wanted = anchor(label)
        count = 1
        while name in self._anchors:
            count += 1
            name = f"{wanted}-{count}"
        self._anchors.add(name)
        self.add(Html(f'<h2 id="{name}">{text(label)}</h2>'))

    def paragraph(self, words: str) -> None:
        """A paragraph of plain text."""
        self.add(Html(f"<p>{text(words)}</p>"))

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[Cell]], title: str = "") -> None:
        """A table; columns of numbers are aligned by their last digit. Shows `MOST_ROWS` rows and says so.

        Raises:
            ValueError: a row has not one cell for each column.
        """
        for row in rows:
            if len(row) != len(columns):
                raise ValueError(f"a row has {len(row)} cells for {len(columns)} columns: {row!r}")
        shown = rows[:MOST_ROWS]
        cells = [[row[number] for row in shown] for number in range(len(columns))]
        kinds = [
            ' class="number"' if any(map(is_number, column)) and all(c is None or is_number(c) for c in column) else ""
            for column in cells
        ]
        head = "".join(f"<th{kind}>{text(name)}</th>" for name, kind in zip(columns, kinds, strict=True))
        body = [[f"<td{kind}>{text(cell)}</td>" for cell in show_column(column)]
                for column, kind in zip(cells, kinds, strict=True)]  # fmt: skip
        lines = "".join(f"<tr>{''.join(line)}</tr>" for line in zip(*body, strict=True))
        caption = f"<caption>{text(title)}</caption>" if title else ""
        more = len(rows) - len(shown)
        note = f'<p class="note">{more:,} more rows are not shown.</p>' if more else ""
        empty = '<p class="nothing">No rows.</p>' if not rows else ""
        table = f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"
        self.add(Html(f'<div class="table">{table}</div>{note}{empty}'))

    def lines(
        self,
        title: str,
        series: Mapping[str, Sequence[Point]],
        x_label: str,
        y_label: str,
        log_y: bool = False,
    ) -> None:
        """A line chart of (x, y) points by series name; see `charts.line_chart`."""
        self.add(charts.line_chart(title, series, x_label, y_label, log_y=log_y))

    def bars(self, title: str, values: Mapping[str, float], unit: str = "") -> None:
        """Horizontal bars; see `charts.bar_chart`."""
        self.add(charts.bar_chart(title, values, unit))

    def grouped_bars(self, title: str, groups: Mapping[str, Mapping[str, float]], unit: str = "") -> None:
        """Horizontal bars side by side, by group and series; see `grouped.grouped_bar_chart`."""
        self.add(grouped_bar_chart(title, groups, unit))

    def histogram(self, title: str, edges: Sequence[float], counts: Sequence[float], x_label: str = "") -> None:
        """Counts between edges, as `numpy.histogram` returns them; see `charts.histogram`."""
        self.add(charts.histogram(title, edges, counts, x_label))

    def scatter(
        self, title: str, groups: Mapping[str, Sequence[LabelledPoint]], x_label: str = "", y_label: str = ""
    ) -> None:
        """Points (x, y, text to hover) by group; see `scatter.scatter_chart`."""
        self.add(scatter_chart(title, groups, x_label, y_label))

    def code(self, title: str, source: str) -> None:
        """Text in a fixed-width block, exactly as it is."""
        caption = f"<figcaption>{text(title)}</figcaption>" if title else ""
        # A line feed right after <pre> is dropped by HTML: one of ours protects the first of theirs.
        self.add(Html(f'<figure class="code">{caption}<pre>\n{text(source)}</pre></figure>'))

    def annotated(self, title: str, source: str, notes: Sequence[str]) -> None:
        """Text in a fixed-width block, and beside it (on a narrow page, below it) what there is to say of it."""
        lines = "".join(f"<li>{text(note)}</li>" for note in notes)
        caption = f"<figcaption>{text(title)}</figcaption>" if title else ""
        block = f'<div class="beside"><pre>\n{text(source)}</pre><ul>{lines}</ul></div>'
        self.add(Html(f'<figure class="code">{caption}{block}</figure>'))

    def link(self, label: str, href: str) -> None:
        """A link on its own line; an address that would run something is shown as text only."""
        target = safe_href(href)
        self.add(Html(f"<p>{text(label)}</p>" if target is None else f'<p><a href="{target}">{text(label)}</a></p>'))

    def body(self) -> Html:
        """The blocks alone, for a page that is put together elsewhere."""
        return Html("\n".join(self._blocks))

    def html(self) -> str:
        """The whole page."""
        subtitle = f'<p class="subtitle">{text(self.subtitle)}</p>' if self.subtitle else ""
        policy, script = _POLICY, ""
        if self.script:
            digest = base64.b64encode(hashlib.sha256(self.script.encode()).digest()).decode()
            policy, script = f"{_POLICY}; script-src 'sha256-{digest}'", f"<script>{self.script}</script>\n"
        return (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n'
            f'<link rel="icon" href="data:,">\n<title>{text(self.title)}</title>\n'
            f"<style>\n{stylesheet()}</style>\n</head>\n"
            f"<body>\n<header><h1>{text(self.title)}</h1>{subtitle}</header>\n<main>\n{self.body()}\n</main>\n{script}</body>\n</html>\n"
        )

    def write(self, path: Path) -> None:
        """Write the page to `path`, making its folder; a reader never sees half of it.

        Raises:
            StorageError: the disk is full or the folder cannot be written.
        """
        temporary = path.with_name(f".{path.name}.new")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("w", encoding="utf-8", newline="\n") as stream:
                stream.write(self.html())
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise StorageError(
                f"The page cannot be written ({error.strerror}).",
                where=path,
                advice="Free disk space or make the folder writable, then run the same command again.",
            ) from error


@cache
def stylesheet() -> str:
    """The style of all pages."""
    return Path(__file__).with_name("style.css").read_text(encoding="utf-8")
