"""Streams: what live measures were in each hour, slice by slice; written a day at a time, and all that a look reads.

A partition is a function of the day's calls, charges and scores and of what the catalog's monitors measure: an hour's
tick computes today's alone, and a look at months reads a few numbers an hour.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy.special import stdtrit

from canonry import lake
from canonry.catalog import MEASURES, Catalog, MonitorSpec
from canonry.evaluate.calls import read_calls, values_of
from canonry.stats.survey import clopper_pearson
from canonry.storage import Zones

FALSE_ALARMS = 0.05
"""Chance that any hour's interval of a slice misses what it is of, over a year of hours."""

MISSES = FALSE_ALARMS / (365 * 24)
"""The same of one hour."""

SHARES = frozenset({"error_rate", "refusal_rate"})

Wanted = tuple[str, str, tuple[str, ...]]
"""Measure, of what, by which fields."""


def wanted(spec: MonitorSpec) -> Wanted | None:
    """What a monitor reads of streams; None where it reads none."""
    if not MEASURES[spec.measure].live or spec.arms:
        return None
    slower = spec.budget.faster_than_ms if spec.budget else None
    return spec.measure, f"slower than {slower:g} ms" if slower else spec.of or "", tuple(spec.slice)


def write_streams(zones: Zones, catalog: Catalog, days: Iterable[dt.date], until: dt.datetime) -> int:
    """Write `lake/streams` of those days whose calls, charges, scores or monitors are others than they were; how many.

    Hours that are not over at `until` are left out.
    """
    asked = sorted({each for each in map(wanted, catalog.monitors.values()) if each})
    written = 0
    for day in days:
        ends = min(until.replace(minute=0, second=0, microsecond=0), dt.datetime.combine(day, dt.time.max))
        inputs = {
            f"lake/{kind}": _digest(lake.manifest(zones.lake, kind, day))
            for kind in ("inferences", "charges", "scores")
        } | {"asked": json.dumps(asked), "until": str(ends)}
        before = lake.manifest(zones.lake, "streams", day) or {}
        if before.get("inputs") == inputs:
            continue
        metrics: list[str | None] = [*sorted({of for measure, of, _ in asked if measure == "score"})] or [None]
        costs = any("cost" in measure for measure, _, _ in asked)
        rows: list[dict[str, Any]] = []
        for metric in metrics:
            calls = read_calls(zones, [day], costs=costs, score=metric, until=ends)
            mine = [each for each in asked if (each[0] != "score" and metric == metrics[0]) or each[1] == metric]
            rows += [row for each in mine for row in stream_rows(calls, each)]
        table = pa.Table.from_pylist(rows, lake.SCHEMAS["streams"])
        written += lake.write(zones.lake, "streams", day, table, {"inputs": inputs})
    return written


def read_stream(zones: Zones, asked: Wanted, first: dt.date, last: dt.date) -> pd.DataFrame:
    """Rows of one stream from the first day to the last: slice (JSON), hour, value, low, high, hits, calls."""
    days = [day for day in lake.days(zones.lake, "streams") if first <= day <= last]
    table = lake.read(zones.lake, "streams", days).to_pandas()
    measure, of, fields = asked
    kept = (table["measure"] == measure) & (table["measured_of"] == of) & (table["fields"] == ",".join(fields))
    return table[kept].drop(columns=["measure", "measured_of", "fields"])


def stream_rows(calls: pd.DataFrame, asked: Wanted) -> Iterator[dict[str, Any]]:
    """What a measure was in each hour and slice with calls that count."""
    measure, of, fields = asked
    slower = float(of.split()[2]) if of.startswith("slower than") else None
    if calls.empty:
        return
    value = values_of(measure, calls, slower)
    used = calls.assign(value=value, hour=calls["started_at"].dt.floor("h"))[value.notna()]
    keys = [used[name].astype(object).where(used[name].notna(), None) for name in fields]
    used = used.assign(slice=[json.dumps(dict(zip(fields, each, strict=True)), sort_keys=True)
                              for each in (zip(*keys, strict=True) if keys else [()] * len(used))])  # fmt: skip
    for (name, hour), group in used.groupby(["slice", "hour"]):
        found = hour_of(measure, group["value"].to_numpy(float), share=slower is not None or measure in SHARES)
        yield {"measure": measure, "measured_of": of, "fields": ",".join(fields), "slice": name, "hour": hour, **found}


def hour_of(measure: str, values: np.ndarray, *, share: bool) -> dict[str, Any]:
    """One hour's figure with an interval that misses it with a chance of MISSES."""
    n = len(values)
    if share:
        hits = int(values.sum())
        low, high = clopper_pearson(hits, n, 1 - MISSES)
        return {"value": hits / n, "low": low, "high": high, "hits": hits, "calls": n}
    if measure == "latency_p95":
        from scipy.stats import binom

        ordered = np.sort(values)
        # The interval of a quantile by order statistics: exact whatever the distribution.
        below = int(binom.ppf(MISSES / 2, n, 0.95))
        above = int(binom.isf(MISSES / 2, n, 0.95)) + 1
        low = float(ordered[below - 1]) if below >= 1 else 0.0
        top = float(ordered[above - 1]) if above <= n else None
        return {"value": float(np.quantile(ordered, 0.95)), "low": low, "high": top, "hits": None, "calls": n}
    if measure == "total_cost":
        total = float(values.sum())
        return {"value": total, "low": total, "high": total, "hits": None, "calls": n}
    mean = float(values.mean())
    half = float(-stdtrit(n - 1, MISSES / 2) * values.std(ddof=1) / np.sqrt(n)) if n > 1 else None
    ends = (None, None) if half is None else (mean - half, mean + half)
    return {"value": mean, "low": ends[0], "high": ends[1], "hits": None, "calls": n}


def _digest(manifest: dict[str, Any] | None) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
