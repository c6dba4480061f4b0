"""A proportion from few labels and a score of every call: prediction-powered, or, in survey words, model-assisted.

Two views of one estimator. Machine learning (PPI++: Angelopoulos, Duchi and Zrnic 2023): the mean score of all calls,
plus what the labeled calls show it to be wrong by, the score being scaled by a power-tuned lambda. Survey statistics
(the difference or generalised regression estimator: Sarndal, Swensson and Wretman 1992, chapter 6): the mean label,
moved by a regression coefficient times how far the labeled calls' scores lie off those of all calls. With n labels
among N calls, PPI++'s lambda is the coefficient times (N - n) / N, and the estimates are the same number.

Neither is biased by a bad score, as long as the scorer has not learnt from the labels it is combined with.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv

from canonry.stats.survey import Proportion, clopper_pearson, estimate_proportion, within_what_is_known
from canonry.stats.weighting import Weighted, t_quantile, weigh

SURPRISES = 2.0
"""Labels' worth of error that is allowed for where the score was not seen to err: see `estimate_with_scores`."""


@dataclass(frozen=True)
class PredictionPowered:
    """A share estimated with scores, beside what the same labels say without them."""

    estimate: Proportion
    human_only: Proportion
    coefficient: float
    """What the score counts, 0 to 1; 0 where it was not seen to help, and the two are then the same."""
    labels: float
    """How many there were."""
    confidence: float

    @property
    def labels_worth(self) -> float:
        """Labels that would give the human-only interval the width that scores gave it."""
        wanted = self.estimate.high - self.estimate.low
        known = self.human_only.effective_labels
        if not self.coefficient or not np.isfinite(known):
            return self.labels
        least, most = known / 4, known * 1024
        for _ in range(40):
            middle = float(np.sqrt(least * most))
            low, high = clopper_pearson(self.human_only.value * middle, middle, self.confidence)
            least, most = (middle, most) if high - low > wanted else (least, middle)
        return self.labels * float(np.sqrt(least * most)) / known


def estimate_with_scores(
    positive: npt.ArrayLike,
    score: npt.ArrayLike,
    stratum: npt.ArrayLike,
    population: npt.ArrayLike,
    mean_score: float,
    *,
    probability: npt.ArrayLike | None = None,
    member: npt.ArrayLike | None = None,
    confidence: float = 0.95,
) -> PredictionPowered:
    """The share of positives among these calls: a finite population, of which every call has a score.

    Designs and arguments are those of `estimate_proportion`. `score` (n,) is each labeled call's probability of being
    positive, as some scorer sees it, and `mean_score` the mean over all calls of the domain, labeled or not.

    Point: human-only estimate + coefficient * (mean_score - the same weighted mean of the labels' scores), cut to 0..1.
    Coefficient: the one that makes the estimated variance least, under the design as it is, shrunk by what is not known
    of it (1 - its squared standard error / its square, at least 0) and kept in 0..1. A useless or contrary score so
    gets 0, and then value and interval are the human-only ones.
    Variance: of labels less coefficient * scores, residuals divided by 1 - leverage (the jackknife's, HC3 of MacKinnon
    and White 1985), since the coefficient was fitted to them.
    Interval: Korn and Graubard's for the effective number of labels that has this variance, with a degree of freedom
    less, in four things changed:
    its ends are Jeffreys' and not Clopper and Pearson's, whose caution is for counts, which these sums are not (Franco,
    Little, Louis and Slud 2019 compare them under survey designs);
    it may claim more than the human-only number of labels only as far as 2 labels that the score gets quite wrong,
    though none was seen, would allow (an error rate of which n labels show nothing may be some 3 / n);
    where errors of the score are skewed, such as only positives missed, it reaches farther on that side by
    t^2 / 2 * third moment / variance, the second term of Cornish and Fisher (1938), as far as the human-only interval
    does not do so by itself; near 0 and 1 its number of labels is that of a share one standard error away.

    Raises ValueError as `estimate_proportion` does, and for scores outside 0..1.
    """
    y, f = np.asarray(positive, dtype=float), np.asarray(score, dtype=float)
    if not (np.all((f >= 0) & (f <= 1)) and 0 <= mean_score <= 1):
        raise ValueError("score: expected probabilities, 0 to 1")
    human = estimate_proportion(y, stratum, population, probability=probability, member=member, confidence=confidence)
    sample = weigh(stratum, population, probability=probability, member=member)
    gap = float(mean_score) - sample.mean(f)
    plain, freedom = sample.plain_degrees_of_freedom(), sample.degrees_of_freedom()
    found = combine(sample, human, sample.influence(y), sample.influence(f), gap, plain, freedom, confidence)
    if member is not None or not found.coefficient:
        return found
    low, high = within_what_is_known(found.estimate.low, found.estimate.high, y, sample.total)
    value = min(max(found.estimate.value, low), high)
    return replace(found, estimate=replace(found.estimate, value=value, low=low, high=high))


