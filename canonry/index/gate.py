"""The gate: a candidate must find what exact search finds, and answer golden queries no worse than what is released."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import faiss
import numpy as np

from canonry.catalog.specs import Gate
from canonry.index.candidate import Opened, nearest
from canonry.index.golden import Golden, hits
from canonry.stats.clustered import clustered_rate_lower_bound
from canonry.stats.paired import PairedDifference, paired_difference_interval, pairs_to_rule_out

FOUND = 10
SAMPLE = 500
"""Chunks that stand as held-out queries beside the golden ones; each is taken out of what it finds."""

_SAME_SCORE = 1e-6


@dataclass(frozen=True)
class Recall:
    """Share of the exact ten nearest that the candidate finds, over `queries`; `low` is a one-sided 95 % bound."""

    value: float
    low: float
    queries: int
    exact: bool


@dataclass(frozen=True)
class HitRate:
    """Share of golden queries with a right document among ten chunks; `difference` is to the released version."""

    candidate: float
    queries: int
    unanswerable: int
    released: float | None = None
    difference: PairedDifference | None = None


@dataclass(frozen=True)
class GateReport:
    """Whether a candidate may be released, why in words, and what a person should know all the same."""

    passed: bool
    reasons: tuple[str, ...]
    flags: tuple[str, ...]
    recall_at_10: Recall
    hit_rate_at_10: HitRate | None
    released_version: str | None
    """What it was compared with."""

    def to_metadata(self) -> dict[str, Any]:
        """As JSON values."""
        return {**asdict(self), "reasons": list(self.reasons), "flags": list(self.flags)}


@dataclass(frozen=True)
class Contender:
    """A version that answers golden queries; their vectors (queries, d) are in its own encoder's space."""

    version: str
    opened: Opened
    golden_vectors: np.ndarray


def check(
    candidate: Contender, vectors: np.ndarray, golden: list[Golden], released: Contender | None, limits: Gate
) -> GateReport:
    """Judge a candidate. `vectors` (chunks, d) are what it was built from; `released` answers the same `golden`."""
    recall = measure_recall(candidate.opened.index, vectors, candidate.golden_vectors)
    compared_with = released.version if released else None
    recall_passed, recall_reason = _judge_recall(recall, limits)
    if not golden:
        flag = "there are no golden queries: nothing shows whether the right documents are found; add golden_queries"
        return GateReport(recall_passed, (recall_reason,), (flag,), recall, None, compared_with)
    hit_rate = measure_hit_rate(candidate, golden, released)
    if compared_with == candidate.version:
        hit_passed, hit_reason = True, "the candidate is the released version, byte for byte"
    else:
        hit_passed, hit_reason = _judge_hit_rate(hit_rate, compared_with, limits)
    flags = []
    if hit_rate.unanswerable:
        flags.append(f"{hit_rate.unanswerable} golden queries name no document that the candidate has")
    if released is None:
        flags.append("first release: there is no released version to compare with")
    return GateReport(
        recall_passed and hit_passed, (recall_reason, hit_reason), tuple(flags), recall, hit_rate, compared_with
    )


def measure_recall(index: faiss.Index, vectors: np.ndarray, golden_vectors: np.ndarray) -> Recall:
    """Recall@10 against exact search, on golden queries and a fixed sample of chunks."""
    exact = faiss.IndexFlatIP(vectors.shape[1])
    exact.add(vectors)
    sample = np.random.default_rng(0).permutation(len(vectors))[:SAMPLE]
    queries = np.concatenate([golden_vectors, vectors[sample]])
    own = np.concatenate([np.full(len(golden_vectors), -1), sample])
    count = max(1, min(FOUND, len(vectors) - 1))
    wanted = _without_own(nearest(exact, queries, count + 1), own, count)
    found = _without_own(nearest(index, queries, count + 1), own, count)
    rates = _found_share(queries, vectors, wanted, found)
    rate = float(rates.mean())
    is_exact = isinstance(faiss.downcast_index(index), faiss.IndexFlat)
    low = rate if is_exact else clustered_rate_lower_bound(rates, count)
    return Recall(rate, low, len(queries), is_exact)


def measure_hit_rate(candidate: Contender, golden: list[Golden], released: Contender | None) -> HitRate:
    """Hit rate@10 on golden queries, and the paired difference to the released version."""
    now = _answered(candidate, golden)
    known = set(candidate.opened.document_ids)
    unanswerable = sum(each.documents.isdisjoint(known) for each in golden)
    rate = float(now.mean())
    if released is None:
        return HitRate(rate, len(golden), unanswerable)
    before = _answered(released, golden)
    difference = paired_difference_interval(before, now)
    return HitRate(rate, len(golden), unanswerable, float(before.mean()), difference)


def _answered(contender: Contender, golden: list[Golden]) -> np.ndarray:
    found = nearest(contender.opened.index, contender.golden_vectors, FOUND)
    return hits(found, contender.opened.document_ids, golden)


def _without_own(rows: np.ndarray, own: np.ndarray, count: int) -> np.ndarray:
    """The first `count` rows of each query that are not the query itself; -1 where there are fewer."""
    kept = np.full((len(rows), count), -1, dtype=np.int64)
    for at, (found, self_row) in enumerate(zip(rows, own, strict=True)):
        others = found[(found != self_row) & (found >= 0)][:count]
        kept[at, : len(others)] = others
    return kept


def _found_share(queries: np.ndarray, vectors: np.ndarray, wanted: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Share of each query's wanted neighbours that were found; one that scores the same is as good."""
    shares = np.empty(len(queries))
    for at, query in enumerate(queries):
        right = wanted[at][wanted[at] >= 0]
        rows = np.unique(found[at][found[at] >= 0])
        if not len(right):
            shares[at] = 1.0
            continue
        worst = (vectors[right] @ query).min() - _SAME_SCORE
        shares[at] = min(1.0, np.sum(vectors[rows] @ query >= worst) / len(right))
    return shares


def _judge_recall(recall: Recall, limits: Gate) -> tuple[bool, str]:
    passed = recall.low >= limits.recall_at_10
    measured = f"recall@10 is {recall.value:.3f} on {recall.queries} queries"
    bound = " (the index is exact)" if recall.exact else f", at least {recall.low:.3f} with 95 % confidence"
    verdict = "as required" if passed else "too low: choose a faiss_factory that finds more"
    return passed, f"{measured}{bound}; required {limits.recall_at_10:.3f}: {verdict}"


def _judge_hit_rate(hit_rate: HitRate, released_version: str | None, limits: Gate) -> tuple[bool, str]:
    measured = f"golden hit rate@10 is {hit_rate.candidate:.3f} on {hit_rate.queries} queries"
    difference = hit_rate.difference
    if difference is None:
        return True, f"{measured}; there is no released version to compare with"
    drop = limits.hit_rate_drop
    interval = f"{difference.value:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}]"
    compared = (
        f"{measured}, {interval} to released {released_version} ({difference.lost} lost, {difference.gained} gained)"
    )
    if difference.low >= -drop:
        return True, f"{compared}; the 95 % interval rules out a drop of more than {drop:g}"
    if difference.high < -drop:
        return False, f"{compared}; it dropped by more than {drop:g}"
    enough = pairs_to_rule_out(drop, difference.confidence) if 0 < drop < 1 else None
    if enough and hit_rate.queries < enough:
        advice = f": so few queries cannot; write at least {enough}, or allow a larger hit_rate_drop"
    else:
        advice = ": look at the queries that were lost"
    return False, f"{compared}; the 95 % interval does not rule out a drop of more than {drop:g}{advice}"
