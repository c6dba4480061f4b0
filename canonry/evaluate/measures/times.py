"""Hours as whole numbers since a Monday's midnight, and streams as arrays by them."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd

MONDAY = dt.datetime(1970, 1, 5)
_HOUR = dt.timedelta(hours=1)


def hour_number(moment: dt.datetime) -> int:
    """Whole hours from the first Monday."""
    return (moment - MONDAY) // _HOUR


def moment_of(hour: int) -> dt.datetime:
    """When an hour begins, UTC."""
    return MONDAY + hour * _HOUR


def hour_numbers(hours: pd.Series) -> np.ndarray:
    """The same of each row's hour."""
    return ((hours - pd.Timestamp(MONDAY)) // pd.Timedelta(hours=1)).to_numpy(int)


def by_hour(rows: pd.DataFrame, column: str, first: int, end: int, missing: float = np.nan) -> np.ndarray:
    """(end - first,) a column of a stream's rows by hour; `missing` where an hour has none."""
    found = np.full(end - first, missing)
    places = hour_numbers(rows["hour"]) - first
    inside = (places >= 0) & (places < len(found))
    found[places[inside]] = rows[column].to_numpy(float)[inside]
    return found
