"""Incidents: what is broken, since when, and what became of it; append-only entries in the journal, folded when read.

`incidents/monitors/MONITOR/SLICE/NUMBER/ENTRY.json`. An entry is written once, under the next number: of two writers
that look at the same time one wins, and the other finds it when it looks again.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from canonry.alerts.findings import Finding, Slice
from canonry.storage import Storage

ROOT = "incidents/monitors"

What = Literal["opened", "updated", "acknowledged", "resolved", "reopened"]

FORGOTTEN = dt.timedelta(days=14)
"""An incident of a slice that has not been measured for so long is resolved: nobody asks that model any more."""


class NoSuchIncident(LookupError):
    """No incident goes by this name."""


@dataclass(frozen=True)
class Entry:
    """One thing that happened to an incident."""

    what: What
    at: dt.datetime
    """Of the data: until when was looked at."""
    noted_at: dt.datetime
    """When it was written down."""
    said: str
    by: str | None = None
    """Who, where a person did it."""
    finding: Mapping[str, Any] | None = None
    """As in Finding, where a look found it."""


@dataclass(frozen=True)
class Incident:
    """One incident with all that happened to it, the oldest first."""

    monitor: str
    key: str
    number: int
    slice: Slice
    about: Mapping[str, Any]
    """What the monitor said when it opened: owner, runbook, severity, measure, of, description."""
    entries: tuple[Entry, ...]

    @property
    def incident_id(self) -> str:
        """Its name: the monitor, the slice's digits, and which one of that slice it is."""
        return f"{self.monitor}-{self.key}-{self.number}"

    @cached_property
    def state(self) -> Literal["open", "resolved"]:
        """Whether it is over."""
        return "resolved" if self.turns[-1].what == "resolved" else "open"

    @cached_property
    def turns(self) -> list[Entry]:
        """What opened and ended it."""
        return [entry for entry in self.entries if entry.what in ("opened", "reopened", "resolved")]

    @property
    def latest(self) -> Mapping[str, Any]:
        """The last finding of it that was broken."""
        return next((entry.finding for entry in reversed(self.entries) if entry.finding and _broken(entry)), {})

    @property
    def acknowledged(self) -> Entry | None:
        """Who has taken it since it last opened."""
        last = max(place for place, entry in enumerate(self.entries) if entry.what in ("opened", "reopened"))
        return next((entry for entry in reversed(self.entries[last:]) if entry.what == "acknowledged"), None)


def note(
    journal: Storage,
    monitor: str,
    about: Mapping[str, Any],
    findings: Sequence[Finding],
    *,
    reopen: dt.timedelta,
    at: dt.datetime,
    now: dt.datetime,
) -> list[Incident]:
    """Open, update, reopen and resolve a monitor's incidents by what was found; those that something happened to.

    `at`: until when the data were looked at; what is older than an incident's last entry changes nothing. The same look
    twice writes nothing twice.
    """
    last = {key: _last(journal, monitor, key) for key in journal.folders(f"{ROOT}/{monitor}")}
    touched = []
    for finding in findings:
        before = last.get(finding.key)
        if before and at < before.entries[-1].at:
            continue
        if turned := _turn(before, finding, reopen, at):
            what, said = turned
            entry = Entry(what, at, now, said, finding=finding.document())
            number = (before.number if before else 0) + 1 if what == "opened" else before.number if before else 1
            touched += _append(journal, monitor, finding.key, number, finding.slice, about, before, entry)
    seen = {finding.key for finding in findings}
    for key, before in last.items():
        if before and key not in seen and before.state == "open" and at - before.entries[-1].at >= FORGOTTEN:
            entry = Entry("resolved", at, now, f"not measured for {FORGOTTEN.days} days")
            touched += _append(journal, monitor, key, before.number, before.slice, about, before, entry)
    return touched


def acknowledge(journal: Storage, incident: Incident, *, by: str, note: str, now: dt.datetime) -> Incident:
    """Say that somebody has taken it. Raises ValueError for one that is over."""
    if incident.state != "open":
        raise ValueError(f"{incident.incident_id}: is over since {incident.turns[-1].at:%Y-%m-%d %H:%M}")
    entry = Entry("acknowledged", max(incident.entries[-1].at, incident.turns[-1].at), now, note, by)
    done = _append(
        journal, incident.monitor, incident.key, incident.number, incident.slice, incident.about, incident, entry
    )
    return done[0] if done else find(journal, incident.incident_id)


