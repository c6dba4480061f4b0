"""Intervals held against a limit, and the times that measures share."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from canonry.alerts.findings import State
from canonry.catalog import MonitorSpec

Bounds = tuple[float | None, float | None]
"""What a measure must be at least, and at most."""


def bounds_of(spec: MonitorSpec, usual: float | None = None) -> Bounds:
    """The bounds of a monitor with a limit; of one in multiples, from what is `usual`, where that is known."""
    limit = spec.limit
    if limit is None:
        return None, None
    low = usual * limit.times_below if usual is not None and limit.times_below else limit.at_least
    high = usual * limit.times if usual is not None and limit.times else limit.at_most
    return low, high


def judge(low: float, high: float, bounds: Bounds, shown: Callable[[float], str]) -> tuple[State, str, float | None]:
    """Whether an interval lies wholly beyond a bound; in words; and the bound it was held against.

    What is counted has no doubt, and is an interval of one value: then nothing is said of how sure it is.
    """
    at_least, at_most = bounds
    sure = "surely " if low < high else ""
    if at_most is not None and low > at_most:
        return "broken", f"{sure}above {shown(at_most)}", at_most
    if at_least is not None and high < at_least:
        return "broken", f"{sure}below {shown(at_least)}", at_least
    bound = at_most if at_most is not None else at_least
    if bound is None:
        return "unknown", "nothing to hold it against yet", None
    side = "above" if at_most is not None else "below"
    return "holds", f"not {sure}{side} {shown(bound)}", bound


def day_of(at: dt.datetime) -> dt.date:
    """The day that a moment ends or lies in: midnight is the end of the day before."""
    return (at - dt.timedelta(microseconds=1)).date()
