"""Rates over trials that come in groups: ten neighbours of one query are not ten queries."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike


def clustered_rate_lower_bound(rates: ArrayLike, trials: int, confidence: float = 0.95) -> float:
    """One-sided lower bound of the mean rate, groups of equal size being the sampling unit.

    `rates`: success rate (n,) of each group of `trials`. Wilson's score bound at the effective sample size, the
    trials divided by the design effect, as E. Korn and B. Graubard, Survey Methodology 24 (1998) 193-201.
    """
    values = np.asarray(rates, dtype=float)
    if values.ndim != 1 or not len(values) or trials < 1:
        raise ValueError("expected at least one group of at least one trial")
    rate = float(values.mean())
    spread = float(values.var(ddof=1)) if len(values) > 1 else 0.0
    within = rate * (1 - rate) / trials
    design_effect = max(1.0, spread / within) if within > 0 else 1.0
    size = len(values) * trials / design_effect
    squared = NormalDist().inv_cdf(confidence) ** 2
    centre = rate + squared / (2 * size)
    half_width = math.sqrt(squared * (rate * (1 - rate) + squared / (4 * size)) / size)
    return max(0.0, (centre - half_width) / (1 + squared / size))
