"""The rate behind the calls that were seen: they, too, were left to chance, and may have come in groups."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from canonry.stats.ppi import PredictionPowered, combine, labels_of, t_ratio
from canonry.stats.survey import Proportion, clopper_pearson
from canonry.stats.weighting import Weighted, weigh


def estimate_rate(
    positive: npt.ArrayLike,
    labeled: npt.ArrayLike,
    score: npt.ArrayLike,
    *,
    stratum: npt.ArrayLike | None = None,
    probability: npt.ArrayLike | None = None,
    cluster: npt.ArrayLike | None = None,
    member: npt.ArrayLike | None = None,
    confidence: float = 0.95,
) -> PredictionPowered:
    """The rate behind these calls, at which others like them would be positive: the calls, too, are left to chance.

    `score` (N,), `stratum` (N,), `cluster` (N,) and `member` (N,) are of all calls; `labeled` (n,) are the positions of
    those with a label, `positive` (n,) what it says, `probability` (n,) as for `estimate_with_scores`. `member` says
    which calls lie in the domain, all without it. Calls of one cluster (a session, a document) come together; clusters
    come independently. A constant score gives what the labels say alone.

    The point is that of these calls; the variance adds theirs. Each call's influence is what it is predicted to add to
    the mean (its stratum's mean label, moved by its score) and, if labeled, its weighted error; summed by cluster, the
    squares are the variance (Liang and Zeger 1986). Without clusters and strata coefficient and variance are those of
    PPI++. Its degrees of freedom are one less than the clusters of equal weight that would say as much, by Kish's rule
    (1965), so that a few large ones count as few; where all labels say the same and nothing can be seen of how alike a
    cluster is, no more is claimed than so many clusters would allow.

    Raises ValueError as `estimate_proportion` does, for scores outside 0..1, and for labels of fewer than two clusters.
    """
    y, f = np.asarray(positive, dtype=float), np.asarray(score, dtype=float)
    rows = np.asarray(labeled, dtype=np.intp)
    if not np.all((f >= 0) & (f <= 1)):
        raise ValueError("score: expected probabilities, 0 to 1")
    h = np.zeros(len(f), dtype=np.intp) if stratum is None else np.asarray(stratum, dtype=np.intp)
    inside = np.ones(len(f)) if member is None else np.asarray(member, dtype=float)
    sample = weigh(h[rows], np.bincount(h), probability=probability, member=inside[rows])
    groups = np.arange(len(f)) if cluster is None else np.unique(np.asarray(cluster), return_inverse=True)[1]
    alike, with_label = _clusters(sample, groups[rows])
    if with_label < 2:
        raise ValueError("cluster: labels of two clusters at least are needed")

    def influence(values: np.ndarray) -> np.ndarray:
        """(N,) how far each call moves the weighted mean of the labels' `values` (n,)."""
        apart = sample.inside * (values - sample.mean(values))
        expected = np.bincount(h[rows], sample.weight * apart, len(sample.sizes)) / sample.sizes
        moved = expected[h]
        moved[rows] += sample.weight * (apart - expected[h[rows]])
        return moved / sample.total

    mean = float(np.sum(f * inside) / inside.sum())
    scale = np.sqrt(with_label / (with_label - 1))
    of_labels = scale * np.bincount(groups, influence(y))
    of_scores = scale * np.bincount(groups, influence(f[rows]) - inside * (f - mean) / inside.sum())
    freedom = max(alike - 1.0, 1.0)
    human = _human_only(sample, y, float(np.sum(of_labels**2)), freedom, alike, confidence)
    return combine(
        sample, human, of_labels, of_scores, mean - sample.mean(f[rows]), sample.labels - 1, freedom, confidence
    )


def _clusters(sample: Weighted, groups: np.ndarray) -> tuple[float, int]:
    """How many clusters of equal weight say as much as those with a label; and how many those are."""
    weight = np.bincount(groups, sample.weight * sample.inside)
    weight = weight[weight > 0]
    return float(np.sum(weight) ** 2 / np.sum(weight**2)), len(weight)


def _human_only(
    sample: Weighted, y: np.ndarray, variance: float, freedom: float, alike: float, confidence: float
) -> Proportion:
    value = min(sample.mean(y), 1.0)
    most = sample.kish if 0 < value < 1 else min(sample.kish, alike)
    effective = min(most, labels_of(value, variance, sample.labels)) * t_ratio(sample.labels - 1, freedom, confidence)
    low, high = clopper_pearson(value * effective, effective, confidence)
    return Proportion(value, min(low, value), max(high, value), variance, effective)
