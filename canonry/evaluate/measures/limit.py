"""A live measure with a limit: no hour of the last day may surely lie beyond it. What is usual is told by the hour."""

from __future__ import annotations

import datetime as dt
import json

import numpy as np
import pandas as pd

from canonry.alerts import Finding, slice_said
from canonry.catalog import Catalog, MonitorSpec
from canonry.evaluate.measures.bounds import bounds_of, judge
from canonry.evaluate.measures.explained import explain
from canonry.evaluate.measures.shown import named, shown
from canonry.evaluate.streams import read_stream, wanted
from canonry.storage import Zones

LOOKED_AT = dt.timedelta(days=1)

_LEAST_HOURS = 5
"""Hours that say what is usual, at least."""


def limit(zones: Zones, catalog: Catalog, spec: MonitorSpec, at: dt.datetime) -> list[Finding]:
    """A finding for each slice: broken where an hour's interval of the last day lies wholly beyond the bound.

    Each hour's interval misses what it is of with 1 in 175,200, so that a year of hours gives a false alarm at most one
    time in twenty a slice. A bound in multiples is of the median of the same hours (within one) of other days, working
    days and weekends apart.
    """
    asked = wanted(spec)
    assert asked is not None
    since = at - LOOKED_AT
    rows = read_stream(zones, asked, (since - dt.timedelta(days=spec.window_days)).date(), at.date())
    rows = rows[rows["hour"] < at]
    return [
        _finding(zones, spec, json.loads(str(name)), each, since, at)
        for name, each in rows.groupby("slice")
        if (each["hour"] >= since).any()
    ]


def _finding(
    zones: Zones,
    spec: MonitorSpec,
    values: dict[str, str | None],
    rows: pd.DataFrame,
    since: dt.datetime,
    at: dt.datetime,
) -> Finding:
    where, what = slice_said(values), named(spec.measure)
    recent = rows[(rows["hour"] >= since) & (rows["calls"] >= spec.minimum_calls)]
    if recent.empty:
        most = int(rows[rows["hour"] >= since]["calls"].max())
        return Finding(values, "unknown", f"{where}: {most} calls in an hour at most, fewer than {spec.minimum_calls}")
    judged = []
    for row in recent.sort_values("hour").to_dict("records"):
        if pd.isna(row["low"]) and pd.isna(row["high"]):
            continue
        low = -np.inf if pd.isna(row["low"]) else float(row["low"])
        high = np.inf if pd.isna(row["high"]) else float(row["high"])
        bounds = bounds_of(spec, usual(rows, row["hour"]))
        judged.append((row, judge(low, high, bounds, lambda value: shown(spec.measure, value))))
    known = [each for each in judged if each[1][0] != "unknown"]
    if not known:
        return Finding(values, "unknown", f"{where}: too few hours to say what is usual")
    broken = [each for each in known if each[1][0] == "broken"]
    row, (state, said, bound) = (broken or known)[-1]
    hour = row["hour"].to_pydatetime()
    ends = [None if pd.isna(row[name]) else float(row[name]) for name in ("low", "high")]
    words = (
        f"{where}: {what} {shown(spec.measure, row['value'])} at {hour:%d %b %H:00} ({int(row['calls'])} calls), {said}"
    )
    finding = Finding(values, state, words, float(row["value"]), ends[0], ends[1], bound)
    if not broken:
        return finding
    began = broken[0][0]["hour"].to_pydatetime()
    over = broken[-1][0]["hour"].to_pydatetime() + dt.timedelta(hours=1)
    cause, made_up = explain(zones, spec, values, began, min(at, over))
    evidence = tuple(
        {
            "hour": f"{each['hour']:%Y-%m-%d %H:%M}",
            "value": each["value"],
            "calls": int(each["calls"]),
            "bound": held[2],
        }
        for each, held in broken
    )
    words += f"; {len(broken)} such hours of {len(known)}" if len(broken) > 1 else ""
    return Finding(values, state, words, float(row["value"]), ends[0], ends[1], bound, began, cause, evidence, made_up)


def usual(rows: pd.DataFrame, hour: pd.Timestamp) -> float | None:
    """The median of the same hours, within one, of earlier days of the same kind; None where there are too few."""
    earlier = rows[rows["hour"] < hour - pd.Timedelta(hours=2)]
    apart = (earlier["hour"].dt.hour - hour.hour).abs()
    kind = (earlier["hour"].dt.dayofweek >= 5) == (hour.dayofweek >= 5)
    same = earlier[(np.minimum(apart, 24 - apart) <= 1) & kind]
    return float(same["value"].median()) if len(same) >= _LEAST_HOURS else None