def every(journal: Storage, monitor: str | None = None) -> Iterator[Incident]:
    """Every incident, of all monitors or of one, by monitor, slice and number."""
    for name in [monitor] if monitor else journal.folders(ROOT):
        for key in journal.folders(f"{ROOT}/{name}"):
            for number in journal.folders(f"{ROOT}/{name}/{key}"):
                yield _read(journal, name, key, int(number))


def find(journal: Storage, incident_id: str) -> Incident:
    """The incident of a name. Raises NoSuchIncident."""
    parts = incident_id.rsplit("-", 2)
    if len(parts) == 3 and parts[2].isdigit():
        monitor, key, number = parts
        if number in (each.lstrip("0") for each in journal.folders(f"{ROOT}/{monitor}/{key}")):
            return _read(journal, monitor, key, int(number))
    raise NoSuchIncident(f"{incident_id}: no such incident; `canonry incidents list --all` names every one")


def _turn(before: Incident | None, finding: Finding, reopen: dt.timedelta, at: dt.datetime) -> tuple[What, str] | None:
    """What a finding does to the slice's last incident, and in which words."""
    is_open = before is not None and before.state == "open"
    if finding.state == "broken":
        if before is None or (not is_open and at - before.turns[-1].at > reopen):
            return "opened", finding.said
        if not is_open:
            return "reopened", finding.said
        return ("updated", finding.said) if _is_news(before.latest, finding) else None
    return ("resolved", finding.said) if finding.state == "holds" and is_open else None


def _is_news(told: Mapping[str, Any], finding: Finding) -> bool:
    """Whether it is another than was told: another cause, or a value beyond the interval, or by a fifth."""
    cause, earlier = finding.cause, told.get("cause")
    if (cause.kind, cause.field) != ((earlier or {}).get("kind"), (earlier or {}).get("field")) if cause else earlier:
        return True
    value, before = finding.value, told.get("value")
    if value is None or before is None:
        return False
    low, high = told.get("low"), told.get("high")
    if low is not None and high is not None:
        return not low <= value <= high
    return abs(value - before) > 0.2 * abs(before)


def _broken(entry: Entry) -> bool:
    return bool(entry.finding) and entry.finding["state"] == "broken"  # type: ignore[index]


def _append(
    journal: Storage,
    monitor: str,
    key: str,
    number: int,
    values: Slice,
    about: Mapping[str, Any],
    before: Incident | None,
    entry: Entry,
) -> list[Incident]:
    """The incident with one entry more; nothing where another writer was first."""
    same = before if before and before.number == number else None
    entries = same.entries if same else ()
    incident = Incident(monitor, key, number, values, same.about if same else about, (*entries, entry))
    document = {
        "incident_id": incident.incident_id,
        "slice": dict(values),
        "about": dict(incident.about),
        "what": entry.what,
        "at": entry.at.isoformat(),
        "noted_at": entry.noted_at.isoformat(),
        "said": entry.said,
        "by": entry.by,
        "finding": entry.finding,
    }
    path = f"{ROOT}/{monitor}/{key}/{number:04d}/{len(entries) + 1:06d}.json"
    written = journal.put_if_absent(path, json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n")
    return [incident] if written else []


def _last(journal: Storage, monitor: str, key: str) -> Incident | None:
    numbers = journal.folders(f"{ROOT}/{monitor}/{key}")
    return _read(journal, monitor, key, int(numbers[-1])) if numbers else None


def _read(journal: Storage, monitor: str, key: str, number: int) -> Incident:
    paths = [entry.path for entry in journal.list(f"{ROOT}/{monitor}/{key}/{number:04d}")]
    documents = [json.loads(journal.read(path)) for path in sorted(paths)]
    entries = tuple(
        Entry(
            document["what"],
            dt.datetime.fromisoformat(document["at"]),
            dt.datetime.fromisoformat(document["noted_at"]),
            document["said"],
            document["by"],
            document["finding"],
        )
        for document in documents
    )
    return Incident(monitor, key, number, documents[0]["slice"], documents[0]["about"], entries)
