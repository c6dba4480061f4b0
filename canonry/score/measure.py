"""Whether scores tell what is so, and probabilities mean what they say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Bin:
    """Answers of like probability: how many, their mean probability, and the share that is positive."""

    answers: int
    predicted: float
    observed: float


def calibration(probability: np.ndarray, positive: np.ndarray, bins: int = 10) -> list[Bin]:
    """Bins with as many answers each, from the least probable on."""
    order = np.argsort(probability, kind="stable")
    return [
        Bin(len(part), float(probability[part].mean()), float(positive[part].mean()))
        for part in np.array_split(order, min(bins, len(order)))
    ]


def calibration_error(probability: np.ndarray, positive: np.ndarray, bins: int = 10) -> float:
    """Mean distance of predicted and observed over bins, weighed by answers: the expected calibration error."""
    found = calibration(probability, positive, bins)
    return sum(each.answers * abs(each.predicted - each.observed) for each in found) / len(probability)


def f1(truth: np.ndarray, called: np.ndarray) -> float:
    """Of the positives, where what is not 0 in `called` is called one; 0 where there is nothing to find or call."""
    hits = float((truth & (called > 0)).sum())
    return 2 * hits / max(1.0, float(truth.sum() + (called > 0).sum()))


def auroc(truth: np.ndarray, values: np.ndarray) -> float:
    """Chance that a positive has a greater value than a negative, ties counted half; NaN where one class is absent."""
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if not positives or not negatives:
        return float("nan")
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    return float((ranks[place][truth].sum() - positives * (positives + 1) / 2) / (positives * negatives))


@dataclass(frozen=True)
class Figure:
    """A figure and the interval that resampled sources give it; None where they do not support one."""

    value: float
    low: float | None
    high: float | None
    confidence: float = 0.95

    def text(self) -> str:
        """For people."""
        return f"{self.value:.3f}" + (f" ({self.low:.3f} to {self.high:.3f})" if self.low is not None else "")


def figure(
    statistic: Callable[[np.ndarray, np.ndarray], float],
    truth: np.ndarray,
    values: np.ndarray,
    sources: Sequence[str],
    resamples: int = 500,
    seed: int = 0,
) -> Figure:
    """A statistic of labels and scores, with a percentile interval from resampling whole sources.

    Fewer than ten sources support no interval. B. Efron, R. Tibshirani, An Introduction to the Bootstrap (1993), 13.
    """
    names, of = np.unique(list(sources), return_inverse=True)
    value = statistic(truth, values)
    if len(names) < 10:
        return Figure(value, None, None)
    rows = np.split(np.argsort(of, kind="stable"), np.cumsum(np.bincount(of))[:-1])
    draw = np.random.default_rng(seed)
    found = []
    for _ in range(resamples):
        chosen = np.concatenate([rows[each] for each in draw.integers(len(names), size=len(names))])
        found.append(statistic(truth[chosen], values[chosen]))
    low, high = np.nanquantile(found, (0.025, 0.975))
    return Figure(value, float(low), float(high))
