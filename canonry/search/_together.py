"""Several releases searched as if they were one: what different readers may see of an index lies in releases apart."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from canonry.search._fusion import Found
from canonry.search._index import Hit, checked_k
from canonry.search._text import Encode, Mode, TextIndex
from canonry.search._where import Where


@dataclass(frozen=True)
class Part:
    """One release's chunks, and what makes a vector of a text for it."""

    index: TextIndex
    encode: Encode


def search_together(
    parts: Sequence[Part],
    query: str | np.ndarray,
    k: int = 10,
    where: Where | None = None,
    readable: Collection[str] | None = None,
    mode: Mode | None = None,
) -> list[Hit]:
    """The best k Hits of a text, or of a vector (dimension,), over all parts; as `TextIndex.search` otherwise.

    The first part says the mode and how much words count; scores of all are brought to 0..1 together. Rare words are
    told part by part, as search engines do over shards. Raises SearchError.
    """
    k = checked_k(k)
    mode = "dense" if not isinstance(query, str) else parts[0].index.checked_mode(mode)
    # A part without words shares none with a text; one without a column of the condition has nothing that fits.
    asked = [each for each in parts if mode == "dense" or each.index.lexical is not None]
    known = [each for each in asked if all(name in each.index.vectors.chunks.column_names for name in where or ())]
    found = [_found(each, query, k, where, readable, mode) for each in known or asked[:1]]
    part = np.repeat(np.arange(len(found)), [len(each.rows) for each in found])
    together = Found(*(np.concatenate(columns) for columns in zip(*map(_columns, found), strict=True)))
    if mode == "hybrid":
        places = Found(np.arange(len(part)), together.similarity, together.bm25)
        scores, best = places.ranked(parts[0].index.fusion.lexical_weight, k)
    else:
        every = together.bm25 if mode == "lexical" else together.similarity
        best = np.argsort(-every, kind="stable")[:k]
        scores = every[best]
    hits = []
    for score, place in zip(scores, best, strict=True):
        vectors = (known or asked)[part[place]].index.vectors
        hits += vectors.hits(np.array([[score]]), together.rows[[place]][np.newaxis])[0]
    return hits


def _found(
    part: Part,
    query: str | np.ndarray,
    k: int,
    where: Where | None,
    readable: Collection[str] | None,
    mode: Mode,
) -> Found:
    index = part.index
    if mode == "hybrid":
        assert isinstance(query, str)
        depth = max(k, index.fusion.depth)
        return index.found([query], part.encode([query]), depth, index.vectors.selection(where, readable))[0]
    if mode == "lexical":
        assert isinstance(query, str)
        ((scores, rows),) = index.nearest([query], part.encode, k, where, readable, mode)
        return Found(rows, np.zeros_like(scores), scores)
    vectors = part.encode([query])[0] if isinstance(query, str) else query
    scores, rows = index.vectors.nearest(vectors, k, where, readable)
    right = rows[0] >= 0
    return Found(rows[0][right], scores[0][right], np.zeros(int(right.sum()), np.float32))


def _columns(found: Found) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return found.rows, found.similarity, found.bm25
