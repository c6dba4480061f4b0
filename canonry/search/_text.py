"""Searching by text: by what it means, by its words, or by both."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Literal, get_args

import numpy as np

from canonry.search._errors import SearchError
from canonry.search._fusion import Found, Fusion
from canonry.search._index import Hit, VectorIndex, checked_k
from canonry.search._lexical import LexicalIndex, best_rows
from canonry.search._selected import Selection
from canonry.search._where import Where

Mode = Literal["hybrid", "dense", "lexical"]
"""How a text is searched for, and so what the `score` of a Hit is.

`dense`: the inner product of vectors, the cosine where both have length 1. `lexical`: BM25, only chunks that share a
word with the text. `hybrid`: both, from 0 to 1, comparable within one answer alone.
"""

Encode = Callable[[list[str]], np.ndarray]
"""Vectors float32 (n, dimension) of n texts."""


class TextIndex:
    """The chunks of one version, searched by text."""

    def __init__(self, vectors: VectorIndex, lexical: LexicalIndex | None = None, fusion: Fusion | None = None) -> None:
        self.vectors = vectors
        self.lexical = lexical
        self.fusion = fusion or Fusion()

    @property
    def default_mode(self) -> Mode:
        """Hybrid where there is a lexical index."""
        return "dense" if self.lexical is None else "hybrid"

    def search(
        self,
        texts: Sequence[str],
        encode: Encode,
        k: int = 10,
        where: Where | None = None,
        readable: Collection[str] | None = None,
        mode: Mode | None = None,
    ) -> list[list[Hit]]:
        """The best k Hits of each text, best first; `encode` is not asked for mode `lexical`.

        `where` and `readable` as in VectorIndex.search, for words too. Raises SearchError for a mode that the index
        does not have.
        """
        found = self.nearest(texts, encode, k, where, readable, mode)
        return [self.vectors.hits(scores[np.newaxis], rows[np.newaxis])[0] for scores, rows in found]

    def nearest(
        self,
        texts: Sequence[str],
        encode: Encode,
        k: int = 10,
        where: Where | None = None,
        readable: Collection[str] | None = None,
        mode: Mode | None = None,
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """`search` as scores float32 and rows int64 of at most k chunks, best first, for each text."""
        mode = self.checked_mode(mode)
        texts, k = list(texts), checked_k(k)
        selection = self.vectors.selection(where, readable)
        if mode == "lexical":
            assert self.lexical is not None
            return [self.lexical.best(text, k, selection) for text in texts]
        if mode == "hybrid":
            found = self.found(texts, encode(texts), max(k, self.fusion.depth), selection)
            return [each.ranked(self.fusion.lexical_weight, k) for each in found]
        scores, rows = self.vectors.nearest_among(encode(texts), k, selection)
        return [(score[row >= 0], row[row >= 0]) for score, row in zip(scores, rows, strict=True)]

    def found(
        self, texts: Sequence[str], vectors: np.ndarray, depth: int, selection: Selection | None = None
    ) -> list[Found]:
        """For each text the chunks that are among the best `depth` of either side, with both scores."""
        assert self.lexical is not None
        scores, rows = self.vectors.nearest_among(vectors, depth, selection)
        return [
            self._found(text, vector, near_scores[near >= 0], near[near >= 0], depth, selection)
            for text, vector, near_scores, near in zip(texts, vectors, scores, rows, strict=True)
        ]

    def _found(
        self,
        text: str,
        vector: np.ndarray,
        near_scores: np.ndarray,
        near: np.ndarray,
        depth: int,
        selection: Selection | None,
    ) -> Found:
        assert self.lexical is not None
        bm25 = self.lexical.scores(text)
        rows = np.union1d(near, best_rows(bm25, depth, selection))
        # What the vectors did not find is no nearer than the last that they found.
        similarity = np.full(len(rows), near_scores.min() if len(near) else 0.0, np.float32)
        similarity[np.searchsorted(rows, near)] = near_scores
        only_words = ~np.isin(rows, near)
        known = self.vectors.similarities(vector, rows[only_words]) if only_words.any() else None
        if known is not None:
            similarity[only_words] = known
        return Found(rows, similarity, bm25[rows])

    def checked_mode(self, mode: Mode | None) -> Mode:
        """The mode, or the index's own. Raises SearchError."""
        if mode is None:
            return self.default_mode
        if mode not in get_args(Mode):
            raise SearchError(f"mode is {mode!r}, expected one of {', '.join(get_args(Mode))}")
        if mode != "dense" and self.lexical is None:
            raise SearchError(f"mode {mode}: this index has no lexical side; build it again, or search with mode dense")
        return mode
