"""From sentences to the answer: what the least grounded sentences say of the whole, and a logistic regression on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

POOLED = ("worst", "second", "third", "mean", "sum", "any", "sentences")
_EDGE = 1e-4


def pool(probabilities: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Of sentences (n,), those of answer i from starts[i] to starts[i + 1]: float64 (answers, len(POOLED)).

    Log-odds of the three likeliest to be unsupported, the mean's and sum's logarithm, the log-odds that any is, were
    they independent, and the logarithm of their number.
    """
    found = np.empty((len(starts) - 1, len(POOLED)))
    for row, (start, end) in enumerate(pairwise(starts)):
        inside = np.clip(np.sort(probabilities[start:end])[::-1], _EDGE, 1 - _EDGE)
        worst = np.full(3, _EDGE)
        worst[: min(3, len(inside))] = inside[:3]
        none = np.log1p(-inside).sum()
        found[row] = (
            *np.log(worst / (1 - worst)),
            np.log(inside.mean()),
            np.log(inside.sum()),
            np.log(-np.expm1(none)) - none,
            np.log(len(inside)),
        )
    return found


@dataclass(frozen=True)
class Logistic:
    """A logistic regression on columns of its own scale."""

    columns: tuple[str, ...]
    mean: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    intercept: float

    def probability(self, rows: np.ndarray) -> np.ndarray:
        """Of rows (n, columns): float64 (n,), between 0 and 1."""
        log_odds = ((rows - self.mean) / self.scale) @ self.weights + self.intercept
        return 1 / (1 + np.exp(-np.clip(log_odds, -35, 35)))


def fit_logistic(columns: Sequence[str], rows: np.ndarray, positive: np.ndarray, regularization: float) -> Logistic:
    """From rows (n, columns) and their class, bool (n,), both present. Needs scikit-learn."""
    from sklearn.linear_model import LogisticRegression

    mean, scale = rows.mean(axis=0), rows.std(axis=0)
    scale = np.where(scale > 1e-9, scale, 1.0)
    model = LogisticRegression(C=1 / regularization, max_iter=1_000).fit((rows - mean) / scale, positive)
    return Logistic(tuple(columns), mean, scale, model.coef_[0].astype(np.float64), float(model.intercept_[0]))
