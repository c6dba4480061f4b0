"""A proportion of a finite population, from a random sample of known design, with an interval for few labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv, stdtrit


@dataclass(frozen=True)
class Proportion:
    """An estimated share of a population, and how sure it is."""

    value: float
    low: float
    high: float
    variance: float
    """Of `value`, under repeated drawing."""
    effective_labels: float
    """Independent labels that would say as much; infinite where nothing is left to chance."""


def estimate_proportion(
    positive: npt.ArrayLike,
    stratum: npt.ArrayLike,
    population: npt.ArrayLike,
    *,
    probability: npt.ArrayLike | None = None,
    member: npt.ArrayLike | None = None,
    confidence: float = 0.95,
) -> Proportion:
    """The share of positives among a population's members, by simple random samples from each of its strata.

    `positive` (n,) and `stratum` (n,) describe the labels: whether each is positive, and the position of its stratum
    in `population` (H,), the strata's sizes. `member` (n,) restricts the estimate to a domain that is not made of
    whole strata (its size is then estimated too). Each stratum needs a label.

    `probability` (n,) is given for labels of strata where each call was chosen for itself (Poisson sampling), with
    this probability; NaN for labels of simple random samples. The labels of a stratum are all of one kind.

    Estimand: sum of y over the members / number of members, both over the whole finite population.
    Point: the Hajek ratio with weights N_h / n_h, which for whole strata is the stratified mean; for Poisson
    samples N_h * (1 / pi) / sum of 1 / pi, so that the weights of each stratum sum to its size.
    Variance: linearised, with the finite population correction; of Poisson samples sum (1 - pi) (w e)^2, times
    n / (n - 1) for the mean that is estimated (Sarndal, Swensson and Wretman 1992, chapters 3 and 5). A stratum with
    one label has no variance of its own and gives its squared distance from the whole estimate instead, too large on
    average (the "adjust" rule of Lumley's survey package).
    Interval: Korn and Graubard (1998, Survey Methodology 24): Clopper-Pearson with the effective number of labels,
    adjusted for the variance's own degrees of freedom. That number is at most Kish's (1965), (sum w)^2 / sum w^2, so
    that a variance of 0 among few labels (no positive seen yet) claims nothing the weights do not support; gains of
    stratification and of the finite population are given up where they would exceed it. For whole strata the interval
    is cut at what is known for sure: labeled positives are positive and labeled negatives are not. One stratum of a
    huge population gives Clopper-Pearson exactly; a population labeled whole leaves no doubt.

    Raises ValueError for a stratum without a label, a domain without one, or more labels than calls.
    """
    y = np.asarray(positive, dtype=float)
    h = np.asarray(stratum, dtype=np.intp)
    sizes = np.asarray(population, dtype=float)
    inside = np.ones(len(y)) if member is None else np.asarray(member, dtype=float)
    sampled = np.bincount(h, minlength=len(sizes)).astype(float)
    _check(sampled, sizes, inside)

    chance = np.full(len(y), np.nan) if probability is None else np.asarray(probability, dtype=float)
    if np.any((chance <= 0) | (chance > 1)):
        raise ValueError("probability: expected above 0 and at most 1")
    base = np.where(np.isnan(chance), 1.0, 1 / chance)
    weight = base * (sizes / np.bincount(h, base, len(sizes)))[h]
    total = float(np.sum(weight * inside))
    labels = float(inside.sum())
    value = min(float(np.sum(weight * inside * y) / total), 1.0)
    variance = _variance(inside * (y - value) / total, h, sampled, sizes, weight, chance)

    effective = total**2 / float(np.sum(weight**2 * inside))
    if variance > 0 and 0 < value < 1 and labels > 1:
        design_effect = variance / (value * (1 - value) / (labels - 1))
        effective = min(effective, labels / design_effect)
    effective *= _freedom_ratio(h, inside, sampled, sizes, confidence)
    low, high = clopper_pearson(value * effective, effective, confidence)
    if member is None:
        low = max(low, float(y.sum()) / total)
        high = min(high, 1 - float((1 - y).sum()) / total)
        if labels == total:
            effective = np.inf
    # Rounding must not put the estimate outside its own interval.
    return Proportion(value, min(low, value), max(high, value), variance, float(effective))


def clopper_pearson(positives: float, labels: float, confidence: float = 0.95) -> tuple[float, float]:
    """The interval that binomial tests do not reject (Clopper and Pearson 1934); counts need not be whole."""
    tail = (1 - confidence) / 2
    negatives = labels - positives
    low = betaincinv(positives, negatives + 1, tail) if positives > 0 else 0.0
    high = betaincinv(positives + 1, negatives, 1 - tail) if negatives > 0 else 1.0
    return float(low), float(high)


def allow_for_uncovered(estimate: Proportion, covered: float) -> Proportion:
    """The estimate for a population of which only the share `covered` (0 to 1] could be estimated.

    The rest may be anything: the interval reaches from none to all of it being positive (Manski 1989's worst case).
    """
    return Proportion(
        estimate.value,
        covered * estimate.low,
        covered * estimate.high + (1 - covered),
        estimate.variance,
        estimate.effective_labels,
    )


def _check(sampled: np.ndarray, sizes: np.ndarray, inside: np.ndarray) -> None:
    if len(sampled) != len(sizes):
        raise ValueError(f"stratum: names position {len(sampled) - 1}, but population has {len(sizes)} strata")
    if not inside.any():
        raise ValueError("member: no label lies in the domain")
    for position in np.flatnonzero(sampled == 0):
        raise ValueError(f"population.{position}: no label; a stratum without one cannot be estimated, leave it out")
    for position in np.flatnonzero(sampled > sizes):
        raise ValueError(f"population.{position}: {sizes[position]:.0f} calls, but {sampled[position]:.0f} labels")


def _variance(
    residual: np.ndarray,
    h: np.ndarray,
    sampled: np.ndarray,
    sizes: np.ndarray,
    weight: np.ndarray,
    chance: np.ndarray,
) -> float:
    mean = np.bincount(h, weight * residual, len(sizes)) / sizes
    lonely = sampled == 1
    mean[lonely] = 0.0
    # Of a simple random sample 1 - n / N stands where a Poisson sample has 1 - pi.
    left_to_chance = np.where(np.isnan(chance), (1 - sampled / sizes)[h], 1 - chance)
    squares = np.bincount(h, left_to_chance * (weight * (residual - mean[h])) ** 2, len(sizes))
    return float(np.sum(squares * sampled / np.where(lonely, 1.0, sampled - 1)))


def _freedom_ratio(
    h: np.ndarray, inside: np.ndarray, sampled: np.ndarray, sizes: np.ndarray, confidence: float
) -> float:
    """(t with n - 1 degrees of freedom / t with the variance's own)^2, over strata that leave anything to chance."""
    members = np.bincount(h, inside, len(sizes))
    members = members[(members > 0) & (sampled < sizes)]
    lonely = np.count_nonzero(members == 1)
    plain = members.sum() - 1
    if plain < 1:
        return 1.0
    own = np.sum(members[members > 1] - 1) + max(lonely - 1, 0)
    tail = (1 - confidence) / 2
    return float((stdtrit(plain, tail) / stdtrit(max(own, 1), tail)) ** 2)
