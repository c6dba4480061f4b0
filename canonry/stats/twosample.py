"""Whether two windows of calls differ, with a stated chance of saying so where they do not.

What is compared are units that come independently of each other, such as what one person asked on one day; calls within
a unit may hang together as they like. A permutation test shares the units out anew between the two windows: where
nothing changed every sharing is as likely as the one that was seen (Pitman 1937). So the chance of p <= a is at most a,
for any statistic and any number of units.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaincc

PERMUTATIONS = 4_000
"""At most. Smaller p-values than one in so many come from a fitted tail."""
ENOUGH = 25
"""As extreme sharings after which no more are tried: p is then known to a fifth of itself (Besag and Clifford 1991)."""
FEW = 10
"""Fewer as extreme sharings than this, and the tail is fitted."""

LEAST_SKEWNESS = 0.2
"""Of the fitted tail."""
LEAST_P_VALUE = 1e-7
"""Further out the fit is not believed."""

_AT_ONCE = 250
_SEED = 20261128

Statistic = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""From mean features of the current window (p, d) and of the reference (p, d) to a value each (p,); large: differ."""


@dataclass(frozen=True)
class TwoSample:
    """What comparing two windows came to."""

    value: float
    """The statistic of what was seen."""
    typical: float
    """Its mean where nothing changed."""
    noise: float
    """What it stays below in 95 of 100 windows where nothing changed."""
    p_value: float
    permutations: int


def two_sample_test(
    features: np.ndarray,
    current: np.ndarray,
    statistic: Statistic,
    *,
    strata: np.ndarray | None = None,
    permutations: int = PERMUTATIONS,
    seed: int = _SEED,
) -> TwoSample:
    """Compare units' mean features (n, d) of the current window, `current` (n,), with those of the others.

    `strata` (n,): units are shared out anew within their stratum only, as where weekends differ from working days.
    Below `1 / permutations` the p-value is that of a gamma distribution with the permuted values' mean, variance and
    skewness (Minas and Montana 2014), doubled, and never above what counting says. The same arguments give the same
    result. Raises ValueError where a window has no unit.
    """
    x = np.ascontiguousarray(features, dtype=np.float32)
    now = np.asarray(current, dtype=bool)
    count = int(now.sum())
    if not 0 < count < len(now):
        raise ValueError(f"expected units in both windows, found {count} in one and {len(now) - count} in the other")
    total = x.sum(axis=0, dtype=np.float64)

    def values(chosen: np.ndarray) -> np.ndarray:
        inside = np.asarray(chosen @ x, dtype=np.float64)
        return statistic(inside / count, (total - inside) / (len(x) - count))

    seen = float(values(now[None].astype(np.float32))[0])
    groups = _groups(len(x), strata)
    chance = np.random.default_rng(seed)
    permuted = np.zeros(0)
    while len(permuted) < permutations:
        permuted = np.concatenate([permuted, values(_shared_out(groups, now, chance))])
        if len(permuted) >= 2 * _AT_ONCE and np.sum(permuted >= seen) >= ENOUGH:
            break
    return TwoSample(
        seen, float(permuted.mean()), float(np.quantile(permuted, 0.95)), _p_value(seen, permuted), len(permuted)
    )


def embedding_features(vectors: np.ndarray, strata: np.ndarray | None = None) -> np.ndarray:
    """(n, d) vectors with the ridge of their covariance divided out, for `squared_distance`.

    So the distance of two windows' means counts a direction for how far it moved against how much texts differ in it
    anyway: Fisher's discriminant with a ridge of the mean eigenvalue (Harchaoui, Bach and Moulines 2008). Made of both
    windows alike, as a permutation test needs. `strata` (n,): levels of their own are taken out.
    """
    x = np.asarray(vectors, dtype=np.float64)
    for each in np.unique(strata) if strata is not None else ():
        x = np.where((strata == each)[:, None], x - x[strata == each].mean(axis=0), x)
    x = x - x.mean(axis=0)
    spread, directions = np.linalg.eigh(x.T @ x / len(x))
    ridge = max(float(spread.mean()), np.finfo(float).tiny)
    return np.asarray(x @ directions / np.sqrt(np.maximum(spread, 0) + ridge))


