"""The likely cause of a live measure's change, from the calls before and since."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from canonry import lake
from canonry.alerts import Cause, Slice
from canonry.catalog import MonitorSpec
from canonry.evaluate.anchors import JudgeShift, shifts_between
from canonry.evaluate.calls import read_calls, simulated, values_of
from canonry.evaluate.causes import EXPLAINED, explain_change
from canonry.storage import Zones

BEFORE, SINCE = dt.timedelta(days=7), dt.timedelta(days=7)
"""How much is read of what lies before a change, and of the latest since it."""


def explain(
    zones: Zones, spec: MonitorSpec, values: Slice, since: dt.datetime, until: dt.datetime
) -> tuple[Cause | None, bool]:
    """The cause of a change of a slice since then, and whether calls say that a program made up a part of them.

    None where one side has no call.
    """
    days = sorted({*_days(since - BEFORE, min(since, until)), *_days(max(since, until - SINCE), until)})
    score = spec.of if spec.measure == "score" else None
    calls = around(read_calls(zones, days, costs="cost" in spec.measure, score=score, until=until), since, until)
    mine = within(calls, values)
    if score and (judge := _judge(zones, score, mine, since, days)):
        return judge, simulated(mine)
    return cause_of(spec.measure, mine, calls, values, since), simulated(mine)


def around(calls: pd.DataFrame, since: dt.datetime, until: dt.datetime) -> pd.DataFrame:
    """Those of the week before a change, and of the last week since.

    A slow change may count from weeks before it is found: the latest calls show it most.
    """
    at = calls["started_at"]
    return calls[((at >= since - BEFORE) & (at < since)) | ((at >= max(since, until - SINCE)) & (at < until))]


def cause_of(measure: str, mine: pd.DataFrame, calls: pd.DataFrame, values: Slice, since: dt.datetime) -> Cause | None:
    """From the slice's own calls; where they cannot tell one product from its model, from all that ask the model."""
    before, after = _sides(measure, mine, since)
    column = "cost" if "cost" in measure else "value"
    if before[column].notna().sum() == 0 or after[column].notna().sum() == 0:
        return None
    if measure == "total_cost" and (more := _more_calls(before, after)):
        return more
    found = explain_change(before, after, column)
    if found.kind in ("provider", "unknown") and found.field in ("request_model", None) and "product" in values:
        shared = calls[calls["request_model"].isin(after["request_model"].dropna().unique())]
        if shared["product"].nunique() > mine["product"].nunique():
            wider = explain_change(*_sides(measure, shared, since), column)
            if wider.kind in ("provider", "product"):
                return wider
    return found


def _days(first: dt.datetime, last: dt.datetime) -> list[dt.date]:
    return [first.date() + dt.timedelta(days=each) for each in range((last.date() - first.date()).days + 1)]


def _judge(zones: Zones, metric: str, mine: pd.DataFrame, since: dt.datetime, days: list[dt.date]) -> Cause | None:
    """The scorer itself, where its anchors moved as the calls' scores did."""
    scores = lake.read(zones.lake, "scores", days, ["scorer", "metric"])
    scorers = scores.filter(pc.equal(scores["metric"], metric))["scorer"].unique().to_pylist()
    before, after = _sides("score", mine, since)
    total = float(after["value"].mean() - before["value"].mean())
    return judge_cause(total, shifts_between(zones.journal, sorted(scorers), days[0], days[-1]))


def judge_cause(total: float, shifts: Sequence[JudgeShift]) -> Cause | None:
    """The judge, where it explains at least half of a change by `total` of the mean score; else None.

    `shifts` are those of its anchors about the time of the change. It explains as much as its anchors moved.
    """
    moved = [((each.value_after - each.value_before) / total, each) for each in shifts] if total else []
    explained, shift = max(moved, key=lambda each: each[0], default=(0.0, None))
    if shift is None or explained < EXPLAINED:
        return None
    return Cause("judge", "scorer_version", min(explained, 1.0), shift.said)


def within(calls: pd.DataFrame, values: Slice) -> pd.DataFrame:
    """The calls of a slice."""
    for name, value in values.items():
        calls = calls[calls[name].isna() if value is None else calls[name] == value]
    return calls


def _sides(measure: str, calls: pd.DataFrame, since: dt.datetime) -> tuple[pd.DataFrame, pd.DataFrame]:
    value = values_of(measure, calls)
    if measure == "latency_p95":
        # A quantile is explained through the share of calls beyond it.
        before = value[calls["started_at"] < since].dropna()
        value = values_of(measure, calls, float(np.quantile(before, 0.95)) if len(before) else np.inf)
    calls = calls.assign(value=value)
    return calls[calls["started_at"] < since], calls[calls["started_at"] >= since]


def _more_calls(before: pd.DataFrame, after: pd.DataFrame) -> Cause | None:
    """Where the total grew mostly by the number of calls in an hour that has any."""
    rates = [len(side) / max(side["started_at"].dt.floor("h").nunique(), 1) for side in (before, after)]
    each = [side["cost"].mean() for side in (before, after)]
    with np.errstate(divide="ignore", invalid="ignore"):
        calls, whole = np.log(rates[1] / rates[0]), np.log(rates[1] * each[1] / (rates[0] * each[0]))
    if not np.isfinite([calls, whole]).all() or whole == 0 or calls / whole < 0.5:
        return None
    return Cause("usage", None, float(calls / whole), f"there are {np.exp(calls):.3g} times the calls an hour")
