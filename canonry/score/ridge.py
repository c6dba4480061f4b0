"""A ridge regression on vectors: which directions of meaning, and which that the passages do not share, are made up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Ridge:
    """Weights of columns; none, and 0 for every row, where there are no vectors."""

    weights: np.ndarray
    """float64 (columns,)"""
    intercept: float

    def value(self, rows: np.ndarray) -> np.ndarray:
        """Of rows (n, columns): float64 (n,), about 0 of what is grounded and about 1 of what is not."""
        return rows @ self.weights + self.intercept if len(self.weights) else np.zeros(len(rows))


def fit_ridge(
    rows: np.ndarray, positive: np.ndarray, fold: np.ndarray, folds: int, regularization: float
) -> tuple[Ridge, list[Ridge]]:
    """From rows (n, columns) and their class, bool (n,): from all of them, and without each fold, int (n,).

    `regularization`: the penalty on squared weights, of columns whose squares sum to about 1 a row.
    """
    columns = rows.shape[1]
    if not columns:
        none = Ridge(np.zeros(0), 0.0)
        return none, [none] * folds
    sums = []
    for each in range(folds):
        inside = np.column_stack([rows[fold == each], np.ones(np.sum(fold == each), dtype=rows.dtype)])
        sums.append((inside.T @ inside, inside.T @ positive[fold == each].astype(rows.dtype)))
    gram = np.asarray(np.sum([one for one, _ in sums], axis=0, dtype=np.float64))
    target = np.asarray(np.sum([other for _, other in sums], axis=0, dtype=np.float64))
    penalty = np.diag(np.r_[np.full(columns, regularization), 1e-6])

    def solved(gram: np.ndarray, target: np.ndarray) -> Ridge:
        found = np.linalg.solve(gram + penalty, target)
        return Ridge(found[:-1], float(found[-1]))

    return solved(gram, target), [solved(gram - one, target - other) for one, other in sums]
