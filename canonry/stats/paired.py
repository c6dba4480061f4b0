"""Two versions asked the same questions: how much better or worse is the second, and how sure is that?"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class PairedDifference:
    """Share of successes after, minus before; `lost` and `gained` count the pairs that changed."""

    value: float
    low: float
    high: float
    confidence: float
    pairs: int
    lost: int
    gained: int


def paired_difference_interval(before: ArrayLike, after: ArrayLike, confidence: float = 0.95) -> PairedDifference:
    """Difference of two success rates on the same items, with Tango's score interval.

    `before`, `after`: booleans (n,), item i in both. Unlike Wald's, the interval keeps its coverage in small samples
    and has a width where no pair changed. T. Tango, Statistics in Medicine 17 (1998) 891-908.
    """
    first, second = np.asarray(before, dtype=bool), np.asarray(after, dtype=bool)
    if first.shape != second.shape or first.ndim != 1 or not len(first):
        raise ValueError(f"expected two flags for each of at least one item, found {first.shape} and {second.shape}")
    pairs = len(first)
    lost, gained = int(np.sum(first & ~second)), int(np.sum(~first & second))
    value = (gained - lost) / pairs
    quantile = NormalDist().inv_cdf((1 + confidence) / 2)

    def score(difference: float) -> float:
        return _score(difference, lost, gained, pairs)

    low = _crossing(lambda each: score(each) - quantile, -1.0, value)
    high = _crossing(lambda each: score(each) + quantile, value, 1.0)
    return PairedDifference(value, low, high, confidence, pairs, lost, gained)


@dataclass(frozen=True)
class MeanDifference:
    """Mean of the values after, minus before."""

    value: float
    low: float
    high: float
    confidence: float
    pairs: int


def paired_bootstrap_interval(
    before: ArrayLike, after: ArrayLike, confidence: float = 0.95, resamples: int = 10_000
) -> MeanDifference:
    """Difference of the means of two values of the same items, with the percentile interval of resampled items.

    `before`, `after`: floats (n,), item i in both. The same values give the same interval. Where no item changed it has
    no width, whatever their number: it says nothing of items that were not asked. B. Efron and R. Tibshirani, An
    Introduction to the Bootstrap (1993), chapter 13.
    """
    first, second = np.asarray(before, dtype=float), np.asarray(after, dtype=float)
    if first.shape != second.shape or first.ndim != 1 or not len(first):
        raise ValueError(f"expected two values for each of at least one item, found {first.shape} and {second.shape}")
    change = second - first
    draw = np.random.default_rng(0)
    means = np.concatenate(
        [
            change[draw.integers(0, len(change), (some, len(change)))].mean(axis=1)
            for some in _blocks(resamples, len(change))
        ]
    )
    tail = (1 - confidence) / 2
    low, high = (float(each) for each in np.quantile(means, (tail, 1 - tail)))
    return MeanDifference(float(change.mean()), low, high, confidence, len(change))


def pairs_to_rule_out(drop: float, confidence: float = 0.95) -> int:
    """Fewest pairs whose interval rules out a drop of more than `drop`, when no pair changed."""
    if not 0 < drop < 1:
        raise ValueError(f"a drop between 0 and 1 can be ruled out, not {drop}")
    quantile = NormalDist().inv_cdf((1 + confidence) / 2)
    return math.ceil(quantile**2 * (1 - drop) / drop)


def _blocks(resamples: int, items: int) -> list[int]:
    """Resamples cut into as many at a time as some megabytes hold."""
    at_once = max(1, 1_000_000 // items)
    return [min(at_once, resamples - done) for done in range(0, resamples, at_once)]


def _score(difference: float, lost: int, gained: int, pairs: int) -> float:
    """Score statistic of a hypothetical difference; falls as the difference grows."""
    # Likeliest share of lost pairs under this difference: the larger root of 2n q² + b q - c = 0.
    linear = -(lost + gained) + difference * (2 * pairs - gained + lost)
    constant = lost * difference * (1 - difference)
    share_lost = (-linear + math.sqrt(max(linear**2 + 8 * pairs * constant, 0.0))) / (4 * pairs)
    variance = pairs * (2 * share_lost + difference * (1 - difference))
    distance = gained - lost - pairs * difference
    if variance <= 0:
        return math.copysign(math.inf, distance) if distance else 0.0
    return distance / math.sqrt(variance)


def _crossing(falling: Callable[[float], float], low: float, high: float) -> float:
    """Where a falling function of [low, high] crosses zero, to 12 decimals."""
    for _ in range(45):
        middle = (low + high) / 2
        if falling(middle) > 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2
