"""Many comparisons at once: which differences stand when so many were looked for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr, ndtri

from canonry.stats.survey import Proportion


def difference_p_value(one: Proportion, other: Proportion, confidence: float = 0.95) -> float:
    """How likely so large a difference of two independent estimates would be, if there were none; two-sided.

    From their intervals at `confidence`, of which the sides that face each other count (MOVER: Zou and Donner 2008,
    Statistics in Medicine 27), so that it agrees with the intervals near 0 and 1, too.
    """
    lower, upper = (one, other) if one.value <= other.value else (other, one)
    reach = np.hypot(lower.high - lower.value, upper.value - upper.low)
    if upper.value == lower.value:
        return 1.0
    if reach == 0:
        return 0.0
    distance = (upper.value - lower.value) / reach * ndtri((1 + confidence) / 2)
    return float(2 * ndtr(-distance))


def adjusted_p_values(p_values: Sequence[float]) -> np.ndarray:
    """(n,) of each difference, the lowest false discovery rate at which it would be called found.

    Benjamini and Hochberg (1995); holds for independent tests and for those that rise together, such as all pairs.
    """
    from scipy.stats import false_discovery_control

    if not len(p_values):
        return np.zeros(0)
    return np.asarray(false_discovery_control(np.asarray(p_values, dtype=float)))


def discoveries(p_values: Sequence[float], rate: float = 0.05) -> np.ndarray:
    """(n,) which differences to call found, so that of those on average at most the share `rate` are none."""
    return adjusted_p_values(p_values) <= rate
