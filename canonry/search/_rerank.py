"""Putting what a search found in the order of another, slower model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from canonry.search._errors import SearchError
from canonry.search._index import Hit

Reranker = Callable[[str, Sequence[Hit]], Iterable[float]]
"""How well each of these hits answers a text, the more the better: as many finite numbers as hits."""


def rerank(text: str, hits: Sequence[Hit], reranker: Reranker, k: int = 10) -> list[Hit]:
    """The k best of these hits by `reranker`, best first, their `score` being its; of equals, who came first.

    It can only choose among what it is given: search for more than are wanted, some fifty. Raises SearchError where it
    gives another number of scores, or one that is no finite number.

    >>> from canonry import client
    >>> found = client.open_index("docs").search("red", k=50)
    >>> shortest = client.rerank("red", found, lambda text, hits: [-len(hit.text) for hit in hits], k=2)
    >>> [(len(hit.text), hit.score) for hit in shortest]
    [(15, -15.0), (15, -15.0)]
    """
    scores = [float(score) for score in reranker(text, hits)] if hits else []
    if len(scores) != len(hits):
        raise SearchError(f"the reranker gave {len(scores)} scores for {len(hits)} hits, expected one each")
    wrong = next((row for row, score in enumerate(scores) if not math.isfinite(score)), None)
    if wrong is not None:
        raise SearchError(f"the reranker gave {scores[wrong]} for chunk {hits[wrong].chunk_id}, expected a number")
    order = sorted(range(len(hits)), key=lambda row: -scores[row])
    return [hits[row]._replace(score=scores[row]) for row in order[:k]]
