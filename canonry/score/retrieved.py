"""How well what was retrieved answers a question whose right documents are known."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from canonry.score.interface import AnsweredCall, Measured, ScoreCalls
from canonry.stats.ranking import ndcg, recall, reciprocal_rank


def score_retrieval(
    metrics: Sequence[str], depth: int, right: Callable[[AnsweredCall], Collection[str] | None]
) -> ScoreCalls:
    """A scorer of rankings: `retrieval_METRIC` of the first `depth` documents, 0 to 1.

    None of a call whose question has no known documents. A call that retrieved nothing scores 0: nothing right came.
    """

    def score(calls: Sequence[AnsweredCall]) -> list[list[Measured]]:
        found: list[list[Measured]] = []
        for call in calls:
            documents = right(call)
            ranked = list(call.documents[:depth])
            found.append(
                [Measured(f"retrieval_{metric}", MEASURES[metric](ranked, documents, depth)) for metric in metrics]
                if documents
                else []
            )
        return found

    return score


def _precision(ranked: Sequence[str], right: Collection[str], depth: int) -> float:
    return len(set(ranked).intersection(right)) / len(ranked) if ranked else 0.0


MEASURES: dict[str, Callable[[Sequence[str], Collection[str], int], float]] = {
    "ndcg": ndcg,
    "recall": lambda ranked, right, depth: recall(ranked, right),
    "precision": _precision,
    "reciprocal_rank": lambda ranked, right, depth: reciprocal_rank(ranked, right),
}
