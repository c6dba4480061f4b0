"""Freshness: for how many hours nothing has come of a source, or a table was not released anew."""

from __future__ import annotations

import datetime as dt

import pyarrow.compute as pc

from canonry import lake, release
from canonry.alerts import Finding
from canonry.catalog import Catalog, MonitorSpec
from canonry.evaluate.measures.bounds import bounds_of, judge
from canonry.storage import Zones

_KINDS = ("inferences", "feedback", "steps", "annotations")


def source_freshness(zones: Zones, catalog: Catalog, spec: MonitorSpec, at: dt.datetime) -> list[Finding]:
    """Hours since the last event of a source was received; an event is looked for on the days of the window alone."""
    first = (at - dt.timedelta(days=spec.window_days)).date()
    last: dt.datetime | None = None
    for kind in _KINDS:
        days = [day for day in lake.days(zones.lake, kind) if first <= day <= at.date()]
        for day in reversed(days):
            events = lake.read(zones.lake, kind, [day], ["source", "received_at"])
            mine = events.filter(pc.and_(pc.equal(events["source"], spec.of), pc.less(events["received_at"], at)))
            if mine.num_rows:
                found = pc.max(mine["received_at"]).as_py()
                last = max(found, last or found)
                break
    said = f"{spec.of}: the last event came"
    if last is None and any(day < first for kind in _KINDS for day in lake.days(zones.lake, kind)):
        hours = spec.window_days * 24.0
        state, words, bound = judge(hours, hours, bounds_of(spec), _hours)
        return [Finding({}, state, f"{said} more than {_hours(hours)} ago, {words}", hours, hours, None, bound)]
    return [_finding(spec, last, at, said, "no event has come yet")]


def table_freshness(zones: Zones, catalog: Catalog, spec: MonitorSpec, at: dt.datetime) -> list[Finding]:
    """Hours since a table's production moved: it is released anew whenever a row of it changes."""
    move = release.last_move(zones.published, "tables", spec.of or "")
    last = move.moved_at.astimezone(dt.UTC).replace(tzinfo=None) if move else None
    return [_finding(spec, last, at, f"{spec.of}: the last release was made", "it is not released yet")]


def _finding(spec: MonitorSpec, last: dt.datetime | None, at: dt.datetime, said: str, never: str) -> Finding:
    if last is None:
        return Finding({}, "unknown", f"{spec.of}: {never}")
    hours = max((at - last).total_seconds() / 3600, 0.0)
    state, words, bound = judge(hours, hours, bounds_of(spec), _hours)
    evidence = ({"last": f"{last:%Y-%m-%d %H:%M}", "looked_at": f"{at:%Y-%m-%d %H:%M}"},)
    since = last if state == "broken" else None
    return Finding({}, state, f"{said} {_hours(hours)} ago, {words}", hours, hours, hours, bound, since, None, evidence)


def _hours(value: float) -> str:
    return f"{value:.0f} hours" if value < 72 else f"{value / 24:.0f} days"
