"""Feedback: what users say, reweighted by the chance of saying it, and how many of them say anything."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from statistics import median
from typing import Any

from canonry import lake
from canonry.alerts import Finding, slice_said
from canonry.catalog import Catalog, MonitorSpec
from canonry.evaluate.measures.bounds import bounds_of, day_of, judge
from canonry.stats.survey import clopper_pearson
from canonry.storage import Zones

Row = dict[str, Any]

_LEAST_DAYS = 7
"""Days that say what is usual, at least."""


def feedback(zones: Zones, catalog: Catalog, spec: MonitorSpec, at: dt.datetime) -> list[Finding]:
    """A finding for each slice: the reweighted mean of the four weeks that the day ends, by its interval."""
    return _findings(zones, spec, at, 28, _mean)


def feedback_volume(zones: Zones, catalog: Catalog, spec: MonitorSpec, at: dt.datetime) -> list[Finding]:
    """A finding for each slice: the share of the day's answers that anything was said of, by an exact interval."""
    return _findings(zones, spec, at, 1, _share)


Figure = tuple[float, float, float, str]
"""Value, low, high, and of how many."""


def _mean(row: Row) -> Figure | None:
    if row["refused"] is not None or row["value"] is None:
        return None
    return row["value"], row["interval_low"], row["interval_high"], f"{row['known']} of {row['answers']} answers"


def _share(row: Row) -> Figure | None:
    known, answers = row["known"], row["answers"]
    if not answers:
        return None
    low, high = clopper_pearson(known, answers, 0.99)
    return known / answers, low, high, f"{known} of {answers} answers"


def _findings(
    zones: Zones, spec: MonitorSpec, at: dt.datetime, days: int, figure: Callable[[Row], Figure | None]
) -> list[Finding]:
    day = day_of(at)
    first = day - dt.timedelta(days=spec.window_days)
    needs_usual = spec.limit is not None and (spec.limit.times or spec.limit.times_below)
    known = [each for each in lake.days(zones.lake, "feedback_rates") if first <= each < day] if needs_usual else []
    past = [row for row in lake.read(zones.lake, "feedback_rates", known).to_pylist() if _is_asked(row, spec, days)]
    now = [row for row in lake.read(zones.lake, "feedback_rates", [day]).to_pylist() if _is_asked(row, spec, days)]
    return [
        _finding(spec, row, [each for each in past if _slice(each, spec) == _slice(row, spec)], figure) for row in now
    ]


def _finding(spec: MonitorSpec, row: Row, past: list[Row], figure: Callable[[Row], Figure | None]) -> Finding:
    values: dict[str, str | None] = _slice(row, spec)
    where, found = f"{slice_said(values)}: {spec.of}", figure(row)
    if found is None:
        return Finding(values, "unknown", f"{where}: {row['refused'] or 'no answer'}")
    if row["answers"] < spec.minimum_calls:
        return Finding(values, "unknown", f"{where}: {row['answers']} answers, fewer than {spec.minimum_calls}")
    earlier = [each[0] for each in map(figure, past) if each]
    usual = median(earlier) if len(earlier) >= _LEAST_DAYS else None
    value, low, high, count = found
    shown = "{:.1%}".format if figure is _share else "{:+.2f}".format
    state, words, bound = judge(low, high, bounds_of(spec, usual), shown)
    made_up = ", simulated users" if row["simulated"] else ""
    said = f"{where}: {shown(value)} (interval {shown(low)} to {shown(high)}, {count}{made_up}), {words}"
    names = ("window_start", "window_end", "answers", "known", "raw_value", "value", "interval_low", "interval_high")
    evidence = ({name: json.loads(json.dumps(row[name], default=str)) for name in names},)
    return Finding(values, state, said, value, low, high, bound, None, None, evidence, bool(row["simulated"]))


def _is_asked(row: Row, spec: MonitorSpec, days: int) -> bool:
    """Teams are told apart in every slice of the table that tells products apart, since a product has one."""
    fields = set() if row["slice"] == "all" else set(row["slice"].split(","))
    same = fields - {"team"} == set(spec.slice) - {"team"} and ("team" in fields or "team" not in spec.slice)
    return bool(row["signal"] == spec.of and row["window_days"] == days and same)


def _slice(row: Row, spec: MonitorSpec) -> dict[str, str | None]:
    return {name: row[name] for name in spec.slice}
