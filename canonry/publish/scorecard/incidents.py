"""Incidents: what monitors found broken, open ones first; each opens on a click with its evidence and what happened."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from canonry.publish.scorecard import formats
from canonry.publish.scorecard.parts import Block, Facts, Folded, Headline, Prose, Row, Section, Table
from canonry.publish.scorecard.read import Inputs

_LEAD = (
    "What was promised of quality, cost, latency, feedback and freshness, and did not hold. Monitors lie in "
    "assets/monitors/; one that finds its promise broken opens an incident for each slice, looking again updates it, "
    "and what holds again ends it."
)

MOST = 50
"""Incidents that are shown, open ones first; the table `incidents` has all."""

MOST_SAID = 4
"""Open ones that the overview says."""

_COLUMNS = 6


def section(inputs: Inputs) -> Section:
    """Every incident of late, the open ones first."""
    if not inputs.incidents:
        none = Headline("Incidents", "0", ("open",)) if inputs.days else None
        return Section("incidents", "Incidents", _LEAD, [Prose("No monitor has found its promise broken.")], none)
    shown, is_open = inputs.incidents[:MOST], [row for row in inputs.incidents if row["state"] == "open"]
    blocks: list[Block] = [_overview(shown), *(_one(row) for row in shown)]
    if len(inputs.incidents) > MOST:
        blocks.append(Prose(f"The {MOST} first of {len(inputs.incidents)}; the table incidents has all."))
    untaken = sum(row["acknowledged_by"] is None for row in is_open)
    notes = ["nobody has taken them" if untaken == len(is_open) else f"{untaken} not taken"] if is_open else []
    headline = Headline(
        "Incidents", f"{len(is_open)} open", (*notes, f"{len(inputs.incidents) - len(is_open)} are over")
    )
    return Section("incidents", "Incidents", _LEAD, blocks, headline, tuple(_said(row) for row in is_open[:MOST_SAID]))


def _overview(rows: Sequence[Row]) -> Table:
    columns = ("incident", "state", "severity", "owner", "opened", "what")
    return Table("Incidents, open ones first", columns, [_row(row) for row in rows], numbers_from=len(columns))


def _row(row: Row) -> tuple[str, ...]:
    state = f"taken by {row['acknowledged_by']}" if row["state"] == "open" and row["acknowledged_by"] else row["state"]
    opened = f"{formats.day_of_year(row['opened_at'])} {row['opened_at']:%H:%M}"
    return row["incident_id"], formats.named(state), row["severity"], row["owner"], opened, _plain(row["said"])


def _one(row: Row) -> Folded:
    simulated = " (simulated)" if row["simulated"] else ""
    facts = [
        ("Found", _plain(row["said"])),
        ("Began", f"{formats.day(row['began_at'])}, {row['began_at']:%H:%M} UTC" if row["began_at"] else "not known"),
        ("Likely cause", _plain(row["cause_said"]) if row["cause_said"] else "not known"),
        ("Owner", row["owner"]),
        ("What to do", row["runbook"]),
        ("On the command line", f"canonry incidents show {row['incident_id']}"),
    ]
    blocks: list[Table | Prose | Facts] = [Facts(tuple(facts))]
    evidence = json.loads(row["evidence"])
    for columns in dict.fromkeys(tuple(each)[:_COLUMNS] for each in evidence):
        cells = [tuple(_cell(each[name]) for name in columns) for each in evidence if tuple(each)[:_COLUMNS] == columns]
        blocks.append(Table("Evidence", tuple(name.replace("_", " ") for name in columns), cells))
    happened = [
        (f"{entry['at']:%Y-%m-%d %H:%M}", f"{entry['what']} by {entry['by']}" if entry["by"] else entry["what"],
         _plain(entry["said"]))
        for entry in row["entries"]
    ]  # fmt: skip
    blocks.append(
        Table("What happened, until when the data were looked at (UTC)", ("when", "what", "said"), happened, 3)
    )
    title = f"{row['state']}: {row['monitor']}, {formats.named(row['slice_said'])}{simulated}"
    return Folded(title, tuple(blocks))


def _said(row: Row) -> str:
    cause = f" Likely cause: {_plain(row['cause_said'])}." if row["cause_said"] else ""
    simulated = " (simulated)" if row["simulated"] else ""
    return f"{row['monitor']}{simulated}: {_plain(row['said'])}.{cause}"


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.4g}"
    return "none" if value is None else _plain(str(value))


def _plain(text: str | None) -> str:
    return formats.named(text) if text else "none"
