"""Two versions asked the same questions: how much better or worse is the second, and how sure is that?"""

from __future__ import annotations

import math
from collections.abc import Sequence
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


def paired_difference_interval(
    before: ArrayLike,
    after: ArrayLike,
    confidence: float = 0.95,
    *,
    groups: Sequence[object] | None = None,
    quantile: float | None = None,
) -> PairedDifference:
    """Difference of two success rates on the same items, with Tango's score interval.

    `before`, `after`: booleans (n,), item i in both. Unlike Wald's, the interval keeps its coverage in small samples
    and has a width where no pair changed. T. Tango, Statistics in Medicine 17 (1998) 891-908. `groups` (n,): items of
    one change together, and count as so many fewer pairs (Z. Yang, X. Sun and J. Hardin, Statistics in Medicine 29
    (2010) 1046-1060). `quantile` in place of the normal one of `confidence`.
    """
    first, second = np.asarray(before, dtype=bool), np.asarray(after, dtype=bool)
    if first.shape != second.shape or first.ndim != 1 or not len(first):
        raise ValueError(f"expected two flags for each of at least one item, found {first.shape} and {second.shape}")
    pairs = len(first)
    lost, gained = int(np.sum(first & ~second)), int(np.sum(~first & second))
    value = (gained - lost) / pairs
    quantile = NormalDist().inv_cdf((1 + confidence) / 2) if quantile is None else quantile
    worth = 1 / design_effect(second.astype(float) - first, groups)

    # The statistic falls as the difference grows: both ends are bisected at once, to 12 decimals.
    low, high = np.array([-1.0, value]), np.array([value, 1.0])
    ends = np.array([quantile, -quantile])
    for _ in range(45):
        middle = (low + high) / 2
        above = tango_scores(middle, lost * worth, gained * worth, pairs * worth) > ends
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    lower, upper = (low + high) / 2
    return PairedDifference(value, float(lower), float(upper), confidence, pairs, lost, gained)


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


def design_effect(change: ArrayLike, groups: Sequence[object] | None) -> float:
    """How many items say as much as one alone would, at least 1; items of one group (n,) change together.

    Where no item changed nothing shows how alike a group's are, and each group counts as one.
    """
    if groups is None:
        return 1.0
    off = np.asarray(change, dtype=float)
    off = off - off.mean()
    _, of_group = np.unique(np.asarray([str(each) for each in groups]), return_inverse=True)
    count = int(of_group.max()) + 1
    alone = float(np.sum(off**2))
    if not alone or count == 1:
        return len(off) / count
    together = float(np.sum(np.bincount(of_group, off, count) ** 2)) * count / (count - 1)
    return max(1.0, together / alone)


def tango_scores(difference: ArrayLike, lost: ArrayLike, gained: ArrayLike, pairs: float) -> np.ndarray:
    """Score statistic of a hypothetical difference, for each count of pairs that changed; falls as it grows."""
    difference, lost, gained = (np.asarray(each, dtype=float) for each in (difference, lost, gained))
    # Likeliest share of lost pairs under this difference: the larger root of 2n q² + b q - c = 0.
    linear = -(lost + gained) + difference * (2 * pairs - gained + lost)
    constant = lost * difference * (1 - difference)
    share_lost = (-linear + np.sqrt(np.maximum(linear**2 + 8 * pairs * constant, 0.0))) / (4 * pairs)
    variance = pairs * (2 * share_lost + difference * (1 - difference))
    distance = gained - lost - pairs * difference
    known = variance > 0
    certain = np.where(distance == 0, 0.0, np.copysign(np.inf, distance))
    return np.where(known, distance / np.sqrt(np.where(known, variance, 1.0)), certain)


def _blocks(resamples: int, items: int) -> list[int]:
    """Resamples cut into as many at a time as some megabytes hold."""
    at_once = max(1, 1_000_000 // items)
    return [min(at_once, resamples - done) for done in range(0, resamples, at_once)]
