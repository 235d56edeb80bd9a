"""The page of one step: what happened, which documents did it, and their text coloured by loss."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ownlm.tokens.shards.provenance import Stretch
from ownlm.train.spikes.incident import Blamed, Incident, Text, share
from ownlm.web.html import Html, text
from ownlm.web.numbers import Cell
from ownlm.web.page import Page

FULL_COLOUR = 12.0
"""Nats at which a token's colour is full: one of e^12, 160 thousand equally likely tokens."""

COLUMNS = ("", "document", "language", "labels", "loss", "usual", "z", "share of excess", "gradient", "share of it")
_MOST_ROWS = 200


def incident_page(incident: Incident) -> Page:
    """The page of an incident, or of any step that was looked into."""
    record, verdict = incident.record, incident.verdict
    page = Page(f"Step {record.step}", incident.action)
    facts: dict[str, object] = {"Loss, nats per token": record.loss, "Gradient before clipping": record.grad_norm}
    if verdict is not None:
        facts |= {"Loss above the median": _sigmas(verdict.loss_sigmas)}
        facts |= {"Gradient above it": _sigmas(verdict.grad_sigmas)}
    page.facts(facts | {"Learning rate": incident.lr, "Documents": len(incident.blamed), "Labels": record.labels})
    page.paragraph(_in_words(incident))
    page.heading("Documents")
    page.table(COLUMNS, rows_of(incident)[:_MOST_ROWS])
    page.paragraph(
        "Usual is the loss of the language in the steps before, with the same weights; z counts deviations between "
        "documents. The excess is what a document's labels cost above usual; shares of it add up to what lifts the "
        "step's loss. The gradient is the document's own, exactly; its share is what it adds along the step's gradient."
    )
    page.heading("The steps before")
    first = record.step - len(incident.history)
    before = [(first + n, *seen) for n, seen in enumerate(incident.history)]
    every = [*before, (record.step, record.loss, record.grad_norm)]
    finite = [one for one in every if all(map(math.isfinite, one))]
    page.lines("Loss", {"training": [(step, loss) for step, loss, _ in finite]}, "step", "nats per token")
    page.lines("Gradient", {"training": [(step, norm) for step, _, norm in finite]}, "step", "length", log_y=True)
    layers = {name: length for name, length in incident.layers.items() if math.isfinite(length)}
    page.heading("The gradient, layer by layer")
    page.bars("Length before clipping", layers)
    _texts(page, incident.blamed)
    return page


def rows_of(incident: Incident) -> list[list[Cell]]:
    """The table's rows, ranked."""
    total, rows = incident.excess, []
    for place, one in enumerate(incident.blamed, start=1):
        suspect, span = one.suspect, one.suspect.document.span
        row: list[Cell] = [place, f"{span.repo}: {span.path}", span.language, suspect.document.labels]
        row += [_short(suspect.document.loss), _short(suspect.usual.loss), _short(suspect.z_score, 1)]
        row += [f"{share(suspect.excess, total):.1%}"]
        row += ["", ""] if one.pull is None else [_short(one.pull.norm), f"{one.pull.share:.1%}"]
        rows.append(row)
    return rows


def _in_words(incident: Incident) -> str:
    if not incident.blamed or not math.isfinite(incident.record.loss):
        return "The loss is not a number: the documents that have no finite loss come first."
    worst = incident.blamed[0].suspect
    part = share(worst.excess, incident.excess)
    return (
        f"{worst.document.span.repo}: {worst.document.span.path} costs {worst.document.loss:.2f} nats a token where "
        f"{worst.usual.loss:.2f} are usual: {part:.0%} of all that lies above usual in this step."
    )


def _texts(page: Page, blamed: Sequence[Blamed]) -> None:
    looked = [(place, one) for place, one in enumerate(blamed, start=1) if one.texts]
    if not looked:
        return
    page.heading("What the first of them say")
    page.add(Html(f"<p>Colour is loss: {_scale()}. What has no colour was given, not asked.</p>"))
    for place, one in looked:
        span = one.suspect.document.span
        page.add(Html(f"<h3>{place}. {text(f'{span.repo}: {span.path}')}</h3>"))
        page.paragraph(f"{span.language}, from {span.source}, document {span.id}")
        for stretch, said in zip(one.suspect.document.stretches, one.texts, strict=True):
            page.add(_coloured(_where(stretch), said))


def _where(stretch: Stretch) -> str:
    place = f"row {stretch.row}, columns {stretch.columns[0]} to {stretch.columns[1] - 1}"
    inside = "" if stretch.bytes is None else f"; bytes {stretch.bytes[0]:,} to {stretch.bytes[1]:,} of the file"
    return f"{place}{inside}; {stretch.objective.replace('_', ' ')}"


def _coloured(title: str, said: Sequence[Text]) -> Html:
    tokens = "".join(_token(part) for part in said)
    return Html(f'<figure class="code"><figcaption>{text(title)}</figcaption><pre>\n{tokens}</pre></figure>')


def _token(part: Text) -> Html:
    if part.nats is None:
        return text(part.text)
    return Html(f'<span style="{_background(part.nats)}" title="{part.nats:.2f} nats">{text(part.text)}</span>')


def _background(nats: float) -> str:
    strength = 1.0 if not math.isfinite(nats) else min(1.0, max(0.0, nats) / FULL_COLOUR)
    return f"background:rgb(224 74 40/{strength * 0.85:.2f})"


def _scale() -> Html:
    steps = (0.5, 2.0, 4.0, 8.0, FULL_COLOUR)
    return Html(" ".join(f'<span style="{_background(nats)}">&nbsp;{nats:g}&nbsp;</span>' for nats in steps) + " nats")


def _short(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "not a number"


def _sigmas(value: float) -> str:
    return f"{value:.1f} σ" if math.isfinite(value) else "not a number"
