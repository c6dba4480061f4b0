"""Sampling designs whose inclusion probabilities are known: how many from each stratum, and who, by given uniforms."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

UNIFORMS = 2.0**64


def allocate(weights: npt.ArrayLike, sizes: npt.ArrayLike, budget: float) -> np.ndarray:
    """Expected sample sizes (H,) in proportion to `weights`, none above its stratum's size, that sum to the budget.

    What a full stratum leaves goes to the others; strata without weight get what remains, by size. A budget above the
    population takes everything.
    """
    most = np.asarray(sizes, dtype=float)
    if budget >= most.sum():
        return most.copy()
    found = _fill(np.asarray(weights, dtype=float), most, budget)
    left = budget - found.sum()
    return found + _fill(most - found, most - found, left) if left > 1e-9 else found


def _fill(weights: np.ndarray, most: np.ndarray, budget: float) -> np.ndarray:
    """`most` where `scale * weights` exceeds it, else that, the scale being such that the sum is the budget."""
    full = weights < 0
    while True:
        free = ~full & (weights > 0)
        share = np.where(full, most, 0.0)
        if not free.any():
            return share
        share[free] = weights[free] * max(budget - share.sum(), 0.0) / weights[free].sum()
        over = free & (share > most)
        if not over.any():
            return share
        full |= over


def whole_numbers(expected: npt.ArrayLike, sizes: npt.ArrayLike, budget: int) -> np.ndarray:
    """Sample sizes (H,) near the expected ones: one at least from each stratum, the rest by largest remainder.

    Needs a budget of at least one a stratum.
    """
    most = np.asarray(sizes, dtype=np.int64)
    wanted = np.asarray(expected, dtype=float)
    found = np.minimum(np.maximum(np.floor(wanted + 1e-9).astype(np.int64), 1), most)
    left = min(budget, int(most.sum())) - int(found.sum())
    while left:
        movable = found < most if left > 0 else found > 1
        behind = np.where(movable, (wanted - found) * np.sign(left), -np.inf)
        found[int(np.argmax(behind))] += int(np.sign(left))
        left -= int(np.sign(left))
    return found


def poisson_probabilities(expected: float, scores: npt.ArrayLike, random_share: float) -> np.ndarray:
    """Inclusion probabilities (N,) that sum to `expected`: a share of it equal for all, the rest by score.

    min(1, scale * (share / N + (1 - share) * score / sum of scores)), the scale found so that the sum holds. Without
    any score above 0 all are alike. Each is chosen for itself, so the probability of two together is the product.
    """
    given = np.asarray(scores, dtype=float)
    if not np.all(np.isfinite(given)) or np.any(given < 0):
        raise ValueError("scores: expected finite numbers of 0 or more")
    even = np.full(len(given), 1 / max(len(given), 1))
    weights = even if given.sum() <= 0 else random_share * even + (1 - random_share) * given / given.sum()
    return allocate(weights, np.ones(len(given)), expected)