def combine(
    sample: Weighted,
    human: Proportion,
    of_labels: np.ndarray,
    of_scores: np.ndarray,
    gap: float,
    plain: float,
    freedom: float,
    confidence: float,
) -> PredictionPowered:
    """The estimate from each unit's influence on the mean label and on the mean score.

    `gap` is how far the mean score of all calls lies above that of the labels; `freedom` are the degrees of freedom of
    the variance, `plain` those of one simple random sample as large.
    """
    slope, coefficient, leverage = _power_tuned(of_labels, of_scores)
    if coefficient == 0:
        return PredictionPowered(human, human, 0.0, sample.labels, confidence)
    kept = coefficient / slope
    freedom = max(freedom - kept, 1.0)
    error = (of_labels - coefficient * of_scores) / (1 - kept * leverage)
    variance = float(np.sum(error**2))
    value = min(max(human.value + coefficient * gap, 0.0), 1.0)

    share = _one_error_away(value, variance)
    most = max(human.effective_labels, share * (1 - share) * sample.kish**2 / SURPRISES)
    effective = min(labels_of(share, variance, sample.labels) * t_ratio(plain, freedom, confidence), most)
    low, high = jeffreys(value * effective, effective, confidence)
    skewed = float(np.sum(error**3)) / variance if variance > 0 else 0.0
    allowed = float(np.sum(of_labels**3)) / human.variance * variance / human.variance
    reach = t_quantile(freedom, confidence) ** 2 / 2 * (skewed - allowed)
    low, high = max(min(low + min(reach, 0.0), value), 0.0), min(max(high + max(reach, 0.0), value), 1.0)
    estimate = Proportion(value, low, high, variance, effective)
    return PredictionPowered(estimate, human, coefficient, sample.labels, confidence)


def _power_tuned(of_labels: np.ndarray, of_scores: np.ndarray) -> tuple[float, float, np.ndarray]:
    """Slope of the regression that leaves least variance, the coefficient that is used, and each unit's leverage."""
    spread = float(np.sum(of_scores**2))
    slope = float(np.sum(of_labels * of_scores)) / spread if spread > 1e-20 else 0.0
    if slope <= 0:
        return 0.0, 0.0, np.zeros(len(of_scores))
    leverage = np.minimum(of_scores**2 / spread, 0.99)
    noise = float(np.sum((of_scores * (of_labels - slope * of_scores) / (1 - leverage)) ** 2)) / spread**2
    return slope, min(slope * max(1 - noise / slope**2, 0.0), 1.0), leverage


def _one_error_away(value: float, variance: float) -> float:
    error = min(float(np.sqrt(variance)), 0.5)
    return min(max(value, error), 1 - error)


def labels_of(share: float, variance: float, labels: float) -> float:
    """Labels of equal weight whose share would have this variance; infinite where it is 0."""
    return share * (1 - share) / variance * labels / max(labels - 1, 1.0) if variance > 0 else np.inf


def jeffreys(positives: float, labels: float, confidence: float) -> tuple[float, float]:
    """The middle of what Jeffreys' prior and so many labels say of a share; counts need not be whole."""
    tail = (1 - confidence) / 2
    beta = (positives + 0.5, labels - positives + 0.5)
    return float(betaincinv(*beta, tail)), float(betaincinv(*beta, 1 - tail))


def t_ratio(plain: float, freedom: float, confidence: float) -> float:
    """What labels count for that have `freedom` in their variance, where so many plain ones would have `plain`."""
    plain = max(plain, 1.0)
    return (t_quantile(plain, confidence) / t_quantile(freedom, confidence)) ** 2
