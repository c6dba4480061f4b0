"""Whether a fixed set of items is judged otherwise than before, looked at after every reading of them.

Where nothing changes, the readings of an item are exchangeable: which of them came first says nothing. So of an item's
positives in two equal windows, given their sum, the later window's part is hypergeometric, whatever the item, and the
sum over items has an exact distribution (the exact conditional test of stratified tables, Cox 1970; McNemar's test for
windows of one reading). Look number k may err with probability `false_alarms` / (k (k + 1)); over all looks, however
many, that sums to `false_alarms`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

WINDOW = 7
"""Readings in a window at most."""


@dataclass(frozen=True)
class Shift:
    """The first look at which items were surely judged otherwise. Positions are of readings."""

    look: int
    """Reading after which it was seen."""
    since: int
    """Reading from which it seems to hold."""
    before: float
    """Mean of the readings before `since`, over items that all of them have."""
    after: float
    """Mean of the readings from then until `look`."""
    probability: float
    """Of so much or more where nothing changes."""
    items: int


def find_shift(readings: npt.ArrayLike, false_alarms: float = 0.05, window: int = WINDOW) -> Shift | None:
    """The first shift in readings (T, n) of 0 and 1, NaN where an item was not read; None where nothing is sure.

    With probability 1 - `false_alarms` there is none over any number of readings, where nothing changes and the items
    are judged independently of each other.
    """
    values = np.atleast_2d(np.asarray(readings, dtype=float))
    for look in range(1, len(values)):
        # Windows meet and never overlap: the earliest readings are compared with the latest.
        width = min(window, (look + 1) // 2)
        early, late = values[:width], values[look + 1 - width : look + 1]
        probability, _ = shift_probability(early, late)
        if probability <= false_alarms / (look * (look + 1)):
            return _told(values[: look + 1], look, probability)
    return None


def shift_probability(early: np.ndarray, late: np.ndarray) -> tuple[float, int]:
    """Two-sided probability of such a difference of two windows (w, n) of 0 and 1, and how many items were compared."""
    there = ~np.isnan(early).any(axis=0) & ~np.isnan(late).any(axis=0)
    width = len(early)
    first, second = (np.rint(part[:, there].sum(axis=0)).astype(int) for part in (early, late))
    chances = np.ones(1)
    smallest = 0
    for total in (first + second)[(first + second > 0) & (first + second < 2 * width)]:
        chances = np.convolve(chances, _later(width, int(total)))
        smallest += max(0, total - width)
    smallest += int(np.sum((first + second) == 2 * width)) * width
    seen = int(second.sum()) - smallest
    below, above = chances[: seen + 1].sum(), chances[seen:].sum()
    return float(min(1.0, 2 * min(below, above))), int(there.sum())


@cache
def _later(width: int, total: int) -> np.ndarray:
    """Chances of each number of an item's `total` positives to be in the later of two windows, from the least."""
    from scipy.stats import hypergeom

    return hypergeom(2 * width, total, width).pmf(np.arange(max(0, total - width), min(width, total) + 1))


def _told(values: np.ndarray, look: int, probability: float) -> Shift:
    there = ~np.isnan(values).any(axis=0)
    means = values[:, there].mean(axis=1)
    count = len(means)
    sizes = [
        abs(means[:split].mean() - means[split:].mean()) * np.sqrt(split * (count - split)) for split in range(1, count)
    ]
    since = 1 + int(np.argmax(sizes))
    before, after = float(means[:since].mean()), float(means[since:].mean())
    return Shift(look, since, before, after, probability, int(there.sum()))
