"""The page: every section, and the HTML around them. The same inputs give the same bytes."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from canonry.publish.scorecard import (
    charts,
    comparisons,
    consistency,
    cost,
    drift,
    feedback,
    formats,
    incidents,
    indexes,
    labels,
    latency,
    prompts,
    quality,
    rejected,
)
from canonry.publish.scorecard.parts import (
    Details,
    Facts,
    Folded,
    Headline,
    Missing,
    Model,
    Panels,
    Prose,
    Section,
    Table,
)
from canonry.publish.scorecard.read import Inputs
from canonry.publish.scorecard.versions import Versions

if TYPE_CHECKING:
    import jinja2

DARK = ("#7db4f0", "#f0a070", "#5cc9ba", "#c8a4f0", "#cfc85a", "#f490b8")
"""The colours of model versions on a dark ground."""
GLYPHS = ("●", "◆", "■", "▲", "✚", "▼")
"""The shapes of the charts' points, as text."""

MOST_ROWS = 25
"""A longer table opens on a click."""


MOST_FINDINGS = 5
"""Of the overview; what else was found opens on a click."""


def render(inputs: Inputs) -> bytes:
    """The page as one file of UTF-8 HTML that needs no network and no script."""
    from altair.utils.schemapi import debug_mode

    versions = Versions(inputs.families, inputs.costs, inputs.latency, inputs.quality)
    # What is drawn is of our own making: to check each part of it as it is put together takes most of the time.
    with debug_mode(False):
        sections = _sections(inputs, versions)
    environment = _environment()
    style = environment.get_template("style.css.j2").render(palette=_palette())
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    page = environment.get_template("page.html.j2").render(
        style=style,
        style_digest=digest,
        covers=_covers(inputs),
        as_of=formats.moment(inputs.as_of) if inputs.as_of else None,
        simulated=_simulated(inputs),
        headlines=_headlines(inputs, sections),
        findings=_findings(inputs, sections),
        sections=sections,
        tables=[(name, move.version, formats.moment(move.moved_at)) for name, move in inputs.tables.items() if move],
    )
    return page.encode()


def _sections(inputs: Inputs, versions: Versions) -> list[Section]:
    return [
        incidents.section(inputs),
        cost.section(inputs, versions),
        latency.section(inputs),
        quality.section(inputs, versions),
        comparisons.section(inputs),
        feedback.section(inputs, versions),
        drift.section(inputs),
        prompts.section(inputs),
        consistency.section(inputs),
        labels.section(inputs),
        indexes.section(inputs),
        rejected.section(inputs),
    ]


def _findings(inputs: Inputs, sections: list[Section]) -> list[str]:
    """What each part found, the gravest first; what an open incident says already is not said again."""
    told = {_SECTIONS.get(row["measure"]) for row in inputs.incidents if row["state"] == "open"}
    return [finding for each in sorted(sections, key=_weight) if each.id not in told for finding in each.findings]


_SECTIONS = {"drift": "drift", "prompt_drift": "prompts"}
"""Parts of the page by what monitors measure of them."""


def _weight(section: Section) -> int:
    """What is said first: what is broken now, then quality, since it is what nobody sees without the page."""
    return {"incidents": 0, "quality": 1}.get(section.id, 2)


def _covers(inputs: Inputs) -> str | None:
    return formats.days(*inputs.days) if inputs.days else None


def _headlines(inputs: Inputs, sections: list[Section]) -> list[tuple[str, Headline]]:
    found: list[tuple[str, Headline | None]] = []
    if inputs.days:
        found.append(("cost", cost.calls_headline(inputs.costs, inputs.days[1])))
    for section in sections:
        found.append((section.id, section.headline))
        if section.id == "latency" and inputs.costs:
            found.append((section.id, latency.failed_headline(inputs.costs)))
    return [(at, headline) for at, headline in found if headline]


def _simulated(inputs: Inputs) -> list[str]:
    """What is simulated, a sentence each; empty where nothing says that it is."""
    products: dict[tuple[str, ...], list[str]] = {}
    for product, fields in inputs.simulated.items():
        products.setdefault(fields, []).append(product)
    said = [
        f"Calls of {formats.words(map(formats.named, names))}: "
        f"a program made up their {formats.words(map(formats.named, fields))}."
        for fields, names in products.items()
    ]
    if any(row["simulated"] for row in inputs.quality if row["eval"] is not None):
        said.append("Labels: a program played the reviewers.")
    if any(row["simulated"] for row in inputs.feedback):
        said.append("Feedback: a program played the users.")
    return said


def _palette() -> list[tuple[str, str]]:
    return list(zip(charts.SERIES, DARK, strict=True))


@cache
def _environment() -> jinja2.Environment:
    import jinja2
    from markupsafe import Markup

    def load(name: str) -> str:
        return files("canonry.publish.scorecard").joinpath(name).read_text(encoding="utf-8")

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(load),
        autoescape=lambda name: name is not None and name.endswith(".html.j2"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["drawing"] = Markup
    environment.globals.update(chart=charts, glyph=_glyph, most_rows=MOST_ROWS, most_findings=MOST_FINDINGS)
    kinds: dict[str, Any] = {"model": Model, "table": Table, "panels": Panels, "prose": Prose, "missing": Missing}
    kinds["details"] = Details
    kinds |= {"facts": Facts, "folded": Folded}
    environment.tests.update({name: _is(kind) for name, kind in kinds.items()})
    return environment


def _glyph(model: Model) -> str:
    return GLYPHS[model.place] if model.place < len(GLYPHS) else "●"


def _is(kind: type) -> Any:
    return lambda value: isinstance(value, kind)
