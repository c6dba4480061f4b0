"""Anchors: whether a scorer judges labeled items as people did, and as it did before."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from canonry.alerts import Cause, Finding
from canonry.catalog import Catalog, MonitorSpec
from canonry.evaluate.anchors import POSITIVE, Reading, judge_shifts, read_readings
from canonry.evaluate.measures.bounds import bounds_of, day_of, judge
from canonry.stats.survey import clopper_pearson
from canonry.storage import Zones

_SHOWN = 10


def anchors(zones: Zones, catalog: Catalog, spec: MonitorSpec, at: dt.datetime) -> list[Finding]:
    """One finding of a scorer: of the last reading of its anchors by `limit`, of all readings by `change`.

    A limit is held against the exact interval (Clopper and Pearson) of the share that it calls what people did. A
    change is broken while the scorer has judged otherwise for less than `window_days`; what it does then is usual.
    """
    name, day = spec.of or "", day_of(at)
    readings = [each for each in read_readings(zones.journal, name) if each.day <= day.isoformat()]
    if not readings:
        return [Finding({}, "unknown", f"{name}: its anchors were never read; its YAML names them under `anchors`")]
    return [_limit(name, spec, readings[-1]) if spec.limit else _change(name, spec, readings, day)]


def _limit(name: str, spec: MonitorSpec, reading: Reading) -> Finding:
    right = sum((value >= POSITIVE) == reading.truth[item] for item, value in reading.values.items())
    items = len(reading.values)
    low, high = clopper_pearson(right, items)
    state, words, bound = judge(low, high, bounds_of(spec), "{:.1%}".format)
    said = f"{name} {reading.version} judged {right} of {items} labeled items as people did on {reading.day}"
    said += f" ({right / items:.1%}, 95% interval {low:.1%} to {high:.1%}), {words}"
    return Finding({}, state, said, right / items, low, high, bound, evidence=_shown([reading]))


def _change(name: str, spec: MonitorSpec, readings: Sequence[Reading], day: dt.date) -> Finding:
    assert spec.change is not None
    shifts = judge_shifts(readings, spec.change.false_alarms)
    last = shifts[-1] if shifts else None
    now = readings[-1].agreement
    if last is None or (day - last.seen).days >= spec.window_days:
        said = f"{name}: it judges its anchors as before, over {len(readings)} readings; {now:.1%} as people did"
        return Finding({}, "holds", said, now, evidence=_shown(readings))
    since = dt.datetime.combine(last.since, dt.time())
    cause = Cause("judge", "scorer_version", 1.0, last.said)
    return Finding({}, "broken", last.said, now, since=since, cause=cause, evidence=_shown(readings))


def _shown(readings: Sequence[Reading]) -> tuple[dict[str, object], ...]:
    return tuple(
        {"day": each.day, "version": each.version, "items": len(each.values), "agreement": round(each.agreement, 4)}
        for each in readings[-_SHOWN:]
    )
