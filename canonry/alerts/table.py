"""The table of incidents: one row an incident, as people read it."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable

import pyarrow as pa

from canonry import lake
from canonry.alerts.findings import slice_said
from canonry.alerts.incidents import Incident, every
from canonry.storage import Zones


def incident_rows(incidents: Iterable[Incident]) -> pa.Table:
    """Rows of `lake/incidents`: open ones first, then the last to have opened first."""
    ordered = sorted(incidents, key=lambda each: (_opened(each), each.incident_id), reverse=True)
    ordered.sort(key=lambda each: each.state != "open")
    return pa.Table.from_pylist([_row(each) for each in ordered], lake.SCHEMAS["incidents"])


def write_incidents(zones: Zones) -> pa.Table:
    """Write `lake/incidents`, each on the day it first opened, from the journal; returns the rows of all days."""
    incidents = list(every(zones.journal))
    days = {_opened(each).date() for each in incidents}
    for day in sorted(days):
        of_day = [each for each in incidents if _opened(each).date() == day]
        entries = {each.incident_id: str(len(each.entries)) for each in of_day}
        lake.write(zones.lake, "incidents", day, incident_rows(of_day), {"inputs": entries})
    return incident_rows(incidents)


def _opened(incident: Incident) -> dt.datetime:
    return incident.entries[0].at


def _row(incident: Incident) -> dict[str, object]:
    found, about, taken = incident.latest, incident.about, incident.acknowledged
    cause = found.get("cause") or {}
    since = found.get("since")
    return {
        "incident_id": incident.incident_id,
        "monitor": incident.monitor,
        "measure": about["measure"],
        "measured_of": about["of"],
        "slice": json.dumps(dict(incident.slice), sort_keys=True),
        "slice_said": slice_said(incident.slice),
        "state": incident.state,
        "severity": about["severity"],
        "owner": about["owner"],
        "runbook": about["runbook"],
        "said": found.get("said"),
        "value": found.get("value"),
        "low": found.get("low"),
        "high": found.get("high"),
        "objective": found.get("objective"),
        "began_at": dt.datetime.fromisoformat(since) if since else None,
        "opened_at": _opened(incident),
        "updated_at": incident.entries[-1].at,
        "resolved_at": incident.turns[-1].at if incident.state == "resolved" else None,
        "opened_times": sum(entry.what != "resolved" for entry in incident.turns),
        "acknowledged_by": taken.by if taken else None,
        "cause": cause.get("kind"),
        "cause_field": cause.get("field"),
        "cause_said": cause.get("said"),
        "evidence": json.dumps(found.get("evidence") or []),
        "simulated": bool(found.get("simulated")),
    }