def squared_distance(current: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """(p,) squared distance of mean features (p, d)."""
    return np.asarray(np.sum((current - reference) ** 2, axis=1))


def stability_index(current_units: int, reference_units: int) -> Statistic:
    """The population stability index of shares (p, k): sum of (c - r) log(c / r).

    Half a unit is added to each of the k classes, as a share of 0 has no logarithm. Its size where nothing changed
    grows as (k - 1) (1 / n + 1 / m) (Yurdakul 2018), which is why no fixed 0.1 or 0.25 is an alarm here.
    """

    def smoothed(shares: np.ndarray, units: int) -> np.ndarray:
        return np.asarray((shares * units + 0.5) / (units + 0.5 * shares.shape[1]))

    def index(current: np.ndarray, reference: np.ndarray) -> np.ndarray:
        c, r = smoothed(current, current_units), smoothed(reference, reference_units)
        return np.asarray(np.sum((c - r) * np.log(c / r), axis=1))

    return index


def larger_shares(
    features: np.ndarray,
    current: np.ndarray,
    *,
    strata: np.ndarray | None = None,
    permutations: int = PERMUTATIONS,
    seed: int = _SEED,
) -> np.ndarray:
    """(k,) p-value of each feature's mean being no larger in the current window; features (n, k), current (n,)."""
    x, now = np.ascontiguousarray(features, dtype=np.float32), np.asarray(current, dtype=bool)
    groups = _groups(len(x), strata)
    seen = x[now].sum(axis=0, dtype=np.float64)
    chance = np.random.default_rng(seed)
    as_large = np.zeros(x.shape[1])
    for _ in range(-(-permutations // _AT_ONCE)):
        # Sums of the same numbers in another order may differ in their last digits.
        as_large += np.sum(_shared_out(groups, now, chance) @ x >= seen - 1e-4, axis=0)
    return np.asarray((1 + as_large) / (1 + -(-permutations // _AT_ONCE) * _AT_ONCE))


def _groups(count: int, strata: np.ndarray | None) -> list[np.ndarray]:
    """Units of each stratum."""
    if strata is None:
        return [np.arange(count)]
    return [np.asarray(np.flatnonzero(strata == each)) for each in np.unique(strata)]


def _shared_out(groups: list[np.ndarray], current: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    """(_AT_ONCE, n) which units are current in each sharing: as many of each group as were."""
    chosen = np.zeros((_AT_ONCE, len(current)), dtype=np.float32)
    for group in groups:
        count = int(current[group].sum())
        if count == len(group):
            chosen[:, group] = 1
        elif count:
            lots = np.argpartition(chance.random((_AT_ONCE, len(group)), dtype=np.float32), count - 1, axis=1)
            np.put_along_axis(chosen, group[lots[:, :count]], 1, axis=1)
    return chosen


def _p_value(seen: float, permuted: np.ndarray) -> float:
    # What is as extreme but for rounding counts as such.
    extreme = np.flatnonzero(permuted >= seen - 1e-5 * abs(seen))
    if len(extreme) >= ENOUGH:
        # The sharing at which the last of them came, which is valid of itself, wherever the stop was.
        return ENOUGH / float(extreme[ENOUGH - 1] + 1)
    counted = (len(extreme) + 1) / (len(permuted) + 1)
    if len(extreme) >= FEW:
        return counted
    mean, deviation = float(permuted.mean()), float(permuted.std())
    skewness = float(np.mean(((permuted - mean) / deviation) ** 3)) if deviation > 0 else 0.0
    if deviation == 0:
        return counted
    # Pearson's type III: a gamma of shape 4 / skewness^2, moved and scaled; never as thin as a normal tail.
    shape = 4 / max(skewness, LEAST_SKEWNESS) ** 2
    fitted = 2 * float(gammaincc(shape, max((seen - mean) / deviation * np.sqrt(shape) + shape, 0.0)))
    return min(counted, max(fitted, LEAST_P_VALUE))
