"""A proportion of a finite population, from a random sample of known design, with an interval for few labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv

from canonry.stats.weighting import Weighted, t_quantile, weigh


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
    Variance: linearised, see `Weighted.influence`.
    Interval: Korn and Graubard (1998, Survey Methodology 24): Clopper-Pearson with the effective number of labels,
    adjusted for the variance's own degrees of freedom. That number is at most Kish's (1965), (sum w)^2 / sum w^2, so
    that a variance of 0 among few labels (no positive seen yet) claims nothing the weights do not support; gains of
    stratification and of the finite population are given up where they would exceed it. For whole strata the interval
    is cut at what is known for sure: labeled positives are positive and labeled negatives are not. One stratum of a
    huge population gives Clopper-Pearson exactly; a population labeled whole leaves no doubt.

    Raises ValueError for a stratum without a label, a domain without one, or more labels than calls.
    """
    y = np.asarray(positive, dtype=float)
    sample = weigh(stratum, population, probability=probability, member=member)
    value = min(sample.mean(y), 1.0)
    variance = float(np.sum(sample.influence(y) ** 2))
    effective = _effective_labels(sample, value, variance, confidence)
    low, high = clopper_pearson(value * effective, effective, confidence)
    if member is None:
        low, high = within_what_is_known(low, high, y, sample.total)
        if sample.labels == sample.total:
            effective = np.inf
    # Rounding must not put the estimate outside its own interval.
    return Proportion(value, min(low, value), max(high, value), variance, float(effective))


def _effective_labels(sample: Weighted, value: float, variance: float, confidence: float) -> float:
    """Independent labels that say as much as the sample, at most Kish's number; adjusted for degrees of freedom."""
    effective = sample.kish
    if variance > 0 and 0 < value < 1 and sample.labels > 1:
        design_effect = variance / (value * (1 - value) / (sample.labels - 1))
        effective = min(effective, sample.labels / design_effect)
    plain = sample.plain_degrees_of_freedom()
    if plain < 1:
        return effective
    own = t_quantile(sample.degrees_of_freedom(), confidence)
    return effective * (t_quantile(plain, confidence) / own) ** 2


def within_what_is_known(low: float, high: float, positive: np.ndarray, total: float) -> tuple[float, float]:
    """The interval cut at what labels (n,) of a population of `total` calls leave possible."""
    return max(low, float(positive.sum()) / total), min(high, 1 - float((1 - positive).sum()) / total)


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
