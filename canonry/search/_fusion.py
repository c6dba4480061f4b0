"""Chunks near in meaning and chunks that share words, as one ranking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

FUSION = "fusion.json"
"""File of a release that has a lexical index: a Fusion as JSON."""

DEPTH = 100


@dataclass(frozen=True)
class Fusion:
    """A convex combination of both scores, each brought to 0..1 over the chunks that either side found.

    S. Bruch, S. Gai and A. Ingber, An Analysis of Fusion Functions for Hybrid Retrieval, TOIS 42 (2023): it finds more
    than reciprocal ranks do, and needs one weight.
    """

    lexical_weight: float = 0.5
    """From 0, vectors alone decide, to 1, words alone do."""
    depth: int = DEPTH
    """The best so many of each side are compared, or k where more are asked for."""
    method: Literal["min_max"] = "min_max"

    def __post_init__(self) -> None:
        if not 0 <= self.lexical_weight <= 1 or self.depth < 1:
            raise ValueError(f"lexical_weight is {self.lexical_weight}, depth {self.depth}: expected 0 to 1, 1 or more")


@dataclass(frozen=True)
class Found:
    """Chunks that either side found for a text, rows ascending, each with both of its scores: arrays of one length."""

    rows: np.ndarray
    similarity: np.ndarray
    bm25: np.ndarray

    def ranked(self, lexical_weight: float, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Scores from 0 to 1, float32, and rows int64 of the best k. Of equal scores the earlier row is first."""
        both = (1 - lexical_weight) * self.meaning + lexical_weight * self.words
        order = np.argsort(-both, kind="stable")[:k]
        return both[order], self.rows[order]

    @property
    def meaning(self) -> np.ndarray:
        """The similarities: 0 the least that was found, 1 the greatest."""
        least, most = self.similarity.min(initial=np.inf), self.similarity.max(initial=-np.inf)
        return (self.similarity - least) / (most - least) if most > least else np.ones_like(self.similarity)

    @property
    def words(self) -> np.ndarray:
        """BM25: 0 no word is shared, 1 the greatest that was found."""
        most = self.bm25.max(initial=0)
        return self.bm25 / most if most > 0 else np.zeros_like(self.bm25)
