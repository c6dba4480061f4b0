"""A live measure that must not change: looked at every hour, with one chance of a false alarm for all the looks."""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import pandas as pd

from canonry.alerts import Cause, Finding, Incident, every, slice_key, slice_said
from canonry.catalog import MEASURES, Catalog, MonitorSpec
from canonry.evaluate.measures.explained import explain
from canonry.evaluate.measures.shown import level, moved, shown
from canonry.evaluate.measures.times import by_hour, hour_number, hour_numbers, moment_of
from canonry.evaluate.shifts import LEAST, SHARES, Watched, ended, in_force, scaled, watch_streams
from canonry.evaluate.streams import read_stream, wanted
from canonry.storage import Zones

_RECENT = 24
_LEVEL = 14 * 24
_SHOWN = 12


@dataclass(frozen=True)
class Stream:
    """One slice's hours (T,) from `start` on, and from which hour an alarm counts; `why_not` where none can."""

    slice: dict[str, str | None]
    rows: pd.DataFrame
    start: int
    first: int
    values: np.ndarray
    calls: np.ndarray
    why_not: str | None = None


def change(zones: Zones, catalog: Catalog, spec: MonitorSpec, at: dt.datetime) -> list[Finding]:
    """A finding for each slice of a live measure: broken from the first alarm until it is back, or usual by now."""
    name = next(each for each, other in catalog.monitors.items() if other is spec)
    incidents: dict[str, list[Incident]] = defaultdict(list)
    for incident in every(zones.journal, name):
        incidents[incident.key].append(incident)
    streams = read_streams(zones, spec, at, incidents)
    findings = [
        Finding(each.slice, "unknown", f"{slice_said(each.slice)}: {each.why_not}") for each in streams if each.why_not
    ]
    for stream, watched in watch_all(spec, streams):
        last = incidents[slice_key(stream.slice)][-1:]
        findings.append(_finding(zones, spec, stream, watched, last[0] if last else None, at))
    return findings


def read_streams(
    zones: Zones, spec: MonitorSpec, at: dt.datetime, incidents: dict[str, list[Incident]]
) -> list[Stream]:
    """Every slice's stream as far back as a look at `at` needs."""
    assert spec.change is not None
    asked, warm_up, end = wanted(spec), spec.change.warm_up_days * 24, hour_number(at)
    assert asked is not None
    open_since = [_quarter(each, end) for each in incidents.values()]
    begin = min([in_force(end - 1), *open_since]) - warm_up
    rows = read_stream(zones, asked, moment_of(begin).date(), at.date())
    rows = rows[rows["hour"] < at]
    return [
        _stream(spec, str(name), each, begin, end, incidents.get(slice_key(json.loads(str(name))), []))
        for name, each in rows.groupby("slice")
    ]


def watch_all(spec: MonitorSpec, streams: list[Stream]) -> list[tuple[Stream, Watched]]:
    """Look at those that can be looked at, together where they began together."""
    assert spec.change is not None
    groups: dict[tuple[int, int], list[Stream]] = defaultdict(list)
    for stream in streams:
        if not stream.why_not:
            groups[stream.start, stream.first].append(stream)
    number = sum(map(len, groups.values()))
    found = []
    for (start, first), group in groups.items():
        values, calls = (np.stack([getattr(each, name) for each in group]) for name in ("values", "calls"))
        counts = None if spec.measure == "total_cost" else calls
        watched = watch_streams(values, counts, spec.change, start=start, first=first, slices=number)
        found += list(zip(group, watched, strict=True))
    return found


def _stream(
    spec: MonitorSpec, name: str, rows: pd.DataFrame, begin: int, end: int, incidents: list[Incident]
) -> Stream:
    assert spec.change is not None
    warm_up = spec.change.warm_up_days * 24
    hits = by_hour(rows, "hits", begin, end) if spec.measure in SHARES else np.zeros(end - begin)
    calls = by_hour(rows, "calls", begin, end, 0.0)
    values = scaled(spec.measure, by_hour(rows, "value", begin, end), hits, calls)
    known = np.flatnonzero(~np.isnan(values))
    since = begin + int(known[0]) // 24 * 24 if len(known) else end
    first = max(_quarter(incidents, end), since + warm_up)
    for incident in incidents:
        # What is over is not learnt from, or it is all that is learnt from.
        for began, over, usual in _times_over(incident):
            if usual:
                first = max(first, began + warm_up)
            else:
                values[max(began - begin, 0) : max(over - begin, 0)] = np.nan
                first = max(first, over)
    start = first - warm_up
    slice_ = json.loads(name)
    if first >= end:
        return Stream(slice_, rows, start, first, values[:0], calls[:0], f"learns until {moment_of(first):%d %b %H:%M}")
    cut = start - begin
    learnt = int(np.sum(~np.isnan(values[cut : first - begin])))
    daily = calls[cut:].sum() / max((end - start) / 24, 1)
    why_not = None
    if learnt < LEAST:
        why_not = f"{learnt} hours with calls were learnt from, at least {LEAST} are needed"
    elif daily < spec.minimum_calls:
        why_not = f"{daily:.0f} calls a day, fewer than {spec.minimum_calls}"
    return Stream(slice_, rows, start, first, values[cut:], calls[cut:], why_not)


