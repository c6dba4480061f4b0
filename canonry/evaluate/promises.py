"""What monitors of change promise: how soon the change that each looks for is found, by the volumes of its streams."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from canonry import lake
from canonry.alerts import Incident, Slice, every, slice_said
from canonry.catalog import Catalog
from canonry.evaluate.measures.change import Stream, read_streams, watch_all
from canonry.evaluate.measures.shown import level, named
from canonry.evaluate.measures.times import hour_number
from canonry.evaluate.shifts import Watched, find_in, promise
from canonry.evaluate.streams import write_streams
from canonry.storage import Zones


@dataclass(frozen=True)
class Promise:
    """Of one slice of one monitor."""

    monitor: str
    slice: Slice
    find: float
    hours: int | None
    """Within which it is found in nine cases of ten; None where no promise is possible."""
    said: str


def promises(zones: Zones, catalog: Catalog, at: dt.datetime) -> list[Promise]:
    """Of every monitor of change and slice, from what its streams were until now; streams are written where missing."""
    looked_for = {name: spec for name, spec in catalog.monitors.items() if spec.change}
    hour = at.replace(minute=0, second=0, microsecond=0)
    write_streams(zones, catalog, _days(zones, hour), hour)
    found = []
    for name, spec in sorted(looked_for.items()):
        incidents: dict[str, list[Incident]] = {}
        for incident in every(zones.journal, name):
            incidents.setdefault(incident.key, []).append(incident)
        streams = read_streams(zones, spec, hour, incidents)
        assert spec.change is not None
        found += [
            Promise(name, each.slice, spec.change.find, None, f"{slice_said(each.slice)}: {each.why_not}")
            for each in streams
            if each.why_not
        ]
        found += [_promise(name, spec.measure, spec.change.find, *each, hour) for each in watch_all(spec, streams)]
    return found


def _promise(monitor: str, measure: str, size: float, stream: Stream, watched: Watched, at: dt.datetime) -> Promise:
    now = level(measure, stream.rows, stream.start, hour_number(at))
    hours = promise(watched, find_in(measure, size, stream.calls, now or 0.0))
    what = f"{size * 100:+.1f} points" if measure in ("error_rate", "refusal_rate") else f"{size:+.2f}"
    what = what if measure in ("error_rate", "refusal_rate", "score") else f"{size:+.0%}"
    said = f"{slice_said(stream.slice)}: finds {what} of {named(measure)} "
    said += f"within {_long(hours)} with 90 %" if hours else "for sure only after eight weeks, if ever: too few calls"
    return Promise(monitor, stream.slice, size, hours, said)


def _long(hours: int) -> str:
    return f"{hours} hours" if hours < 72 else f"{hours / 24:.1f} days"


def _days(zones: Zones, at: dt.datetime) -> list[dt.date]:
    first = at.date() - dt.timedelta(days=3 * 91)
    return [day for day in lake.days(zones.lake, "inferences") if first <= day <= at.date()]
