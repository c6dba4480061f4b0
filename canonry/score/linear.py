"""A logistic regression on which words and pairs of words a text has; its weights can be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

LEAST_TEXTS = 4
"""A feature that fewer texts have is not learned."""

MAX_ITERATIONS = 200


@dataclass(frozen=True)
class WordModel:
    """Log-odds of a text: the weights of its features over the root of their number, plus `intercept`."""

    features: tuple[str, ...]
    """In alphabetical order."""
    weights: np.ndarray
    intercept: float

    def log_odds(self, texts: Sequence[Collection[str]]) -> np.ndarray:
        """Of each text's features, float64 (n,). Features that were not learned count for nothing."""
        weight = dict(zip(self.features, self.weights.tolist(), strict=True))
        found = np.full(len(texts), self.intercept)
        for row, text in enumerate(texts):
            known = [weight[each] for each in text if each in weight]
            # In order of size, so that the sum does not depend on a set's order.
            found[row] += sum(sorted(known)) / np.sqrt(max(1, len(known)))
        return found


def fit_words(texts: Sequence[Collection[str]], positive: np.ndarray, regularization: float) -> WordModel:
    """From features by text and its class, bool (n,). `regularization`: the weight of the penalty, above 0.

    Needs scikit-learn. Gives the same weights for the same rows in the same order.
    """
    from scipy.sparse import csr_matrix
    from sklearn.linear_model import LogisticRegression

    counts = Counter(each for text in texts for each in text)
    features = tuple(sorted(each for each, count in counts.items() if count >= LEAST_TEXTS))
    if not features or positive.all() or not positive.any():
        share = (positive.sum() + 0.5) / (len(positive) + 1)
        return WordModel((), np.zeros(0), float(np.log(share / (1 - share))))
    column = {each: place for place, each in enumerate(features)}
    columns = [sorted(column[each] for each in text if each in column) for text in texts]
    lengths = np.array([len(each) for each in columns])
    values = np.repeat(1 / np.sqrt(np.maximum(lengths, 1)), lengths)
    flat = np.array([each for part in columns for each in part], dtype=np.int32)
    matrix = csr_matrix((values, flat, np.r_[0, np.cumsum(lengths)]), shape=(len(texts), len(features)))
    model = LogisticRegression(C=1 / regularization, max_iter=MAX_ITERATIONS).fit(matrix, positive)
    return WordModel(features, model.coef_[0].astype(np.float64), float(model.intercept_[0]))
