"""Means of units' shares, each from 0 to 1, with intervals: what one unit's calls say counts once."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri


def difference_interval(
    current: np.ndarray, reference: np.ndarray, confidence: float = 0.95
) -> tuple[float, float, float]:
    """Difference of two mean shares, current (n,) less reference (m,), each unit's from 0 to 1, and its interval.

    Newcombe's (1998) hybrid of two Wilson intervals, each at as many independent yes-or-no units as its variance says.
    """
    (one, low, high), (other, other_low, other_high) = (_wilson(each, confidence) for each in (current, reference))
    value = one - other
    return (
        value,
        max(-1.0, value - float(np.hypot(one - low, other_high - other))),
        min(1.0, value + float(np.hypot(high - one, other - other_low))),
    )


def mean_share(shares: np.ndarray, confidence: float = 0.95) -> tuple[float, float, float]:
    """Mean of units' shares (n,), each from 0 to 1, with a Wilson interval at the effective number of units."""
    return _wilson(np.asarray(shares, dtype=float), confidence)


def _wilson(shares: np.ndarray, confidence: float) -> tuple[float, float, float]:
    value = float(np.mean(shares))
    variance = float(np.var(shares, ddof=1)) if len(shares) > 1 else 0.0
    # A mean of shares says more than one of as many yes-or-nos; where it seems to say far more, few units tell so.
    size = len(shares) * min(max(value * (1 - value) / variance, 1.0), 4.0) if variance > 0 else float(len(shares))
    squared = ndtri((1 + confidence) / 2) ** 2
    centre = (value + squared / (2 * size)) / (1 + squared / size)
    reach = np.sqrt(squared * (value * (1 - value) / size + squared / (4 * size**2))) / (1 + squared / size)
    # Rounding must not put the mean outside its own interval.
    return value, min(value, max(0.0, float(centre - reach))), max(value, min(1.0, float(centre + reach)))
