"""How much words count beside vectors: tuned on golden queries, and shown on queries that tuning never saw."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from canonry.index.golden import Golden
from canonry.index.recall import tunes
from canonry.search import Found, Fusion, TextIndex
from canonry.stats.ranking import ndcg, ranked_documents

WEIGHTS = tuple(round(0.1 * step, 1) for step in range(11))
FOLDS = 5
FEWEST = 20
"""With fewer golden queries to tune on, both sides count alike."""


@dataclass(frozen=True)
class Figures:
    """Mean nDCG@10 over some queries, of each side alone and of both."""

    queries: int
    dense: float
    lexical: float
    hybrid: float


@dataclass(frozen=True)
class Tuning:
    """A lexical weight and what it comes to."""

    lexical_weight: float
    tuned_on: int
    """Golden queries; 0 where there were too few."""
    cross_validated: Figures | None
    """On the queries tuned on, each with the weight that the other folds gave."""
    held_back: Figures | None
    """On the queries that tuning never saw, with this weight."""


def is_held_back(query: str) -> bool:
    """Whether tuning never sees a golden query: by the query alone, whatever others there are."""
    return not tunes(query)


def tune(index: TextIndex, golden: Sequence[Golden], vectors: np.ndarray) -> Tuning:
    """The lexical weight of an index with both sides. `vectors`: float32 (queries, dimension) of the golden queries."""
    figures = ndcg_by_weight(index, golden, vectors)
    held = np.array([is_held_back(each.query) for each in golden], bool)
    if (~held).sum() < FEWEST:
        weight = Fusion().lexical_weight
        return Tuning(weight, 0, None, _figures(figures, _at(figures, weight), np.ones(len(golden), bool)))
    weight = chosen_weight(figures[:, ~held])
    queries = [each.query for each in golden]
    crossed = cross_validated(figures[:, ~held], [query for query in queries if not is_held_back(query)])
    return Tuning(
        weight,
        int((~held).sum()),
        _figures(figures[:, ~held], crossed, np.ones(len(crossed), bool)),
        _figures(figures, _at(figures, weight), held),
    )


def ndcg_by_weight(index: TextIndex, golden: Sequence[Golden], vectors: np.ndarray) -> np.ndarray:
    """nDCG@10 (WEIGHTS, queries): the first row is that of vectors alone, the last that of words alone."""
    document_ids = index.vectors.chunks["document_id"].to_pylist()
    found = index.found([each.query for each in golden], vectors, index.fusion.depth)
    return np.array(
        [
            [_ndcg(each, weight, query, document_ids) for each, query in zip(found, golden, strict=True)]
            for weight in WEIGHTS
        ]
    ).reshape(len(WEIGHTS), len(golden))


def chosen_weight(figures: np.ndarray) -> float:
    """Of the weights that come within one standard error of the best, the one nearest to the middle.

    `figures`: (WEIGHTS, queries). The best by itself is often so by luck; L. Breiman et al., Classification and
    Regression Trees (1984), section 3.4.3, on the error of the paired differences.
    """
    means = figures.mean(axis=1)
    best = int(means.argmax())
    behind = figures[best] - figures
    error = behind.std(axis=1, ddof=1) / np.sqrt(figures.shape[1])
    good = np.flatnonzero(behind.mean(axis=1) <= error)
    middle = Fusion().lexical_weight
    return WEIGHTS[min(good, key=lambda at: (abs(WEIGHTS[at] - middle), -means[at]))]


def cross_validated(figures: np.ndarray, queries: Sequence[str], seed: str = "") -> np.ndarray:
    """nDCG@10 (queries,) of each query with the weight chosen on the folds that it is not in; folds by its hash."""
    fold = np.array([_hash(f"fold {seed}", query) % FOLDS for query in queries])
    found = np.zeros(len(queries))
    for each in np.unique(fold):
        within = fold == each
        found[within] = _at(figures, chosen_weight(figures[:, ~within]))[within]
    return found


def _at(figures: np.ndarray, weight: float) -> np.ndarray:
    return figures[WEIGHTS.index(weight)]


def _figures(figures: np.ndarray, hybrid: np.ndarray, some: np.ndarray) -> Figures | None:
    if not some.any():
        return None
    means = (float(each[some].mean()) for each in (figures[0], figures[-1], hybrid))
    return Figures(int(some.sum()), *(round(mean, 6) for mean in means))


def _ndcg(found: Found, weight: float, query: Golden, document_ids: Sequence[str]) -> float:
    _, rows = found.ranked(weight, len(found.rows))
    return ndcg(ranked_documents(rows.tolist(), document_ids), query.documents)


def _hash(purpose: str, query: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{purpose}\n{query}".encode()).digest()[:8], "big")
