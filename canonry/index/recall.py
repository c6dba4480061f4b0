"""How much of what exact search finds an index finds, with what can be said of it for sure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np

from canonry.stats.clustered import clustered_rate_lower_bound

FOUND = 10
SAMPLE = 500
"""Chunks that stand as queries beside golden ones; each is taken out of what it finds."""

_SAME_SCORE = 1e-6


@dataclass(frozen=True)
class Recall:
    """Share of the exact ten nearest that the candidate finds, over `queries`; `low` is a one-sided 95 % bound."""

    value: float
    low: float
    queries: int
    exact: bool


@dataclass(frozen=True)
class Asked:
    """Queries with what exact search finds for them: `own` is the row that a query itself is, -1 for none."""

    queries: np.ndarray
    own: np.ndarray
    wanted: np.ndarray
    worst: np.ndarray
    """Score of the last wanted row of each query; one that scores the same is as good."""


def tunes(query: str) -> bool:
    """Whether a golden query is one of the quarter that an index is tuned by; by the others it is judged.

    Judging needs many: to rule out that a twentieth of answers got worse takes some eighty. To tune takes few.
    """
    return hashlib.sha256(f"recall\n{query}".encode()).digest()[0] % 4 == 0


def rows_to_judge_by(count: int) -> np.ndarray:
    """At most SAMPLE rows of so many, the same each time."""
    return np.random.default_rng(0).permutation(count)[: 2 * SAMPLE : 2]


def rows_to_tune_by(count: int) -> np.ndarray:
    """As many others: what was tuned by a query is not judged by it."""
    return np.random.default_rng(0).permutation(count)[1 : 2 * SAMPLE : 2]


def asked(vectors: np.ndarray, golden_vectors: np.ndarray, rows: np.ndarray) -> Asked:
    """Golden queries, then these rows of `vectors` (n, d), searched exactly."""
    queries = np.ascontiguousarray(np.concatenate([golden_vectors, vectors[rows]]), dtype=np.float32)
    own = np.concatenate([np.full(len(golden_vectors), -1), rows])
    count = max(1, min(FOUND, len(vectors) - 1))
    _, found = faiss.knn(queries, vectors, min(count + 1, len(vectors)), faiss.METRIC_INNER_PRODUCT)
    wanted = _without_own(found, own, count)
    worst = [(vectors[right[right >= 0]] @ query).min(initial=1) for query, right in zip(queries, wanted, strict=True)]
    return Asked(queries, own, wanted, np.array(worst))


def measure_recall(index: Any, vectors: np.ndarray, asked: Asked, confidence: float = 0.95) -> Recall:
    """Recall@10 of an index over `vectors`, row i of one being row i of the other."""
    count = asked.wanted.shape[1]
    _, found = index.search(asked.queries, min(count + 1, index.ntotal))
    found = _without_own(found, asked.own, count)
    each_query = zip(asked.queries, asked.wanted, asked.worst, found, strict=True)
    rates = np.array([_share(*each, vectors) for each in each_query])
    rate = float(rates.mean())
    is_exact = isinstance(index, faiss.Index) and isinstance(faiss.downcast_index(index), faiss.IndexFlat)
    low = rate if is_exact else clustered_rate_lower_bound(rates, count, confidence)
    return Recall(rate, low, len(rates), is_exact)


def _share(query: np.ndarray, wanted: np.ndarray, worst: float, found: np.ndarray, vectors: np.ndarray) -> float:
    right = int((wanted >= 0).sum())
    if not right:
        return 1.0
    rows = np.unique(found[found >= 0])
    return min(1.0, float(np.sum(vectors[rows] @ query >= worst - _SAME_SCORE)) / right)


def _without_own(rows: np.ndarray, own: np.ndarray, count: int) -> np.ndarray:
    """The first `count` rows of each query that are not the query itself; -1 where there are fewer."""
    kept = np.full((len(rows), count), -1, dtype=np.int64)
    for at, (found, self_row) in enumerate(zip(rows, own, strict=True)):
        others = found[(found != self_row) & (found >= 0)][:count]
        kept[at, : len(others)] = others
    return kept
