"""Labels: how far reviewers are with what was drawn, and what they agreed on."""

from __future__ import annotations

import datetime as dt

from canonry.publish.scorecard import agreement, charts, formats, reviewers
from canonry.publish.scorecard.parts import Block, Headline, Missing, Panel, Panels, Row, Section, Table
from canonry.publish.scorecard.read import Inputs
from canonry.publish.scorecard.rows import MOST_PANELS, grouped

_LEAD = (
    "Which answers people are asked about is drawn at random once a day is over; estimates become sharper as these are "
    "labeled."
)


def section(inputs: Inputs) -> Section:
    """Label progress by scheme and product, and the gold sets in production."""
    if not inputs.labels:
        text = "Nothing is drawn for labeling yet. Schemes lie in assets/schemes/; the loop draws once a day is over."
        return Section("labels", "Labels", _LEAD, [Missing(text, "make demo")])
    panels = []
    for (scheme, version), rows in grouped(inputs.labels, lambda row: (row["scheme"], row["scheme_version"])).items():
        parts = [
            charts.Part(formats.shortened(formats.named(row["product"]), 24), row["labeled"], row["drawn"], _said(row))
            for row in sorted(rows, key=lambda row: -row["drawn"])[: 2 * MOST_PANELS]
        ]
        says = "; ".join(f"{part.label}: {part.said}" for part in parts)
        panels.append(Panel(f"{scheme}, version {version}", charts.progress(parts, says=f"Label progress. {says}")))
    blocks: list[Block] = [
        Panels("Labeled, of what was drawn", "Answers drawn for labeling, by product, those with most first.", panels)
    ]
    blocks.append(_progress(inputs))
    blocks += reviewers.blocks(inputs.reviewers)
    if inputs.plans:
        blocks.append(_plans(inputs))
    blocks += agreement.blocks(inputs.agreement)
    if inputs.gold:
        blocks.append(_gold(inputs))
    drawn, labeled = (sum(row[name] for row in inputs.labels) for name in ("drawn", "labeled"))
    simulated = any(row.get("simulated") for row in inputs.gold)
    notes = [f"{labeled / drawn:.0%} of what was drawn" if drawn else "nothing was drawn"]
    if simulated:
        notes.append("made by a program")
    headline = Headline("Labeled", f"{labeled:,} of {drawn:,}", tuple(notes))
    return Section("labels", "Labels", _LEAD, blocks, headline)


def _progress(inputs: Inputs) -> Table:
    columns = ("scheme", "product", "drawn", "sent", "labeled", "skipped", "waiting", "oldest since", "half since")
    rows = [
        (
            f"{row['scheme']} {row['scheme_version']}",
            formats.named(row["product"]),
            *(formats.count(row[name]) for name in ("drawn", "exported", "labeled", "skipped")),
            formats.count(_waiting(row)),
            *(_since(row.get(name)) for name in ("oldest_waits_since", "half_wait_since")),
        )
        for row in inputs.labels
    ]
    return Table("Label progress in figures", columns, rows, numbers_from=2)


def _since(moment: dt.datetime | None) -> str:
    return formats.day(moment.date()) if moment else "nothing sent waits"


def _plans(inputs: Inputs) -> Table:
    """What was planned, beside the widest of the newest intervals that end on the plan's day or later."""
    rows = []
    for plan in inputs.plans:
        widths = [
            (row["day"], row["interval_high"] - row["interval_low"])
            for row in inputs.quality
            if row["eval"] == plan["eval"]
            and row["slice"] == plan.get("slice", "all")
            and row["interval_low"] is not None
            if row["day"].isoformat() >= plan["day"]
        ]
        now = max(widths, default=None)
        rows.append(
            (
                plan["eval"] if plan.get("slice", "all") == "all" else f"{plan['eval']} by {plan['slice']}",
                formats.day(dt.date.fromisoformat(plan["day"])),
                "out of reach" if plan["per_day"] is None else formats.count(plan["per_day"]),
                _points(plan["width"]),
                _points(plan["expected_width"]),
                f"{_points(now[1])}, {formats.day(now[0])}" if now else "not yet",
            )
        )
    columns = ("eval", "planned", "items a day", "width asked for", "width expected", "width now")
    return Table("Labels planned, and the intervals that came of it", columns, rows, numbers_from=2)


def _points(width: float) -> str:
    return f"{100 * width:.1f} points"


def _gold(inputs: Inputs) -> Table:
    rows = [
        (
            f"{row['scheme']} {row['scheme_version']}",
            formats.count(row["items"]),
            formats.words(f"{value.partition('=')[2]} {number:,}" for value, number in row["values"].items()),
            formats.count(row["unresolved"]),
            formats.count(row["simulated"]),
        )
        for row in inputs.gold
    ]
    columns = ("scheme", "items", "of those", "tied, so left out", "labeled by a program")
    return Table("Gold sets in production: items whose reviewers agree", columns, rows)


def _said(row: Row) -> str:
    others = [
        f"{number:,} {word}" for word, number in (("skipped", row["skipped"]), ("waiting", _waiting(row))) if number
    ]
    return ", ".join([f"{row['labeled']:,} of {row['drawn']:,}", *others])


def _waiting(row: Row) -> int:
    return int(row["drawn"] - row["labeled"] - row["skipped"])
