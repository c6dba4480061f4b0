"""Extremely randomised trees as plain arrays: trained by scikit-learn, read and evaluated by numpy alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

TREES = 120
LEAST_LEAF = 3


@dataclass(frozen=True)
class Forest:
    """Trees end to end. A node below 0 in `left` is a leaf; `value` is its share of positives."""

    roots: np.ndarray
    """int32 (trees,)"""
    feature: np.ndarray
    """int16 (nodes,): column that a node asks for."""
    threshold: np.ndarray
    """float64 (nodes,): at most this goes left."""
    left: np.ndarray
    """int32 (nodes,)"""
    right: np.ndarray
    """int32 (nodes,)"""
    value: np.ndarray
    """float32 (nodes,)"""

    def probability(self, rows: np.ndarray) -> np.ndarray:
        """Mean share of positives in the leaves that each row (n, columns) comes to, float64 (n,)."""
        rows = rows.astype(np.float32)
        total = np.zeros(len(rows))
        for root in self.roots:
            node = np.full(len(rows), root, dtype=np.int32)
            moving = np.arange(len(rows)) if self.left[root] >= 0 else np.zeros(0, dtype=np.intp)
            while len(moving):
                at = node[moving]
                goes_left = rows[moving, self.feature[at]] <= self.threshold[at]
                node[moving] = np.where(goes_left, self.left[at], self.right[at])
                moving = moving[self.left[node[moving]] >= 0]
            total += self.value[node]
        return total / len(self.roots)


def fit_forest(rows: np.ndarray, positive: np.ndarray, seed: int) -> Forest:
    """From rows (n, columns) without NaN and their class, bool (n,). Needs scikit-learn; the same rows give the same
    trees. P. Geurts, D. Ernst, L. Wehenkel, Extremely randomized trees, Machine Learning 63 (2006) 3-42.
    """
    from sklearn.ensemble import ExtraTreesClassifier

    model = ExtraTreesClassifier(TREES, min_samples_leaf=LEAST_LEAF, max_features=0.3, random_state=seed)
    model.fit(rows, positive)
    trees = [each.tree_ for each in model.estimators_]
    sizes = np.array([tree.node_count for tree in trees])
    roots = np.r_[0, np.cumsum(sizes)[:-1]].astype(np.int32)
    place = list(model.classes_).index(True) if True in model.classes_ else None
    values = [np.zeros(tree.node_count) if place is None else tree.value[:, 0, place] for tree in trees]
    return Forest(
        roots,
        np.concatenate([tree.feature for tree in trees]).astype(np.int16),
        np.concatenate([tree.threshold for tree in trees]),
        _moved([tree.children_left for tree in trees], roots),
        _moved([tree.children_right for tree in trees], roots),
        np.concatenate(values).astype(np.float32),
    )


def _moved(children: list[np.ndarray], roots: np.ndarray) -> np.ndarray:
    parts = [np.where(each < 0, -1, each + root) for each, root in zip(children, roots, strict=True)]
    return np.concatenate(parts).astype(np.int32)
