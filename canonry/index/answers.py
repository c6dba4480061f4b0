"""Versions of an index asked the same golden queries: how well each answers, and which queries got worse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from canonry.catalog.specs import Gate
from canonry.index.golden import Golden
from canonry.search import TextIndex
from canonry.stats.ranking import ndcg, ranked_documents, recall, reciprocal_rank
from canonry.stats.verdicts import Verdict, judge_means, judge_pairs

NEAR, FAR = 10, 100
"""Chunks that are looked at for the hit rate, and for what is measured to the end."""

MEASURES = ("ndcg_at_10", "recall_at_100", "mrr")
NAMES = {"ndcg_at_10": "nDCG@10", "recall_at_100": "recall@100", "mrr": "MRR"}
SHOWN = 20
"""Queries that got worse, the worst first, are named up to so many."""


@dataclass(frozen=True)
class Contender:
    """A version that answers golden queries; their vectors (queries, dimension) are in its own encoder's space."""

    version: str
    index: TextIndex
    golden_vectors: np.ndarray
    tuned: bool = False
    """Golden queries had a say in how it was made."""

    def asked_only(self, rows: Sequence[int]) -> Contender:
        """The same, asked some of the golden queries alone."""
        return replace(self, golden_vectors=self.golden_vectors[list(rows)])


@dataclass(frozen=True)
class Answers:
    """How a version answers golden queries: arrays (queries,)."""

    hit: np.ndarray
    measures: dict[str, np.ndarray]
    first_right: tuple[int | None, ...]
    """Place of each query's first right document; None where it is not among those of FAR chunks."""


@dataclass(frozen=True)
class HitRate:
    """Share of golden queries with a right document among ten chunks; `difference` is to the other version."""

    candidate: float
    queries: int
    unanswerable: int
    released: float | None = None
    difference: Verdict | None = None


@dataclass(frozen=True)
class Measure:
    """Mean over golden queries; `difference` is to the other version."""

    candidate: float
    released: float | None = None
    difference: Verdict | None = None


@dataclass(frozen=True)
class Worse:
    """A golden query whose nDCG@10 fell, and the place of its first right document, before and after."""

    query: str
    ndcg_before: float
    ndcg_after: float
    first_right_before: int | None
    first_right_after: int | None


@dataclass(frozen=True)
class Compared:
    """A version's answers to golden queries, beside those of the one before where there is one."""

    hit_rate_at_10: HitRate
    measures: dict[str, Measure]
    worse: tuple[Worse, ...]
    """The worst SHOWN."""
    got_worse: int
    got_better: int


def compare(candidate: Contender, golden: Sequence[Golden], released: Contender | None, limits: Gate) -> Compared:
    """Ask both the same, at least one, golden queries; `limits` has the margins that differences are judged by."""
    known = set(candidate.index.vectors.chunks["document_id"].to_pylist())
    unanswerable = sum(each.documents.isdisjoint(known) for each in golden)
    now = answers(candidate, golden)
    rate = float(now.hit.mean())
    if released is None:
        alone = {name: Measure(float(now.measures[name].mean())) for name in MEASURES}
        return Compared(HitRate(rate, len(golden), unanswerable), alone, (), 0, 0)
    before = answers(released, golden)
    difference = judge_pairs(before.hit, now.hit, limits.hit_rate_drop, what="golden hit rate@10")
    hit_rate = HitRate(rate, len(golden), unanswerable, float(before.hit.mean()), difference)
    drops = dict(zip(MEASURES, (limits.ndcg_drop, limits.recall_at_100_drop, limits.mrr_drop), strict=True))
    measures = {
        name: _measure(NAMES[name], before.measures[name], now.measures[name], drop) for name, drop in drops.items()
    }
    change = now.measures["ndcg_at_10"] - before.measures["ndcg_at_10"]
    return Compared(hit_rate, measures, _worse(golden, before, now), int((change < 0).sum()), int((change > 0).sum()))


def answers(contender: Contender, golden: Sequence[Golden]) -> Answers:
    """How a version answers, as a product that asks by text would be answered."""
    document_ids = contender.index.vectors.chunks["document_id"].to_pylist()
    vectors = contender.golden_vectors
    found = contender.index.nearest([each.query for each in golden], lambda _: vectors, FAR)
    hit, places = [], []
    measures: dict[str, list[float]] = {name: [] for name in MEASURES}
    for (_, rows), each in zip(found, golden, strict=True):
        ranked = ranked_documents(rows.tolist(), document_ids)
        rank = reciprocal_rank(ranked, each.documents)
        places.append(round(1 / rank) if rank else None)
        hit.append(not each.documents.isdisjoint(ranked_documents(rows[:NEAR].tolist(), document_ids)))
        for name, value in zip(
            MEASURES, (ndcg(ranked, each.documents), recall(ranked, each.documents), rank), strict=True
        ):
            measures[name].append(value)
    return Answers(np.array(hit, bool), {name: np.array(values) for name, values in measures.items()}, tuple(places))


def _measure(name: str, before: np.ndarray, now: np.ndarray, drop: float) -> Measure:
    return Measure(float(now.mean()), float(before.mean()), judge_means(before, now, drop, what=name))


def _worse(golden: Sequence[Golden], before: Answers, now: Answers) -> tuple[Worse, ...]:
    first, second = before.measures["ndcg_at_10"], now.measures["ndcg_at_10"]
    fell = sorted(np.flatnonzero(second < first).tolist(), key=lambda at: (second[at] - first[at], golden[at].query))
    return tuple(
        Worse(
            golden[at].shown,
            round(float(first[at]), 4),
            round(float(second[at]), 4),
            before.first_right[at],
            now.first_right[at],
        )
        for at in fell[:SHOWN]
    )
