"""How well a ranking answers a golden query: documents in the order of their best chunk."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence


def ranked_documents(rows: Iterable[int], document_ids: Sequence[str]) -> list[str]:
    """Documents of chunks in their order, each once, where its best chunk is."""
    return list(dict.fromkeys(document_ids[row] for row in rows))


def ndcg(ranked: Sequence[str], right: Collection[str], depth: int = 10) -> float:
    """Normalised discounted cumulative gain of the first `depth`, from 0 to 1; every right document gains 1.

    K. Järvelin and J. Kekäläinen, Cumulated gain-based evaluation of IR techniques, TOIS 20 (2002).
    """
    gained = sum(_discount(at) for at, document in enumerate(ranked[:depth]) if document in right)
    return gained / sum(_discount(at) for at in range(min(depth, len(right))))


def recall(ranked: Sequence[str], right: Collection[str]) -> float:
    """Share of the right documents that are among those ranked."""
    return len(set(ranked).intersection(right)) / len(right)


def reciprocal_rank(ranked: Sequence[str], right: Collection[str]) -> float:
    """1 divided by the place of the first right document, 0 where there is none."""
    return next((1 / at for at, document in enumerate(ranked, start=1) if document in right), 0.0)


def _discount(at: int) -> float:
    return 1 / math.log2(at + 2)
