"""Monitors: look at what each promises, write down what was found, and open, update and resolve incidents by it."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from canonry import lake
from canonry.alerts import Finding, Incident, Look, keep_look, last_day, note
from canonry.catalog import Catalog, MonitorSpec
from canonry.evaluate.measures import REGISTRY
from canonry.evaluate.streams import write_streams
from canonry.progress import track
from canonry.storage import Zones

LONGEST_PAST = dt.timedelta(days=3 * 91)
"""How far back a look reads at most: a quarter, the one that an open incident began in, and what they learnt from."""


@dataclass(frozen=True)
class Looked:
    """What all monitors found at one moment."""

    at: dt.datetime
    findings: dict[str, list[Finding]]
    """By monitor."""
    incidents: list[Incident]
    """Those that something happened to."""
    failed: dict[str, str]
    """Monitors that could not be measured, with the error; their incidents are left as they are."""


def look(zones: Zones, catalog: Catalog, name: str, at: dt.datetime) -> list[Finding]:
    """What a monitor finds of what lay before `at`, a finding for each slice; nothing is written."""
    spec = catalog.monitors[name]
    return REGISTRY[spec.measure](zones, catalog, spec, at)


def watch(zones: Zones, catalog: Catalog, days: Sequence[dt.date], now: dt.datetime) -> list[Looked]:
    """Look with every monitor at each day's end, or now where the day still lasts, and journal what was seen.

    Incidents follow where no later day was looked at before: what came late changes figures, not the past."""
    latest = last_day(zones.journal) or dt.date.min
    _prepare(zones, catalog, days, now)
    looked = []
    for day in sorted(days):
        at = min(now, dt.datetime.combine(day + dt.timedelta(days=1), dt.time()))
        if at.date() < day:
            continue
        findings: dict[str, list[Finding]] = {}
        incidents: list[Incident] = []
        failed: dict[str, str] = {}
        for name, spec in sorted(catalog.monitors.items()):
            try:
                findings[name] = look(zones, catalog, name, at)
            except Exception as error:
                failed[name] = f"{catalog.path('monitors', name)}: {type(error).__name__}: {error}"
                continue
            if day >= latest:
                incidents += _note(zones, name, spec, findings[name], at, now)
        _keep(zones, catalog, at, findings, failed, now)
        looked.append(Looked(at, findings, incidents, failed))
    return looked


def _prepare(zones: Zones, catalog: Catalog, days: Sequence[dt.date], now: dt.datetime) -> None:
    """Write the streams that looks at these days read, where they are others than they were."""
    first = min(days, default=now.date()) - LONGEST_PAST
    read = [day for day in lake.days(zones.lake, "inferences") if first <= day <= max(days, default=now.date())]
    write_streams(zones, catalog, track(read, f"streams of {len(read)} days"), now)


def _note(
    zones: Zones, name: str, spec: MonitorSpec, findings: list[Finding], at: dt.datetime, now: dt.datetime
) -> list[Incident]:
    about: dict[str, Any] = {
        "description": spec.description,
        "owner": spec.owner,
        "runbook": spec.runbook,
        "severity": spec.severity,
        "measure": spec.measure,
        "of": spec.of,
        "objective": json.loads(spec.model_dump_json(include={str(spec.objective)}, exclude_none=True)),
    }
    reopen = dt.timedelta(hours=spec.reopen_hours)
    return note(zones.journal, name, about, findings, reopen=reopen, at=at, now=now)


def _keep(
    zones: Zones,
    catalog: Catalog,
    at: dt.datetime,
    findings: dict[str, list[Finding]],
    failed: dict[str, str],
    now: dt.datetime,
) -> None:
    monitors = {
        name: hashlib.sha256(spec.model_dump_json().encode()).hexdigest() for name, spec in catalog.monitors.items()
    }
    found = {name: [each.document() for each in of] for name, of in findings.items()}
    keep_look(zones.journal, Look(at, found, failed, monitors), now)
