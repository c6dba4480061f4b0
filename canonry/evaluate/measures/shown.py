"""Live measures as people read them, and their level over some hours."""

from __future__ import annotations

import numpy as np
import pandas as pd

from canonry.catalog import MEASURES
from canonry.evaluate.measures.times import hour_numbers

_NAMES = {
    "latency_p95": "95th percentile of latency",
    "error_rate": "share of failed calls",
    "refusal_rate": "share of refused calls",
    "output_length": "output length",
    "cost_per_call": "cost per call",
    "total_cost": "cost per hour",
    "score": "mean score",
}


def level(measure: str, rows: pd.DataFrame, first: int, end: int) -> float | None:
    """A stream's level over hours from `first` to before `end`; None where there is no call.

    The middle hour of a quantile or a total, the mean of calls of anything else.
    """
    hours = hour_numbers(rows["hour"])
    kept = rows[(hours >= first) & (hours < end)]
    if kept.empty:
        return None
    if measure in ("latency_p95", "total_cost"):
        return float(kept["value"].median())
    return float(np.average(kept["value"], weights=kept["calls"]))


def named(measure: str) -> str:
    """A live measure in words."""
    return _NAMES[measure]


def shown(measure: str, value: float | None) -> str:
    """A value in its unit."""
    if value is None:
        return "no calls"
    unit = MEASURES[measure].unit
    if unit.startswith("share"):
        return f"{value:.1%}"
    if unit.startswith("US dollars"):
        return f"${value:.3g}" if abs(value) < 1 else f"${value:,.2f}"
    if unit == "mean":
        return f"{value:.3f}"
    return f"{value:,.4g} {unit}" if abs(value) < 1000 else f"{value:,.0f} {unit}"


def moved(measure: str, before: float | None, after: float | None) -> str:
    """A change in words."""
    if before is None or after is None:
        return f"{named(measure)} changed to {shown(measure, after)}"
    turn = "rose" if after > before else "fell"
    unit = MEASURES[measure].unit
    if unit.startswith("share"):
        by = f"{(after - before) * 100:+.1f} points"
    elif unit == "mean":
        by = f"{after - before:+.3f}"
    else:
        by = f"{after / before - 1:+.0%}" if before else "from nothing"
    return f"{named(measure)} {turn} from {shown(measure, before)} to {shown(measure, after)} ({by})"
