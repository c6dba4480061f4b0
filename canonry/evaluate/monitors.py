"""Monitors: whether an estimate rules out what was promised."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any, Literal

from canonry import lake
from canonry.catalog import Catalog
from canonry.evaluate.estimates import slice_name
from canonry.storage import Zones


@dataclass(frozen=True)
class Verdict:
    """What a monitor found: in words, and the rows of `lake/estimates` it looked at."""

    passed: bool
    severity: Literal["warn", "error"]
    message: str
    values: list[dict[str, Any]] = field(default_factory=list)


def check_monitor(zones: Zones, catalog: Catalog, name: str, day: dt.date) -> Verdict:
    """Fails where an interval lies wholly above `at_most`. What is not known well enough passes, and says so.

    Of a slice's estimates the one is read that the eval prefers: chosen by what is there, never by what it says.
    """
    spec = catalog.monitors[name]
    rows = [
        row
        for row in lake.read(zones.lake, "estimates", [day]).to_pylist()
        if row["eval"] == spec.eval and row["slice"] == slice_name(spec.slice) and row["preferred"] is not False
    ]
    if not rows:
        return Verdict(True, spec.severity, f"no estimate of {spec.eval} by {slice_name(spec.slice)} for {day}")
    above = [row for row in rows if row["refused"] is None and row["interval_low"] > spec.at_most]
    refused = [row for row in rows if row["refused"] is not None]
    lines = [f"surely above {spec.at_most:.1%}: {_said(row, spec.slice)}" for row in above]
    if not above:
        lines.append(f"{len(rows) - len(refused)} of {len(rows)} estimates known, none surely above {spec.at_most:.1%}")
    lines += [f"not enough labels: {_where(row, spec.slice)}: {row['refused']}" for row in refused]
    return Verdict(not above, spec.severity, "\n".join(lines), rows)


def _said(row: dict[str, Any], fields: tuple[str, ...]) -> str:
    interval = f"{row['confidence']:.0%} interval {row['interval_low']:.1%} to {row['interval_high']:.1%}"
    simulated = ", simulated reviewers" if row["simulated"] else ""
    return f"{_where(row, fields)}: {row['value']:.1%} ({interval}, {row['labels']} labels{simulated})"


def _where(row: dict[str, Any], fields: tuple[str, ...]) -> str:
    return ", ".join(str(row[field]) if row[field] is not None else f"no {field}" for field in fields) or "everything"