def _quarter(incidents: list[Incident], end: int) -> int:
    """The quarter that is watched: this one, or while an incident is open the one that it opened in."""
    last = incidents[-1] if incidents else None
    if last is None or last.state != "open":
        return in_force(end - 1)
    return in_force(min(hour_number(last.turns[-1].at), end) - 1)


def _times_over(incident: Incident) -> list[tuple[int, int, bool]]:
    """Hours at which each of its turns began and ended, and whether it ended by having become usual."""
    found = []
    since = None
    for entry in incident.turns:
        finding = entry.finding or {}
        if entry.what != "resolved":
            said = finding.get("since")
            since = hour_number(dt.datetime.fromisoformat(said) if said else entry.at)
        elif since is not None:
            usual = any(row.get("ended") == "usual" for row in finding.get("evidence") or ())
            found.append((since, hour_number(entry.at), usual))
    return found


def _finding(
    zones: Zones, spec: MonitorSpec, stream: Stream, watched: Watched, last: Incident | None, at: dt.datetime
) -> Finding:
    where, end = slice_said(stream.slice), hour_number(at)
    shift = watched.shift
    if shift is None:
        now = level(spec.measure, stream.rows, max(end - _RECENT, watched.first), end)
        said = f"{where}: no lasting change in {end - watched.first:,} hours looked at"
        return Finding(stream.slice, "holds", f"{said}; {shown(spec.measure, now)} lately", now)
    before = level(spec.measure, stream.rows, shift.since - _LEVEL, shift.since)
    after = level(spec.measure, stream.rows, shift.since, min(end, shift.since + _LEVEL))
    since = moment_of(shift.since)
    words = f"{where}: {moved(spec.measure, before, after)} since {since:%d %b %H:%M}, seen by "
    words += f"{moment_of(shift.alarm + 1):%d %b %H:%M}"
    if how := ended(watched, stream.values, start=stream.start, end=end):
        said = "usual by now" if how == "usual" else "back to what it was"
        return Finding(stream.slice, "holds", f"{words}; {said}", after, since=since, evidence=({"ended": how},))
    cause, made_up = _cause(zones, spec, stream, since, last, at)
    evidence: tuple[dict[str, object], ...] = (
        {"before": before, "since": after, "unit": MEASURES[spec.measure].unit},
        {"e_value": round(shift.evidence), "needed": round(shift.needed)},
        *_hours(stream, shift.since),
    )
    return Finding(
        stream.slice,
        "broken",
        words,
        after,
        objective=before,
        since=since,
        cause=cause,
        evidence=evidence,
        simulated=made_up,
    )


def _cause(
    zones: Zones, spec: MonitorSpec, stream: Stream, since: dt.datetime, last: Incident | None, at: dt.datetime
) -> tuple[Cause | None, bool]:
    """As it was told a day after the change, where that is over: more calls add nothing then."""
    told = last.latest if last and last.state == "open" else {}
    if told.get("since") == str(since) and told.get("cause") and last and at - last.turns[-1].at > dt.timedelta(days=1):
        return Cause(**told["cause"]), bool(told.get("simulated"))
    return explain(zones, spec, stream.slice, since, at)


def _hours(stream: Stream, since: int) -> list[dict[str, object]]:
    """The hours on both sides of the change that have calls."""
    numbers = hour_numbers(stream.rows["hour"])
    near = pd.concat([stream.rows[numbers < since].tail(_SHOWN // 2), stream.rows[numbers >= since].head(_SHOWN // 2)])
    return [
        {"hour": f"{row['hour']:%Y-%m-%d %H:%M}", "value": round(float(row["value"]), 6), "calls": int(row["calls"])}
        for row in near.to_dict("records")
    ]
