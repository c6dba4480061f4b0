"""A labeled sample with its weights, and how far an estimate made of it varies from one draw to another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit


@dataclass(frozen=True)
class Weighted:
    """Labels of simple random or Poisson samples from strata, each standing for `weight` calls."""

    stratum: np.ndarray
    """(n,) position in `sizes`."""
    sizes: np.ndarray
    """(H,) calls of each stratum."""
    sampled: np.ndarray
    """(H,) labels of each stratum."""
    inside: np.ndarray
    """(n,) 1 for members of the domain that is estimated, 0 for others."""
    chance: np.ndarray
    """(n,) inclusion probability of labels that were chosen each for itself; NaN of simple random samples."""
    weight: np.ndarray
    """(n,) calls that the label stands for; those of a stratum sum to its size."""

    @property
    def total(self) -> float:
        """Calls of the domain: known for whole strata, else estimated."""
        return float(np.sum(self.weight * self.inside))

    @property
    def labels(self) -> float:
        """Labels of the domain."""
        return float(self.inside.sum())

    @property
    def kish(self) -> float:
        """Labels of equal weight that would say as much (Kish 1965): (sum w)^2 / sum w^2."""
        return self.total**2 / float(np.sum(self.weight**2 * self.inside))

    def mean(self, values: np.ndarray) -> float:
        """The weighted mean of the domain's values (n,)."""
        return float(np.sum(self.weight * self.inside * values) / self.total)

    def influence(self, values: np.ndarray) -> np.ndarray:
        """(n,) how far each label moves the weighted mean of `values` (n,): the squares sum to its variance.

        Linearised, with the finite population correction; of Poisson samples sum (1 - pi) (w e)^2, times n / (n - 1)
        for the mean that is estimated (Sarndal, Swensson and Wretman 1992, chapters 3 and 5). A stratum with one label
        has no variance of its own and gives its squared distance from the whole estimate instead, too large on average
        (the "adjust" rule of Lumley's survey package).
        """
        residual = self.inside * (values - self.mean(values)) / self.total
        mean = np.bincount(self.stratum, self.weight * residual, len(self.sizes)) / self.sizes
        lonely = self.sampled == 1
        mean[lonely] = 0.0
        # Of a simple random sample 1 - n / N stands where a Poisson sample has 1 - pi.
        left_to_chance = np.where(np.isnan(self.chance), (1 - self.sampled / self.sizes)[self.stratum], 1 - self.chance)
        correction = self.sampled / np.where(lonely, 1.0, self.sampled - 1)
        scale = np.sqrt(np.maximum(left_to_chance, 0.0) * correction[self.stratum])
        return scale * self.weight * (residual - mean[self.stratum])

    def degrees_of_freedom(self) -> float:
        """Of the variance: labels less strata, over strata that leave anything to chance."""
        members = self._members()
        lonely = np.count_nonzero(members == 1)
        return float(max(np.sum(members[members > 1] - 1) + max(lonely - 1, 0), 1))

    def plain_degrees_of_freedom(self) -> float:
        """Of one simple random sample as large; below 1 where nothing is left to chance."""
        return float(self._members().sum() - 1)

    def _members(self) -> np.ndarray:
        members = np.bincount(self.stratum, self.inside, len(self.sizes))
        return members[(members > 0) & (self.sampled < self.sizes)]


def weigh(
    stratum: npt.ArrayLike,
    population: npt.ArrayLike,
    *,
    probability: npt.ArrayLike | None = None,
    member: npt.ArrayLike | None = None,
) -> Weighted:
    """The sample with weights N_h / n_h, for Poisson samples N_h * (1 / pi) / sum of 1 / pi.

    `stratum` (n,) is the position of each label's stratum in `population` (H,), the strata's sizes; `member` (n,) says
    which labels lie in the domain, all without it; `probability` (n,) is NaN for labels of simple random samples.
    Raises ValueError for a stratum without a label, a domain without one, or more labels than calls.
    """
    h = np.asarray(stratum, dtype=np.intp)
    sizes = np.asarray(population, dtype=float)
    inside = np.ones(len(h)) if member is None else np.asarray(member, dtype=float)
    sampled = np.bincount(h, minlength=len(sizes)).astype(float)
    _check(sampled, sizes, inside)
    chance = np.full(len(h), np.nan) if probability is None else np.asarray(probability, dtype=float)
    if np.any((chance <= 0) | (chance > 1)):
        raise ValueError("probability: expected above 0 and at most 1")
    base = np.where(np.isnan(chance), 1.0, 1 / chance)
    weight = base * (sizes / np.bincount(h, base, len(sizes)))[h]
    return Weighted(h, sizes, sampled, inside, chance, weight)


def t_quantile(freedom: float, confidence: float) -> float:
    """Student's t that is exceeded with half of 1 - confidence."""
    return float(-stdtrit(freedom, (1 - confidence) / 2))


def _check(sampled: np.ndarray, sizes: np.ndarray, inside: np.ndarray) -> None:
    if len(sampled) != len(sizes):
        raise ValueError(f"stratum: names position {len(sampled) - 1}, but population has {len(sizes)} strata")
    if not inside.any():
        raise ValueError("member: no label lies in the domain")
    for position in np.flatnonzero(sampled == 0):
        raise ValueError(f"population.{position}: no label; a stratum without one cannot be estimated, leave it out")
    for position in np.flatnonzero(sampled > sizes):
        raise ValueError(f"population.{position}: {sizes[position]:.0f} calls, but {sampled[position]:.0f} labels")
