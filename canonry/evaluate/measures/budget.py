"""An error budget: a share of calls that must be good over weeks, and an alarm where the budget burns too fast.

Burn rates over a long and a short window (Beyer et al. 2018, The Site Reliability Workbook, chapter 5): the long one
says that it matters, the short one that it still goes on.
"""

from __future__ import annotations

import datetime as dt
import json

import pandas as pd

from canonry.alerts import Finding, slice_said
from canonry.catalog import Catalog, MonitorSpec
from canonry.evaluate.measures.explained import explain
from canonry.evaluate.streams import MISSES, read_stream, wanted
from canonry.stats.survey import clopper_pearson
from canonry.storage import Zones

WINDOWS = ((1, 1, 14.4), (6, 1, 6.0), (72, 6, 1.0))
"""Hours of the long and the short window, and the burn rate that is an alarm: 1 spends the budget in just its time."""


def budget(zones: Zones, catalog: Catalog, spec: MonitorSpec, at: dt.datetime) -> list[Finding]:
    """A finding for each slice, with what is spent of its budget."""
    asked = wanted(spec)
    assert asked is not None and spec.budget is not None
    first = at - dt.timedelta(days=spec.budget.window_days)
    rows = read_stream(zones, asked, first.date(), at.date())
    rows = rows[(rows["hour"] >= first) & (rows["hour"] < at)]
    return [_finding(zones, spec, json.loads(str(name)), each, at) for name, each in rows.groupby("slice")]


def _finding(
    zones: Zones, spec: MonitorSpec, values: dict[str, str | None], rows: pd.DataFrame, at: dt.datetime
) -> Finding:
    assert spec.budget is not None
    allowed = 1 - spec.budget.good
    bad, calls = int(rows["hits"].sum()), int(rows["calls"].sum())
    spent = bad / (calls * allowed)
    where = f"{slice_said(values)}: {bad:,} bad of {calls:,} calls, "
    where += f"{spent:.0%} of the budget of {spec.budget.window_days} days"
    if calls < spec.minimum_calls:
        return Finding(values, "unknown", f"{where}; fewer than {spec.minimum_calls} calls", bad / calls)
    for long, short, rate in WINDOWS:
        # There are so many fewer windows in a year as they are longer.
        low, high, _ = _share(rows, at, long, MISSES * long / len(WINDOWS))
        if low > rate * allowed and _share(rows, at, short)[2] > rate * allowed:
            began = at - dt.timedelta(hours=long)
            cause, made_up = explain(zones, spec, values, began, at)
            said = f"{where}; in the last {long} hours it surely burns more than {rate:g} times as fast as it may"
            shares = {hours: _share(rows, at, hours) for hours in (long, short)}
            evidence = tuple({"hours": hours, "bad": round(share[2], 4)} for hours, share in shares.items())
            objective = rate * allowed
            return Finding(values, "broken", said, bad / calls, low, high, objective, began, cause, evidence, made_up)
    return Finding(values, "holds", where, bad / calls, objective=allowed)


def _share(rows: pd.DataFrame, at: dt.datetime, hours: int, misses: float = MISSES) -> tuple[float, float, float]:
    """Interval of the share of bad calls in the last hours, which misses it with a chance; and the share."""
    recent = rows[rows["hour"] >= at - dt.timedelta(hours=hours)]
    bad, n = int(recent["hits"].sum()), int(recent["calls"].sum())
    return *clopper_pearson(bad, n, 1 - misses), bad / n if n else 0.0
