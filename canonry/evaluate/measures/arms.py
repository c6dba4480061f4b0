"""Arms of a canary against their control: the same hours, the same slice, another version."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from canonry import lake
from canonry.alerts import Cause, Finding, slice_said
from canonry.catalog import Catalog, MonitorSpec
from canonry.evaluate.calls import read_calls, simulated, values_of
from canonry.evaluate.causes import explain_change
from canonry.evaluate.measures.shown import moved
from canonry.stats.arms import arms_evidence
from canonry.storage import Zones

_LONG_OVER = dt.timedelta(days=2)
"""An arm without a call for so long is over, and not judged any more."""


def arms(zones: Zones, catalog: Catalog, spec: MonitorSpec, at: dt.datetime) -> list[Finding]:
    """A finding for each slice and arm that had calls lately.

    Of a share, how many calls are hits; of anything else, how many lie above the middle, and of a quantile above that
    quantile, of the hour's calls of both arms: alike where the arms are.
    """
    assert spec.arms is not None
    first = (at - dt.timedelta(days=spec.window_days)).date()
    days = [day for day in lake.days(zones.lake, "inferences") if first <= day <= at.date()]
    score = spec.of if spec.measure == "score" else None
    costs = spec.measure == "cost_per_call"
    # Most days have no canary: whether one has is read of one column.
    days = [day for day in days if pc.count(lake.read(zones.lake, "inferences", [day], ["arm"])["arm"]).as_py()]
    calls = read_calls(zones, days, costs=costs, score=score, until=at)
    calls = calls[calls["arm"].notna()] if len(calls) else calls
    if calls.empty:
        return []
    calls = calls.assign(value=values_of(spec.measure, calls))
    calls = calls[calls["value"].notna()]
    return [_finding(spec, *each) for each in _pairs(spec, calls, at)]


def _pairs(
    spec: MonitorSpec, calls: pd.DataFrame, at: dt.datetime
) -> Iterator[tuple[dict[str, str | None], str, pd.DataFrame, pd.DataFrame, int]]:
    """Slice, arm, its calls, those of the control in the hours of both, and how many are compared in all."""
    assert spec.arms is not None
    fields = list(spec.slice)
    groups = list(calls.groupby(fields, dropna=False)) if fields else [((), calls)]
    found = []
    for key, group in groups:
        names = key if isinstance(key, tuple) else (key,)
        values = {str(name): _text(value) for name, value in zip(fields, names, strict=True)}
        control = group[group["arm"] == spec.arms.control]
        for arm, mine in group[group["arm"] != spec.arms.control].groupby("arm"):
            if len(control) and mine["started_at"].max() >= at - _LONG_OVER:
                found.append((values, str(arm), mine, control))
    for each in found:
        yield (*each, len(found))


def _finding(
    spec: MonitorSpec, values: dict[str, str | None], arm: str, mine: pd.DataFrame, control: pd.DataFrame, number: int
) -> Finding:
    assert spec.arms is not None
    where = {**values, "arm": arm}
    if min(len(mine), len(control)) < spec.minimum_calls:
        said = f"{len(mine)} calls and {len(control)} of {spec.arms.control}, fewer than {spec.minimum_calls}"
        return Finding(where, "unknown", f"{slice_said(where)}: {said}")
    tables, hours = _by_hour(spec.measure, mine, control)
    up, down = spec.arms.shift != "down", spec.arms.shift != "up"
    evidence = arms_evidence(*tables.T, up=up, down=down) if len(tables) else np.zeros(1)
    needed = math.log(number / spec.arms.false_alarms)
    over = np.flatnonzero(evidence >= needed)
    before, after = _level(spec.measure, control), _level(spec.measure, mine)
    words = f"{slice_said(where)}: {moved(spec.measure, before, after)} against {spec.arms.control}"
    words += f", {len(mine)} and {len(control)} calls (e-value {math.exp(min(float(evidence.max()), 700)):,.3g}, "
    words += f"{math.exp(needed):,.0f} needed)"
    if not len(over):
        return Finding(where, "holds", words, after, objective=before)
    column = "cost" if spec.measure == "cost_per_call" else "value"
    found = explain_change(control, mine, column)
    cause = Cause(found.kind, found.field, found.explained, f"arm {arm} against {spec.arms.control}: {found.said}")
    shown = ({"arm": arm, "level": after, "calls": len(mine)},
             {"arm": spec.arms.control, "level": before, "calls": len(control)})  # fmt: skip
    since = hours[int(over[0])]
    made_up = simulated(mine)
    return Finding(where, "broken", words, after, None, None, before, since, cause, shown, made_up)


def _by_hour(measure: str, mine: pd.DataFrame, control: pd.DataFrame) -> tuple[np.ndarray, list[dt.datetime]]:
    """(T, 4) hits and calls of both arms, in hours in which both have calls."""
    both = pd.concat([mine.assign(first=True), control.assign(first=False)])
    both["hour"] = both["started_at"].dt.floor("h")
    tables, hours = [], []
    for hour, each in both.groupby("hour"):
        if each["first"].nunique() < 2:
            continue
        values = each["value"].to_numpy(float)
        if measure not in ("error_rate", "refusal_rate"):
            values = (values > np.quantile(values, 0.95 if measure == "latency_p95" else 0.5)).astype(float)
        own = each["first"].to_numpy(bool)
        tables.append([values[own].sum(), own.sum(), values[~own].sum(), (~own).sum()])
        hours.append(pd.Timestamp(str(hour)).to_pydatetime())
    return np.array(tables, dtype=np.int64).reshape(-1, 4), hours


def _text(value: object) -> str | None:
    return None if value is None or value != value else str(value)


def _level(measure: str, calls: pd.DataFrame) -> float:
    return float(calls["value"].quantile(0.95) if measure == "latency_p95" else calls["value"].mean())
