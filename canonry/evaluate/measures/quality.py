"""Quality: what labels say, held against a limit that its interval must rule out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from canonry import lake
from canonry.alerts import Finding, slice_said
from canonry.catalog import Catalog, MonitorSpec
from canonry.evaluate.measures.bounds import bounds_of, day_of, judge
from canonry.evaluate.slices import slice_name
from canonry.storage import Zones

_SHOWN = (
    "value",
    "interval_low",
    "interval_high",
    "confidence",
    "labels",
    "population",
    "estimator",
    "estimand",
    "method",
)


def quality(zones: Zones, catalog: Catalog, spec: MonitorSpec, at: dt.datetime) -> list[Finding]:
    """A finding for each slice of an eval, from its estimates of the day.

    Of a slice's estimates the one is read that the eval prefers: chosen by what is there, never by what it says.
    """
    bounds = bounds_of(spec)
    rows = lake.read(zones.lake, "estimates", [day_of(at)]).to_pylist()
    return [
        _finding(row, spec, bounds)
        for row in rows
        if row["eval"] == spec.of and row["slice"] == slice_name(spec.slice) and row["preferred"] is not False
    ]


def _finding(row: Mapping[str, Any], spec: MonitorSpec, bounds: tuple[float | None, float | None]) -> Finding:
    values: dict[str, str | None] = {name: row[name] for name in spec.slice}
    where = slice_said(values)
    if row["refused"] is not None:
        return Finding(values, "unknown", f"{where}: not enough labels: {row['refused']}")
    state, said, objective = judge(row["interval_low"], row["interval_high"], bounds, "{:.1%}".format)
    simulated = ", simulated reviewers" if row["simulated"] else ""
    interval = f"{row['confidence']:.0%} interval {row['interval_low']:.1%} to {row['interval_high']:.1%}"
    return Finding(
        values,
        state,
        f"{where}: {row['value']:.1%} ({interval}, {row['labels']} labels{simulated}), {said}",
        row["value"],
        row["interval_low"],
        row["interval_high"],
        objective,
        evidence=({name: row[name] for name in _SHOWN},),
        simulated=bool(row["simulated"]),
    )
